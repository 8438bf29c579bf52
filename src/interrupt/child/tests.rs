use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};

use super::*;

fn shell(text: &str) -> Command {
    // The test itself may run with signals ignored, for which sh sets no trap.
    let mut command = Command::new("env");
    command.args(["--default-signal", "sh", "-c", text]);
    command.stdin(Stdio::null());
    command
}

fn start(text: &str, interrupt: &Interrupt) -> Running {
    let mut command = shell(text);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    Running::start(&mut command, interrupt).unwrap()
}

/// Starts a text of sh, waits until it has written a line, and interrupts it.
fn interrupted(name: &str, text: &str) -> String {
    let interrupt = Interrupt::default();
    let mut running = start(text, &interrupt);
    let mut output = running.take_stdout().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    interrupt.raise(15);
    let error = running.wait().unwrap_err();
    assert_eq!(error.to_string(), "interrupted", "{name}");
    // No process holds the pipe open.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
#[ignore = "needs time"]
fn an_interrupt_ends_all_descendants() {
    let rows = [
        ("a program", "echo x; exec sleep 600", ""),
        ("its children", "echo x; sleep 600; sleep 600", ""),
        ("a job in the background", "sleep 600 & echo x; wait", ""),
        ("a stopped one", "echo x; kill -STOP $$; sleep 600", ""),
        (
            "one in a group of its own",
            "(setsid sleep 600; true) & sleep 0.2; echo x; wait",
            "",
        ),
        (
            "one that ignores the signal",
            "trap '' TERM; sleep 600 & echo x; sleep 600; wait",
            "",
        ),
        (
            "one that outlives its parent",
            "(trap '' TERM; exec sleep 600) & echo x; wait",
            "",
        ),
        (
            "one that tidies up",
            "trap 'echo tidy; exit 3' TERM; echo x; while :; do sleep 0.01; done",
            "tidy\n",
        ),
        (
            "one that succeeds",
            "trap 'exit 0' TERM; echo x; while :; do sleep 0.01; done",
            "",
        ),
    ];
    for (name, text, rest) in &rows {
        assert_eq!(interrupted(name, text), *rest, "{name}");
    }
}

#[test]
fn what_takes_too_long_is_ended_with_its_descendants() {
    let interrupt = Interrupt::default();
    let mut running = start("sleep 600 & echo x; sleep 600; sleep 600", &interrupt);
    let mut output = running.take_stdout().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    let error = running.wait_at_most(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    output.read_to_end(&mut Vec::new()).unwrap();
    let mut quick = start("exit 4", &interrupt);
    let status = quick.wait_at_most(Duration::from_secs(600));
    assert_eq!(status.unwrap().code(), Some(4));
    assert_eq!(interrupt.callbacks(), 0);
}

/// The signal of a key comes to both, and this process may hear of it later.
#[test]
fn a_late_interrupt_counts() {
    let interrupt = Interrupt::default();
    let mut running = start("trap 'exit 130' INT; kill -INT $$; sleep 1", &interrupt);
    let mut output = running.take_stdout().unwrap();
    let raising = thread::spawn(move || {
        output.read_to_end(&mut Vec::new()).unwrap();
        thread::sleep(Duration::from_millis(20));
        interrupt.raise(2);
    });
    assert_eq!(running.wait().unwrap_err().to_string(), "interrupted");
    raising.join().unwrap();
}

#[test]
fn programs_stay_in_the_process_group() {
    let interrupt = Interrupt::default();
    let mut running = start("cut -d' ' -f5 /proc/self/stat", &interrupt);
    let mut text = String::new();
    let mut output = running.take_stdout().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert_eq!(text.trim(), nix::unistd::getpgrp().to_string());
}

#[test]
fn the_end_of_the_messages_is_kept() {
    let mut command = shell("head -c 100000 /dev/zero >&2; echo last >&2");
    let mut running =
        Running::start(command.stderr(Stdio::piped()), &Interrupt::default()).unwrap();
    let messages = running.hear();
    assert!(running.wait().unwrap().success());
    let last = messages.last();
    assert_eq!(last.len(), MESSAGES);
    assert!(last.ends_with(b"last\n"));
}

#[test]
fn nothing_starts_after_an_interrupt() {
    let interrupt = Interrupt::default();
    interrupt.raise(2);
    assert!(Running::start(&mut shell("true"), &interrupt).is_err());
    assert_eq!(interrupt.callbacks(), 0);
}

#[test]
fn what_ends_by_itself_is_left_alone() {
    let interrupt = Interrupt::default();
    let mut running = start("sleep 600 >/dev/null 2>&1 & echo $!; exit 4", &interrupt);
    let mut text = String::new();
    let mut output = running.take_stdout().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(4));
    interrupt.raise(15);
    drop(running);
    let left = Pid::from_raw(text.trim().parse().unwrap());
    kill(left, Signal::SIGKILL).unwrap();
}

#[test]
fn a_signal_that_nobody_else_gets_is_a_status() {
    let mut running = start("kill -TERM $$", &Interrupt::default());
    assert_eq!(running.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn a_dropped_program_is_killed_with_its_descendants() {
    let interrupt = Interrupt::default();
    let mut running = start("sleep 600 & echo x; sleep 600; sleep 600", &interrupt);
    let mut output = running.take_stdout().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    drop(running);
    output.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(interrupt.callbacks(), 0);
}
