//! The processes of zygotes: they end with the command, count as nobody's, and have its limits.

use super::*;

/// A script that says who its parent is, and waits.
const WAITING: &str = "open F, '>', '/tmp/parent'; print F getppid; close F; sleep shift";

/// Begins a run of that script, whose process is then `p`. A shell's job has INT and QUIT ignored.
const BEGIN: &str = "S=/usr/bin/deb-systemd-helper; rm -f /tmp/parent
perl -e '$SIG{INT} = $SIG{QUIT} = qq(DEFAULT); exec @ARGV' $S 100 & p=$!
while [ ! -s /tmp/parent ]; do sleep 0.1; done
";

#[test]
#[ignore = "needs root, perl"]
fn a_run_ends_with_its_zygote_and_a_zygote_with_the_command() {
    let tree = perl_tree();
    write_script(&tree, &script(WAITING));
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = covering(&tree, &sharing(), &report);
    assert_eq!(running(tree.path()), 1, "PID 1 alone");
    let killed = [
        READY,
        BEGIN,
        "read z </tmp/parent; kill -9 $z; wait $p; echo $?",
    ];
    for _ in 0..2 {
        start_zygotes(&sandbox);
        assert_eq!(said(&sandbox, &killed.concat()), "255\n");
        assert_eq!(running(tree.path()), 1, "PID 1 alone");
        assert_eq!(
            said(&sandbox, "cd /dev/.rb; ls -A l p z"),
            "l:\n\np:\n\nz:\n"
        );
    }
    drop((sandbox, report));
    let left = "sh left processes running: 1 ended with it";
    assert_eq!(left_running(&receiver), [left; 2], "the runs");
}

/// Zygotes are not among the processes that a command leaves running, but what their runs leave is.
#[test]
#[ignore = "needs root, perl"]
fn what_a_command_leaves_is_counted_without_its_zygotes() {
    let tree = perl_tree();
    write_script(&tree, &script(WAITING));
    let table = [
        ("nothing", vec!["/usr/bin/deb-systemd-helper 0"], None),
        ("a process", vec![READY, "sleep 1000 &"], Some(1)),
        (
            "a process, and no zygote",
            vec![
                READY,
                "for z in /dev/.rb/p/*; do kill -9 ${z##*/}; done; sleep 1000 &",
            ],
            Some(1),
        ),
        ("a run and its client", vec![READY, BEGIN], Some(2)),
        (
            "a run of an old zygote and its client",
            vec![READY, BEGIN, "touch $S; $S 0"],
            Some(2),
        ),
    ];
    let count = table.len();
    for (name, commands, left) in table {
        let (sender, receiver) = mpsc::channel();
        let report = Report::new(move |event| drop(sender.send(event)));
        let sandbox = covering(&tree, &sharing(), &report);
        start_zygotes(&sandbox);
        said(&sandbox, &commands.concat());
        drop((sandbox, report));
        let expected =
            left.map(|left: u32| format!("sh left processes running: {left} ended with it"));
        assert_eq!(left_running(&receiver), Vec::from_iter(expected), "{name}");
    }
    println!("{count} cases");
}

/// What was reported of processes that commands left running.
fn left_running(events: &mpsc::Receiver<Event>) -> Vec<String> {
    let mut left = Vec::new();
    for event in events.iter() {
        if let Event::Detail(text) = event
            && text.contains("left processes")
        {
            left.push(text);
        }
    }
    left
}

#[test]
#[ignore = "needs root, perl"]
fn a_run_in_a_zygote_has_the_limits_of_others() {
    let tree = perl_tree();
    let lines = format!("$| = 1; {PRINT_IF_SERVED} sleep 98765");
    write_script(&tree, &script(&lines));
    let mut options = sharing();
    options.limits.time = Some(std::time::Duration::from_secs(5));
    let sandbox = covering(&tree, &options, &Report::silent());
    start_zygotes(&sandbox);
    let ended = sandbox.run(&shell(
        &[READY, "exec /usr/bin/deb-systemd-helper"].concat(),
    ));
    assert!(
        matches!(&ended, Err(Error::Exceeded { output, .. }) if output == b"served "),
        "{ended:?}"
    );
    drop(sandbox);
    assert_eq!(running(tree.path()), 0);
}
