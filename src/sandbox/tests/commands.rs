//! How commands start, end and are cancelled, and what is said of those that do not start.

use super::*;

#[test]
#[ignore = "needs root"]
fn statuses_and_signals() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    assert_eq!(
        sandbox.run(&shell("exit 7")).unwrap().status.code(),
        Some(7)
    );
    assert_eq!(
        sandbox.run(&shell("kill -9 $$")).unwrap().status.signal(),
        Some(9)
    );
    assert_eq!(
        sandbox
            .run(&shell("kill -9 1; kill -2 1; kill -13 1; echo still here"))
            .unwrap()
            .output,
        b"still here\n"
    );
    assert_eq!(
        sandbox.run(&shell("kill -13 $$")).unwrap().status.signal(),
        Some(13),
        "SIGPIPE is not ignored"
    );
    assert!(
        sandbox
            .run(&shell("kill 0"))
            .unwrap()
            .status
            .signal()
            .is_some()
    );
}

#[test]
#[ignore = "needs root"]
fn output_is_heard_and_its_end_kept() {
    let tree = Tree::new();
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &report).unwrap();
    let mut heard = Vec::new();
    sandbox
        .watch(
            &shell("echo a; printf 'b\\nc' >&2"),
            Hearing {
                on_line: &mut |line| {
                    heard.push(line.to_owned());
                    Clock::Continues
                },
                beginnings: &[],
            },
        )
        .unwrap();
    assert_eq!(heard, ["a", "b", "c"]);
    let long = sandbox
        .run(&shell(
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo end",
        ))
        .unwrap();
    assert!(long.output.len() == 64 * 1024 && long.output.ends_with(b"\nend\n"));
    drop((sandbox, report));
    assert_eq!(
        receiver
            .iter()
            .filter(|event| matches!(event, Event::Output(line) if line == "0123456789"))
            .count(),
        20_000
    );
}

#[test]
#[ignore = "needs root"]
fn what_cannot_be_started_is_named() {
    let tree = Tree::new();
    let root = tree.root();
    let path = |text: &str| crate::tree::rootfs::RootPath::parse(text).unwrap();
    let mut arm = b"\x7fELF\x01\x01\x01".to_vec();
    arm.resize(64, 0);
    arm[16..20].copy_from_slice(&[2, 0, 40, 0]);
    root.write(&path("bin/arm"), &arm, 0o755).unwrap();
    root.write(&path("bin/arm-script"), b"#! /bin/arm -x\n", 0o755)
        .unwrap();
    root.write(&path("bin/orphan"), b"#!/no/such\n", 0o755)
        .unwrap();
    root.write(&path("bin/data"), b"", 0o644).unwrap();
    let sandbox = Sandbox::open(&root, &Options::default(), &Report::silent()).unwrap();
    for program in ["arm", "/bin/arm", "arm-script"] {
        let error = sandbox.run(&command(&[program])).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Foreign {
                    architecture: "armhf",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert!(
        matches!(sandbox.run(&command(&["nothing"])), Err(Error::NotFound { program }) if program == "nothing")
    );
    assert!(matches!(
        sandbox.run(&command(&["/bin/sh/x"])),
        Err(Error::NotFound { .. })
    ));
    assert!(
        matches!(sandbox.run(&command(&["orphan"])), Err(Error::Exec { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    );
    assert!(
        matches!(sandbox.run(&command(&["data"])), Err(Error::Exec { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied)
    );
    assert_eq!(said(&sandbox, "echo and goes on"), "and goes on\n");
}

#[test]
#[ignore = "needs root"]
fn a_tree_with_nothing_in_it() {
    let empty = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(
        &Rootfs::open(empty.path()).unwrap(),
        &Options::default(),
        &Report::silent(),
    )
    .unwrap();
    assert!(
        matches!(sandbox.run(&shell("true")), Err(Error::NotFound { program }) if program == "sh")
    );
    drop(sandbox);
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root"]
fn a_command_can_be_cancelled_while_it_runs() {
    let tree = Tree::new();
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &report).unwrap();
    let cancel = sandbox.cancel();
    let canceller = std::thread::spawn(move || {
        let begun = receiver
            .iter()
            .any(|event| matches!(event, Event::Output(line) if line == "begun"));
        assert!(begun);
        cancel.cancel();
    });
    let ended = sandbox.run(&shell("trap '' INT TERM HUP; echo begun; sleep 98765"));
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    canceller.join().unwrap();
    assert!(matches!(sandbox.run(&shell("true")), Err(Error::Cancelled)));
    drop(sandbox);
    assert_eq!(running(tree.path()), 0);
}

#[test]
#[ignore = "needs root"]
fn sandboxes_do_not_hold_one_another_open() {
    let tree = Tree::new();
    let first = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    let second = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    drop(first);
    assert_eq!(said(&second, "echo here"), "here\n");
}

#[test]
#[ignore = "needs root"]
fn a_command_that_runs_too_long_is_killed_with_all_that_it_started() {
    let tree = Tree::new();
    let deaf = "trap '' INT TERM HUP; setsid sleep 98765 & echo begun; sleep 98765";
    for without in [0, refused::PID] {
        let report = Report::silent();
        let sandbox = Sandbox::open_without(&tree.root(), &half_a_second(), &report, without);
        let sandbox = sandbox.unwrap();
        assert_eq!(said(&sandbox, "echo quick"), "quick\n");
        match sandbox.run(&shell(deaf)) {
            Err(error @ Error::Exceeded { .. }) => {
                assert_eq!(error.to_string(), "sh did not end within 0.5 s");
                let Error::Exceeded { output, .. } = error else {
                    unreachable!()
                };
                assert_eq!(output, b"begun\n");
            }
            other => panic!("{without}: {other:?}"),
        }
        drop(sandbox);
        assert_eq!(running(tree.path()), 0, "{without}");
    }
}

fn half_a_second() -> Options {
    let mut options = Options::default();
    options.limits.time = Some(std::time::Duration::from_millis(500));
    options
}

#[test]
#[ignore = "needs root"]
fn a_command_whose_scripts_never_end_is_killed() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &half_a_second(), &Report::silent()).unwrap();
    let hearing = Hearing {
        on_line: &mut |_| Clock::Restarts,
        beginnings: &[],
    };
    let ended = sandbox.watch(&shell("while :; do echo next; sleep 0.1; done"), hearing);
    assert_eq!(ended.unwrap_err().to_string(), "sh did not end within 12 s");
}
