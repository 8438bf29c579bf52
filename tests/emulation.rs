//! Programs of another architecture run where the host has an emulator, without a registration of
//! the host's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rbootstrap::testing::tar::symlink;
use rbootstrap::testing::{DebBuilder, base, exit_program, host_architecture};

use crate::context::{Outcome, TestContext, outcome, suite};

/// An architecture that the test host is not.
const FOREIGN: &str = "riscv64";

/// Where the host has its emulator, in a mount namespace of the run.
const EMULATOR: &str = "/usr/local/bin/qemu-riscv64-static";

/// A program of the other architecture, with a shell of the host's that starts it.
fn tool() -> DebBuilder {
    let mut deb = DebBuilder::new("tool", "1").program("usr/bin/foreign", exit_program(FOREIGN));
    for (link, target) in [
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/bin/sh", "dash"),
    ] {
        deb = deb.entry(symlink(link, target));
    }
    let libraries = base::libraries(&["dash"]);
    for entry in libraries.into_iter().chain(base::program("dash")) {
        deb = deb.entry(entry);
    }
    deb
}

/// Makes a tree in which a hook starts the program. `emulator` is the file that the host has.
fn make(context: &TestContext, emulator: Option<&[u8]>) -> Outcome {
    let file = context.path("home/emulator");
    let mut place = "mount -t tmpfs tmpfs /usr/local/bin".to_owned();
    if let Some(content) = emulator {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        place.push_str(&format!(" && cp home/emulator {EMULATOR}"));
    }
    let program = context.command();
    let mut command = Command::new("unshare");
    command.env_clear().current_dir(context.directory.path());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let code = format!("{place} && exec \"$@\"");
    command.args(["--mount", "--propagation=private", "sh", "-c", &code, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    command.args([
        "--variant=extract",
        "--include=tool",
        "--arch=riscv64",
        "--hook=extract-in-tree=/usr/bin/foreign && echo ran >/said",
        "fake",
        "root",
        &context.mirror.url(),
    ]);
    outcome(&mut command)
}

#[test]
#[ignore = "needs root, dpkg, unshare, emulators"]
fn an_emulator_of_the_host_runs_programs_of_the_tree() {
    assert_ne!(host_architecture(), FOREIGN);
    let context = || {
        let mut shape = suite([tool()]);
        shape.architectures.push(FOREIGN.into());
        TestContext::of(&shape)
    };
    let works = context();
    make(&works, Some(&exit_program(host_architecture()))).ok();
    assert_eq!(works.read("said"), "ran\n");
    // It must not be the host's kernel that runs the program, or a registration that stayed.
    let missing = context();
    let outcome = make(&missing, None).fails(6);
    outcome.names(&["cannot run riscv64 programs", "install qemu-user-static"]);
    let unusable = context();
    let outcome = make(&unusable, Some(b"no program")).fails(6);
    outcome.names(&["cannot run riscv64 programs", EMULATOR, "binfmt_misc"]);
    for context in [works, missing, unusable] {
        let registered = fs::read_dir("/proc/sys/fs/binfmt_misc")
            .into_iter()
            .flatten();
        assert!(
            registered
                .flatten()
                .all(|entry| entry.file_name() != "qemu-riscv64")
        );
        context.assert_nothing_besides_target();
    }
}
