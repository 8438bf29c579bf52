//! The program called `debootstrap`: its words, what it leaves, its lines and its exit codes.

mod callers;
mod options;
mod priorities;
mod tarballs;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::tree::names;
use rbootstrap::testing::{DebBuilder, FakeSuite, MirrorFault};
use rustix::process::Signal;

use crate::context::{Outcome, TestContext, outcome, suite};
use crate::interrupt::{interrupted, start};

/// The program under the name of debootstrap, with these words.
fn debootstrap(context: &TestContext, words: &[&str]) -> Outcome {
    let mut command = context.program();
    command.arg0("/usr/sbin/debootstrap");
    command.env("XDG_CACHE_HOME", context.path("cache"));
    command.env("XDG_STATE_HOME", context.path("state"));
    outcome(command.args(words))
}

/// As [`debootstrap`], with the archive's keyring before the words and its mirror after them.
fn made(context: &TestContext, words: &[&str]) -> Outcome {
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    debootstrap(context, &[&[keyring.as_str()], words, &[&mirror]].concat())
}

/// As [`made`], a minbase tree with the package `service` in the target.
fn made_with_service(context: &TestContext, options: &[&str]) -> Outcome {
    let root = target(context);
    let words = ["--variant=minbase", "--include=service", "fake", &root];
    made(context, &[options, &words].concat())
}

fn target(context: &TestContext) -> String {
    context.root().display().to_string()
}

fn service() -> DebBuilder {
    DebBuilder::new("service", "1:2").script("postinst", "echo configured >/var/lib/service")
}

#[test]
fn words_without_a_run() {
    let context = TestContext::bare();
    let version = debootstrap(&context, &["--version"]).ok();
    assert_eq!(version.text(), "debootstrap 1.0.141\n");
    let missing = "E: You must specify a suite and a target.";
    let rows: [(&[&str], &str); 9] = [
        (&[], missing),
        (&["", "fake"], missing),
        (
            &["--variant=fakechroot", "fake", "x"],
            "E: the variant fakechroot is not supported",
        ),
        (&["--variant=other", "fake", "x"], "E: unsupported variant"),
        (
            &["--bogus", "fake", "x"],
            "E: unexpected argument '--bogus'",
        ),
        (
            &["--keyring=/none", "fake", "x"],
            "E: specified keyring file (/none) not found",
        ),
        (
            &["--cache-dir=x", "fake", "x"],
            "E: cache directory should be specified",
        ),
        (
            &["--second-stage"],
            "chroot TARGET /debootstrap/debootstrap --second-stage",
        ),
        (
            &["fake", "x", "nowhere"],
            "E: `nowhere` is not the URL of a mirror",
        ),
    ];
    for (words, line) in rows {
        debootstrap(&context, words).fails(1).names(&[line]);
    }
    // As a command of rbootstrap, after options that are not debootstrap's.
    let before = [["-q"], ["--verbose"], ["--log=l"]];
    for options in before {
        let mut command = context.program();
        command
            .args(options)
            .args(["debootstrap", "--version=1", "fake", "x"]);
        outcome(&mut command).fails(1).names(&["E: unexpected "]);
    }
    println!("{} cases", rows.len() + before.len());
}

#[test]
fn print_debs_prints_names_only() {
    let context = TestContext::new([service()]);
    let printed = made_with_service(&context, &["--print-debs"]).ok();
    let text = printed.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.contains(&"service") && lines.contains(&"apt"),
        "{text}"
    );
    assert!(!text.contains("I: ") && !text.contains('='), "{text}");
    assert!(!context.root().exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_is_as_debootstrap_leaves_it() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    // Callers put an emulator, mounts and .debs there first.
    fs::create_dir_all(context.root().join("usr/bin")).unwrap();
    let emulator = context.root().join("usr/bin/qemu-x-static");
    fs::write(&emulator, "x").unwrap();
    let before = fs::metadata(&emulator).unwrap().modified().unwrap();
    let words = [
        "--variant=minbase",
        "--include",
        "service",
        "--exclude=hello",
        "fake",
        &root,
    ];
    let made = made(&context, &words).ok();
    let text = made.text();
    for line in ["I: Retrieving service 1:2\n", "I: Validating service 1:2\n"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        text.ends_with("I: Base system installed successfully.\n"),
        "{text}"
    );
    let mirror = context.mirror.url();
    let sources = format!("deb {} fake main\n", mirror.trim_end_matches('/'));
    assert_eq!(context.read("etc/apt/sources.list"), sources);
    assert_eq!(context.read("var/lib/service"), "configured\n");
    let after = fs::metadata(&emulator).unwrap().modified().unwrap();
    assert_eq!(after, before, "the time of a file of the user's");
    assert_eq!(context.read("usr/bin/qemu-x-static"), "x");
    if let Ok(host) = fs::read_to_string("/etc/hostname") {
        assert_eq!(context.read("etc/hostname"), host);
    }
    let there = |path: &str| context.root().join(path).exists();
    assert!(there("var/cache/apt/archives/service_1%3a2_all.deb"));
    assert!(there("var/log/bootstrap.log") && !there("debootstrap"));
    assert!(
        context
            .read("var/lib/dpkg/available")
            .contains("Package: service\n")
    );
    let lists = names(&context.root().join("var/lib/apt/lists"));
    let indexes = lists.iter().filter(|name| name.ends_with("_Packages"));
    assert_eq!(indexes.count(), 1, "{lists:?}");
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_failure_is_exit_code_1_and_leaves_the_target() {
    let deb = DebBuilder::new("service", "1").script("postinst", "echo broken >&2; exit 3");
    let context = TestContext::new([deb]);
    let failed = made_with_service(&context, &[]).fails(1);
    failed.names(&["E: ", "service", "W: See "]);
    let log = fs::read_to_string(context.root().join("debootstrap/debootstrap.log")).unwrap();
    assert!(log.contains("broken"), "{log}");
    assert!(context.root().join("usr/bin").exists());
}

#[test]
#[ignore = "needs root"]
fn an_interrupt_leaves_the_target_and_says_nothing_else() {
    let context = TestContext::new([service()]);
    context.mirror.fault("/InRelease", MirrorFault::Stall);
    let mut command = context.program();
    command.arg0("/usr/sbin/debootstrap");
    command.env("XDG_CACHE_HOME", context.path("cache"));
    command.args(["fake", &target(&context), &context.mirror.url()]);
    command.arg(format!(
        "--keyring={}",
        context.path("keyring.gpg").display()
    ));
    let child = start(&mut command);
    context.mirror.wait_for("/InRelease");
    let stderr = interrupted(child, Signal::TERM);
    assert!(stderr.contains("E: interrupted\n"), "{stderr}");
    assert!(context.root().join("debootstrap/debootstrap.log").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_second_stage_completes_the_tree() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    for name in ["fake-more", "fake-most"] {
        context.archive.publish(&FakeSuite::new(name));
    }
    let options = ["--foreign", "--extra-suites=fake-more,fake-most"];
    made_with_service(&context, &options).ok();
    assert_eq!(context.read("debootstrap/variant"), "minbase\n");
    let extra = context.read("debootstrap/extra-suites");
    assert_eq!(extra, "fake-more fake-most\n");
    let mut second = Command::new("chroot");
    second.args([
        &root,
        "/bin/sh",
        "/debootstrap/debootstrap",
        "--second-stage",
    ]);
    let second = outcome(
        second
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    )
    .ok();
    assert!(
        second
            .text()
            .ends_with("I: Base system installed successfully.\n")
    );
    assert_eq!(context.read("var/lib/service"), "configured\n");
    let there = |path: &str| context.root().join(path).exists();
    assert!(there("var/cache/apt/archives/service_1%3a2_all.deb"));
    assert!(there("var/log/bootstrap.log") && !there("debootstrap"));
}

#[test]
#[ignore = "needs root"]
fn an_unmerged_usr_has_its_file_even_if_the_packages_merge_it() {
    let context = TestContext::new([]);
    let root = target(&context);
    let rows = [("--no-merged-usr", true), ("--merged-usr", false)];
    for (option, is_there) in rows {
        let words = [option, "--foreign", "--variant=minbase", "fake", &root];
        made(&context, &words).ok();
        let file = context
            .root()
            .join("etc/unsupported-skip-usrmerge-conversion");
        assert_eq!(file.exists(), is_there, "{option}");
        fs::remove_dir_all(context.root()).unwrap();
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root"]
fn components_have_the_order_of_the_release() {
    let context = TestContext::of(&suite([]).component("contrib", [service()]));
    let root = target(&context);
    let words = ["--components=main,contrib", "--foreign", "fake", &root];
    made(&context, &words).ok();
    let sources = context.read("etc/apt/sources.list");
    assert!(sources.ends_with(" fake contrib main\n"), "{sources}");
}

#[test]
#[ignore = "needs root"]
fn a_directory_of_this_host_is_no_source() {
    let context = TestContext::new([service()]);
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = format!("file://{}", context.archive.root.display());
    let root = target(&context);
    let words = ["--variant=minbase", "--foreign", "fake", &root, &mirror];
    debootstrap(&context, &[&[keyring.as_str()], &words[..]].concat()).ok();
    assert_eq!(context.read("etc/apt/sources.list"), "");
}

#[test]
#[ignore = "needs root"]
fn downloads_stay_in_the_target_and_are_used_again() {
    let context = TestContext::new([service()]);
    made_with_service(&context, &["--download-only"]).ok();
    let deb = context
        .root()
        .join("var/cache/apt/archives/service_1%3a2_all.deb");
    assert!(deb.exists() && !context.root().join("usr").exists());
    assert!(!context.root().join("var/lib/dpkg").exists());
    let lists = ["debootstrap.log", "debpaths", "deburis"];
    assert_eq!(names(&context.root().join("debootstrap")), lists);
    let lists = names(&context.root().join("var/lib/apt/lists"));
    for ending in ["_InRelease", "_Release", "_Release.gpg", "_Packages"] {
        assert!(
            lists.iter().any(|name| name.ends_with(ending)),
            "{ending}: {lists:?}"
        );
    }
    // Without the pool, what is there is used.
    for directory in ["cache", "state"] {
        let _ = fs::remove_dir_all(context.path(directory));
    }
    fs::remove_dir_all(context.archive.root.join("pool")).unwrap();
    made_with_service(&context, &["--download-only"]).ok();
}

#[test]
#[ignore = "needs root"]
fn a_tarball_has_what_a_second_machine_needs() {
    let context = TestContext::new([]);
    let root = target(&context);
    let tarball = context.path("debs.tgz").display().to_string();
    let words = [
        "--make-tarball",
        &tarball,
        "--variant=minbase",
        "fake",
        &root,
    ];
    made(&context, &words).ok();
    assert!(!context.root().exists());
    let mut list = Command::new("tar");
    let listed = outcome(list.args(["-tzf", &tarball])).ok().text();
    for path in [
        "debootstrap/required",
        "debootstrap/debpaths",
        "var/lib/apt/lists/",
    ] {
        assert!(listed.contains(path), "{listed}");
    }
    assert!(listed.contains(".deb\n"), "{listed}");
}

#[test]
#[ignore = "needs root"]
fn packages_are_kept_in_a_directory_of_ones_own() {
    let context = TestContext::new([service()]);
    let directory = context.path("place");
    fs::create_dir(&directory).unwrap();
    let option = format!("--cache-dir={}", directory.display());
    made_with_service(&context, &[&option, "--download-only"]).ok();
    assert!(Path::new(&directory).join("service_1%3a2_all.deb").exists());
}

#[test]
#[ignore = "needs root"]
fn a_log_is_written_through_no_link() {
    let rows = ["a link", "a fifo"];
    for name in rows {
        let context = TestContext::new([]);
        let root = target(&context);
        let directory = context.root().join("debootstrap");
        fs::create_dir_all(&directory).unwrap();
        let log = directory.join("debootstrap.log");
        match name {
            "a link" => symlink(context.path("outside"), &log).unwrap(),
            _ => nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        }
        let failed = made(&context, &["--variant=minbase", "fake", &root]).fails(1);
        failed.names(&["E: ", "debootstrap/debootstrap.log: not a regular file"]);
        assert!(!context.path("outside").exists(), "{name}");
    }
    // A directory stays in the tree, whatever the link says.
    let context = TestContext::new([]);
    let root = target(&context);
    let away = context.path("away");
    fs::create_dir_all(&away).unwrap();
    fs::create_dir_all(context.root()).unwrap();
    symlink(&away, context.root().join("debootstrap")).unwrap();
    made(&context, &["--variant=minbase", "fake", &root]).fails(1);
    assert_eq!(names(&away), Vec::<String>::new());
    println!("{} cases", rows.len() + 1);
}
