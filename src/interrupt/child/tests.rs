use std::io::Read;
use std::process::Stdio;

use super::*;

fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]).stdin(Stdio::null());
    command
}

/// Starts a text of sh, waits until it has written a line, and interrupts it.
fn interrupted(text: &str) -> ExitStatus {
    let interrupt = Interrupt::default();
    let mut command = shell(text);
    let mut running = Running::start(command.stdout(Stdio::piped()), &interrupt).unwrap();
    let mut output = running.take_stdout().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    interrupt.raise(15);
    let status = running.wait().unwrap();
    // No process of the group holds the pipe open.
    output.read_to_end(&mut Vec::new()).unwrap();
    status
}

#[test]
fn an_interrupt_ends_a_whole_group() {
    let rows = [
        ("a program", "echo x; exec sleep 600", libc::SIGTERM),
        (
            "its children",
            "echo x; sleep 600; sleep 600",
            libc::SIGTERM,
        ),
        (
            "a job in the background",
            "sleep 600 & echo x; wait",
            libc::SIGTERM,
        ),
        (
            "a stopped one",
            "echo x; kill -STOP $$; sleep 600",
            libc::SIGTERM,
        ),
        (
            "one that ignores the signal",
            "trap '' TERM; sleep 600 & echo x; sleep 600; wait",
            libc::SIGKILL,
        ),
    ];
    for (name, text, signal) in &rows {
        let status = interrupted(text);
        assert_eq!(status.signal(), Some(*signal), "{name}");
    }
    let status = interrupted("trap 'exit 3' TERM; echo x; while :; do sleep 0.01; done");
    assert_eq!(status.code(), Some(3), "one that tidies up");
}

#[test]
fn a_child_that_outlives_its_parent_is_ended() {
    let status = interrupted("(trap '' TERM; exec sleep 600) & echo x; wait");
    assert_eq!(status.signal(), Some(libc::SIGTERM));
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
    let mut command = shell("sleep 600 >/dev/null 2>&1 & echo $!; exit 4");
    let mut running = Running::start(command.stdout(Stdio::piped()), &interrupt).unwrap();
    let mut text = String::new();
    running
        .take_stdout()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(4));
    interrupt.raise(15);
    drop(running);
    let left = Pid::from_raw(text.trim().parse().unwrap());
    nix::sys::signal::kill(left, Signal::SIGKILL).unwrap();
}

#[test]
fn a_dropped_program_is_killed() {
    let interrupt = Interrupt::default();
    let mut command = shell("sleep 600; sleep 600");
    let mut running = Running::start(command.stdout(Stdio::piped()), &interrupt).unwrap();
    let mut output = running.take_stdout().unwrap();
    drop(running);
    output.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(interrupt.callbacks(), 0);
}
