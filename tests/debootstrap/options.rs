//! Options of debootstrap(8) that no other test shows: SCRIPT, --verbose, and work without root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rbootstrap::testing::DebBuilder;

use super::{debootstrap, made, made_with_service, service, target};
use crate::context::{TestContext, outcome};

#[test]
fn a_script_is_accepted() {
    let context = TestContext::new([service()]);
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    let rows: [&[&str]; 3] = [
        &["/usr/share/debootstrap/scripts/sid"],
        &["gutsy"],
        &["", "more", "words"],
    ];
    for words in &rows {
        let first = [&keyring, "--print-debs", "fake", "root", &mirror];
        let printed = debootstrap(&context, &[&first[..], words].concat()).ok();
        assert!(printed.text().contains("apt\n"), "{words:?}");
    }
    println!("{} cases", rows.len());
}

/// debootstrap removes the target after --print-debs, so it must be empty.
#[test]
fn a_target_that_would_be_wiped_is_empty() {
    let context = TestContext::new([]);
    let root = target(&context);
    fs::create_dir(&root).unwrap();
    made(&context, &["--print-debs", "fake", &root]).ok();
    assert!(!context.root().exists());
    fs::create_dir(&root).unwrap();
    fs::write(context.root().join("file"), "").unwrap();
    let tarball = format!("--make-tarball={}", context.path("debs.tgz").display());
    for task in ["--print-debs", &tarball] {
        let refused = made(&context, &[task, "fake", &root]).fails(1);
        refused.names(&[
            "E: Target directory '",
            "' is not empty and it would be wiped",
        ]);
    }
    assert!(context.root().join("file").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn what_dpkg_says_is_shown_on_request() {
    let deb = DebBuilder::new("service", "1").script("postinst", "echo said by the script");
    let context = TestContext::new([deb]);
    let rows: [(&[&str], bool); 2] = [(&[], false), (&["--verbose"], true)];
    for (options, expected) in rows {
        let made = made_with_service(&context, options).ok();
        let said = format!("{}{}", made.text(), made.stderr);
        let is_shown = said.contains("said by the script\n");
        assert_eq!(is_shown, expected, "{options:?}: {said}");
        fs::remove_dir_all(context.root()).unwrap();
    }
    println!("{} cases", rows.len());
}

/// As root, the test becomes such a user with setpriv.
#[test]
#[ignore = "needs setpriv"]
fn a_user_without_root_downloads() {
    let context = TestContext::new([service()]);
    let tarball = format!("--make-tarball={}", context.path("debs.tgz").display());
    let made_as_user = |task: &str| {
        let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command
            .arg("--")
            .arg(context.path("tmp").join("debootstrap"));
        let root = target(&context);
        command.args([&keyring, task, "--variant=minbase", "fake", &root]);
        command.arg(context.mirror.url()).env_clear();
        command.env("HOME", context.path("home"));
        command.env("RBOOTSTRAP_CACHE_DIR", context.path("cache"));
        outcome(command.current_dir(context.directory.path()))
    };
    // The program must be executable for the other user, wherever the build directory is.
    let program = context.path("tmp").join("debootstrap");
    fs::copy(context.program().get_program(), &program).unwrap();
    for directory in ["", "home", "tmp"] {
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(context.path(directory), everybody).unwrap();
    }
    made_as_user(&tarball).ok();
    assert!(context.path("debs.tgz").exists() && !context.root().exists());
    made_as_user("--download-only").ok();
    let archives = context.root().join("var/cache/apt/archives");
    assert!(archives.read_dir().unwrap().count() > 1);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    fs::remove_dir_all(context.root()).unwrap();
    let refused = made_as_user("--foreign").fails(1);
    refused.names(&["E: debootstrap can only run as root"]);
}
