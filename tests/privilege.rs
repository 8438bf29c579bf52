//! As whom the program works: root, root of a container, a user with and without subordinate ids.
//! The same image comes from each, or a message says before any download what is missing.

mod calls;
mod hosts;
mod single_id;

use std::fs;
use std::os::unix::fs::MetadataExt;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;
use rustix::process::Signal;

use crate::context::TestContext;
use crate::interrupt::{interrupted, start, within_a_minute};
use calls::WITHOUT_CALLS;
use hosts::{HOSTS, SUBORDINATE, User, context_of_all};

/// A package with everything whose owner, mode or attribute a caller may fail to set.
fn special() -> DebBuilder {
    DebBuilder::new("special", "1")
        .file("usr/share/special/file", "content\n")
        .script(
            "postinst",
            "cd /usr/share/special\n\
             for owner in 1:1 33:42 999:999 1000:1000 65534:65534; do\n\
             \x20 echo x >owned-$owner; chown $owner owned-$owner; done\n\
             for mode in 4755 2755 1644 0000 6711; do\n\
             \x20 echo x >mode-$mode; chown 7:42 mode-$mode; chmod $mode mode-$mode; done\n\
             mkdir group; chown 0:42 group; chmod 2775 group; echo x >group/inherits\n\
             mkfifo pipe; ln -s nowhere link; chown -h 5:5 link; ln owned-1:1 hard\n\
             exec 7>through-proc; chown 9:9 /proc/self/fd/7; chmod 2640 /proc/self/fd/7\n\
             cat /proc/self/comm >&7; readlink /proc/self/exe >>/proc/self/fd/7\n\
             id -u >id; echo x >/dev/null",
        )
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare"]
fn every_host_gives_the_same_image_or_says_what_is_missing() {
    let context = context_of_all([special()]);
    let expected = HOSTS[0].digest(&context, "as-root.tar");
    assert_eq!(expected.len(), 64, "{expected}");
    println!(
        "{:42} {:10} {:>4}  digest or message",
        "host", "mode", "exit"
    );
    for host in &HOSTS {
        let outcome = host.image(&context, "image.tar");
        let name = host.name;
        assert_eq!(outcome.code, Some(host.code), "{name}: {}", outcome.stderr);
        for words in host.said {
            assert!(
                outcome.stderr.contains(words),
                "{name}: `{words}` is not in:\n{}",
                outcome.stderr
            );
        }
        let first = outcome
            .stderr
            .lines()
            .find(|line| line.starts_with("error"));
        let shown = match host.code {
            0 => {
                let digest = hosts::digest(&context.path("image.tar"));
                assert_eq!(digest, expected, "{name}");
                digest[..16].to_owned()
            }
            _ => first.unwrap_or_default().to_owned(),
        };
        println!("{name:42} {:10} {:>4}  {shown}", host.mode, host.code);
        let warnings = outcome.stderr.matches("warning:").count();
        assert!(warnings <= 1, "{name}: {}", outcome.stderr);
        if host.code != 0 {
            assert!(!context.path("image.tar").exists(), "{name}");
            // The root of a chroot or a container without rights finds out later than a user.
            assert!(!outcome.stderr.contains("download"), "{name}");
        }
        let _ = fs::remove_file(context.path("image.tar"));
        let temporary = names(&context.path("tmp"));
        assert!(temporary.is_empty(), "{name}: {temporary:?}");
    }
    println!("{} hosts", HOSTS.len());
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare"]
fn a_directory_has_subordinate_owners_and_is_removed_again() {
    let context = context_of_all([special()]);
    let user = User::with(SUBORDINATE);
    let url = context.mirror.url();
    let options = ["--variant=essential", "--include=special", "fake"];
    let made = user.run(&context, &[&options[..], &["root", &url]].concat());
    let made = made.ok().names(&[
        "root of a user namespace: uid 1234 with 65536 subordinate ids",
        "rbootstrap rm root",
        "no device nodes",
    ]);
    assert_eq!(made.text(), "");
    let owner = |path: &str| {
        let found = fs::symlink_metadata(context.root().join(path)).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owner("usr/bin/dpkg"), (1234, 1234));
    assert_eq!(owner("usr/share/special/owned-33:42"), (100_032, 100_041));
    assert!(!context.root().join("dev/null").exists());
    // What is in the user's home is the user's.
    for path in ["home/.cache/rbootstrap", "home/.local/state/rbootstrap"] {
        assert_eq!(fs::metadata(context.path(path)).unwrap().uid(), 1234);
    }
    let image = user.run(&context, &[&options[..], &["-", &url]].concat());
    let packed = user.run(&context, &["pack", "root"]);
    assert!(image.ok().stdout == packed.ok().stdout);
    let again = user.run(&context, &["--variant=essential", "fake", "root", &url]);
    again.fails(6).names(&["root is not empty"]);
    user.run(&context, &["rm", "root"]).ok();
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare"]
fn a_signal_undoes_everything_and_the_next_run_removes_what_a_killed_one_left() {
    let waiting = DebBuilder::new("waiting", "1").script(
        "postinst",
        "chown 33:33 /var/lib/dpkg/info; touch /var/lib/sign; sleep 1000",
    );
    let user = User::with(SUBORDINATE);
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let context = context_of_all([waiting.clone()]);
        let url = context.mirror.url();
        let options = ["--variant=essential", "fake", "root", &url];
        let with_script = [&["--include=waiting"], &options[..]].concat();
        let mut child = start(&mut user.command(&context, &with_script));
        let sign = context.root().join("var/lib/sign");
        assert!(within_a_minute(|| sign.exists()), "the script never ran");
        if signal != Signal::KILL {
            interrupted(child, signal);
            context.assert_nothing_left();
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let next = user.run(&context, &options).ok();
        next.names(&["removed what a killed run had left"]);
    }
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare"]
fn what_is_not_the_users_stays() {
    let context = context_of_all([]);
    let user = User::with(SUBORDINATE);
    let url = context.mirror.url();
    let foreign = context.path("place/foreign");
    fs::create_dir(&foreign).unwrap();
    let made = user.run(
        &context,
        &["--variant=essential", "fake", "place/foreign", &url],
    );
    made.fails(6).names(&["place/foreign", "hint:"]);
    for (arguments, words) in [
        (["rm", "/"], "is the root of the running system"),
        (["rm", "home"], "is not a tree"),
        (["rm", "home/.."], "name the tree itself"),
        (["rm", "absent"], "absent"),
        (["rm", "keyring.gpg"], "not a directory"),
    ] {
        user.run(&context, &arguments).fails(6).names(&[words]);
    }
    fs::create_dir_all(foreign.join("var/lib/dpkg")).unwrap();
    let outcome = user.run(&context, &["rm", "place/foreign"]);
    outcome
        .fails(6)
        .names(&["place/foreign could not be removed"]);
    assert!(context.path("home").exists() && foreign.join("var/lib/dpkg").exists());
}

/// Simulating, printing and downloading need no rights, and packing another user's tree keeps its
/// owners.
#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare"]
fn a_user_without_subordinate_ids_does_what_needs_none() {
    let context = context_of_all([]);
    let user = User::with("");
    let url = context.mirror.url();
    for goal in ["--print-debs", "--simulate", "--download-only"] {
        let options = [goal, "--variant=essential", "fake", "root", &url];
        user.run(&context, &options).ok();
    }
    fs::create_dir_all(context.path("place/tree/etc")).unwrap();
    let tar = user.run(&context, &["pack", "place/tree"]).ok().stdout;
    assert_eq!(&tar[108..116], b"0000000\0");
    let own = TestContext::path(&context, "home");
    let tar = user.run(&context, &["pack", own.to_str().unwrap()]).ok();
    // 1234 in octal digits.
    assert_eq!(&tar.stdout[108..116], b"0002322\0");
}

/// Containers and kernels without a call: the program does without it, or names it.
#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, strace, unshare"]
fn a_system_call_that_is_missing_is_named_before_any_download() {
    let context = context_of_all([special()]);
    let expected = HOSTS[0].digest(&context, "as-root.tar");
    for host in &WITHOUT_CALLS {
        if host.code == 0 {
            assert_eq!(host.digest(&context, "image.tar"), expected);
            fs::remove_file(context.path("image.tar")).unwrap();
            continue;
        }
        let outcome = host.image(&context, "image.tar").fails(host.code);
        let outcome = outcome.names(host.said).names(&["seccomp=unconfined"]);
        assert!(!outcome.stderr.contains("download"), "{}", outcome.stderr);
    }
    println!("{} hosts", WITHOUT_CALLS.len());
}
