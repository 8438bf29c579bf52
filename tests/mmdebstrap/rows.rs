//! Rows of docs/migrating.md: what is skipped, noted, simulated, logged and written as a file system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::tree::names;

use super::{command, confined, made, members, mmdebstrap, service, target};
use rbootstrap::testing::DebBuilder;

use crate::context::{TestContext, outcome, suite};

/// Files that no finished tree has, with a letter for each.
const TRACES: [(char, &str); 7] = [
    ('l', "var/lib/apt/lists/trace"),
    ('x', "var/lib/apt/lists/auxfiles/trace"),
    ('a', "var/cache/apt/archives/trace.deb"),
    ('g', "var/log/bootstrap.log"),
    ('m', "etc/machine-id"),
    ('r', "run/trace"),
    ('t', "tmp/trace"),
];

#[test]
#[ignore = "needs root, dpkg"]
fn what_is_skipped_is_not_tidied_away() {
    let rows = [
        ("check/qemu", ""),
        ("cleanup", "lxagmrt"),
        ("cleanup/apt", "lxa"),
        ("cleanup/apt/lists", "l"),
        ("cleanup/apt/cache", "a"),
        ("cleanup/reproducible", "gm"),
        ("cleanup/reproducible/machine-id", "m"),
        ("cleanup/run", "r"),
        ("cleanup/tmp cleanup/run", "rt"),
    ];
    let mut hook = "--customize-hook=cd \"$1\"; mkdir -p var/lib/apt/lists/auxfiles".to_owned();
    for (letter, path) in TRACES {
        hook.push_str(&format!("; echo {letter} >{path}"));
    }
    let context = TestContext::new([service()]);
    let root = target(&context);
    for (skip, expected) in &rows {
        let skip = format!("--skip={skip}");
        made(&context, &["--variant=apt", &skip, &hook, "fake", &root]).ok();
        let mut found = String::new();
        for (letter, path) in TRACES {
            let content = fs::read_to_string(context.root().join(path));
            if content.is_ok_and(|content| content == format!("{letter}\n")) {
                found.push(letter);
            }
        }
        assert_eq!(found, *expected, "{skip}");
        fs::remove_dir_all(context.root()).unwrap();
    }
    println!("{} cases", rows.len());
}

#[test]
fn what_has_no_effect_is_noted() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    let rows = [
        ("--skip=check/qemu", "--skip=check/qemu has no effect here"),
        ("--skip=nonsense", "--skip=nonsense: there is no such step"),
        ("--merged-usr", "an option for debootstrap is a no-op"),
        (
            "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
            "/usr/share/mmdebstrap/hooks/merged-usr: built in, its scripts are not run",
        ),
        (
            "--hook-dir=/usr/share/mmdebstrap/hooks/./eatmydata/",
            "built in, its scripts are not run",
        ),
        (
            "--hook-dir=home",
            "No executable hook scripts found in home",
        ),
    ];
    for (word, note) in &rows {
        // Nothing is made or downloaded.
        let planned = made(&context, &["--simulate", word, "fake", &root]).ok();
        planned.names(&[note, "I: success in "]);
        assert!(!context.root().exists(), "{word}");
    }
    made(&context, &["--dry-run", "fake", &root]).ok();
    context.assert_no_deb_requested();
    println!("{} cases", rows.len() + 1);
}

#[test]
#[ignore = "needs root, dpkg"]
fn messages_go_where_the_options_say() {
    let context = TestContext::new([service()]);
    // Only dpkg and the scripts say so.
    let detail = "Setting up coreutils";
    let rows: [(&[&str], bool, bool); 6] = [
        (&[], false, true),
        (&["--verbose"], true, true),
        (&["--v"], true, true),
        (&["--debug"], true, true),
        (&["--verbose", "--quiet"], false, false),
        (&["--silent"], false, false),
    ];
    for (words, has_details, has_success) in &rows {
        for log in [None, Some("--logfile=place")] {
            let mut all = words.to_vec();
            all.extend(log);
            all.extend([
                "--variant=apt",
                "--customize-hook=true",
                "fake",
                "/dev/null",
            ]);
            let made = made(&context, &all).ok();
            let said = match log {
                Some(_) => {
                    assert_eq!(made.stderr, "", "{all:?}");
                    fs::read_to_string(context.path("place")).unwrap()
                }
                None => made.stderr,
            };
            assert_eq!(said.contains(detail), *has_details, "{all:?}: {said}");
            assert_eq!(said.contains("I: success in "), *has_success, "{all:?}");
        }
    }
    println!("{} cases", rows.len() * 2);
}

/// A tool that keeps the tar that it is given in the file that it is to write, which is its standard
/// output, or fails if the tar has anything in it.
const TOOL: &str = "#!/bin/sh
for word; do case $word in /proc/*) image=$word;; esac; done
cat >\"$image\"
test -z \"$FAILS\" || test \"$(stat -L -c %s /proc/$$/fd/1)\" -le 10240 || { echo no room >&2; exit 3; }
";

#[test]
#[ignore = "needs root, dpkg"]
fn every_file_system_is_made_by_its_tool() {
    let context = TestContext::new([service()]);
    let tools = context.path("place");
    fs::create_dir(&tools).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display());
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    let rows = [
        ("tar2sqfs", "--format=auto", "root.squashfs"),
        ("tar2sqfs", "--format=auto", "root.sqfs"),
        ("tar2sqfs", "--format=sqfs", "root"),
        ("genext2fs", "--format=auto", "root.ext2"),
        ("genext2fs", "--format=ext2", "root"),
        ("mke2fs", "--format=auto", "root.ext4"),
        ("mke2fs", "--format=ext4", "root"),
    ];
    for (program, format, image) in &rows {
        let tool = tools.join(program);
        fs::write(&tool, TOOL).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let words = [&keyring, "--variant=apt", format, "fake", image, &mirror];
        outcome(command(&context, &words).env("PATH", &path)).ok();
        let image = context.path(image);
        let members = members(&image.display().to_string());
        let has_status = members
            .iter()
            .any(|member| member == "./var/lib/dpkg/status");
        assert!(has_status, "{program} {format}");
        fs::remove_file(&image).unwrap();
        let failed = outcome(
            command(&context, &words)
                .env("PATH", &path)
                .env("FAILS", "1"),
        );
        let says = format!("{program} failed with exit status: 3: no room");
        failed.fails(1).names(&[&says]);
        assert!(!image.exists(), "{program} {format}");
        fs::remove_file(&tool).unwrap();
    }
    println!("{} cases", rows.len() * 2);
}

/// Only the directories of mmdebstrap's package are built in, and what is no program is skipped.
#[test]
#[ignore = "needs root, dpkg"]
fn hook_directories_of_the_user_are_run() {
    let context = TestContext::new([service()]);
    let hooks = context.path("place").join("hooks");
    for name in ["merged-usr", "eatmydata", "own"] {
        let directory = hooks.join(name);
        fs::create_dir_all(&directory).unwrap();
        let script = directory.join("customize00.sh");
        fs::write(
            &script,
            format!("#!/bin/sh\necho {name} >>\"$1/etc/seen\"\n"),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("/no/such", directory.join("customize01.sh")).unwrap();
        symlink("customize00.sh", directory.join("customize02.sh")).unwrap();
        fs::write(directory.join("customize03.sh"), "exit 1").unwrap();
    }
    let root = target(&context);
    let mut words = vec!["--variant=apt".to_owned()];
    for name in names(&hooks) {
        words.push(format!("--hook-dir=place/hooks/{name}"));
    }
    words.extend(["fake".to_owned(), root]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    made(&context, &words).ok();
    let seen = "eatmydata\neatmydata\nmerged-usr\nmerged-usr\nown\nown\n";
    assert_eq!(context.read("etc/seen"), seen);
}

/// Mounts a directory in place of /usr/share, and runs the rest.
const WITH_SHARED: &str = "mount --bind \"$1\" /usr/share && shift && exec \"$@\"";

/// The mounts of this directory are for programs that hooks start in the tree.
#[test]
#[ignore = "needs root, dpkg"]
fn mirrors_are_mounted_by_the_scripts_of_an_installed_mmdebstrap() {
    let context = TestContext::new([service()]);
    let shared = context.path("place");
    for (name, runs) in [("file-mirror-automount", true), ("eatmydata", false)] {
        let directory = shared.join("mmdebstrap/hooks").join(name);
        fs::create_dir_all(&directory).unwrap();
        let script = directory.join("customize00.sh");
        fs::write(
            &script,
            format!("#!/bin/sh\necho {name} >\"$1/etc/{name}\"\n"),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let root = context.path(name).display().to_string();
        let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
        let hooks = format!("--hook-dir=/usr/share/mmdebstrap/hooks/{name}");
        let mirror = context.mirror.url();
        let words = [
            keyring.as_str(),
            "--variant=apt",
            &hooks,
            "fake",
            &root,
            &mirror,
        ];
        outcome(&mut confined(
            &command(&context, &words),
            WITH_SHARED,
            &shared,
        ))
        .ok();
        assert_eq!(
            Path::new(&root).join("etc").join(name).exists(),
            runs,
            "{name}"
        );
    }
}

/// What the words of the other programs cannot say is said by the environment.
#[test]
fn variables_of_our_own_count_under_every_name() {
    let context = TestContext::new([service()]);
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    let rows: [(&str, &str); 2] = [
        ("mmdebstrap", "--simulate"),
        ("debootstrap", "--print-debs"),
    ];
    for (name, plans) in &rows {
        let cache = context.path("place").join(name);
        let run = |variable: &str, value: &Path| {
            let mut command: Command = context.program();
            command.arg0(name).env(variable, value);
            outcome(command.args([keyring.as_str(), plans, "fake", "root", &mirror]))
        };
        run("RBOOTSTRAP_CACHE_DIR", &cache).ok();
        assert!(cache.is_dir(), "{name}");
        let refused = run("RBOOTSTRAP_JOBS", Path::new("many"));
        refused.fails(1).names(&["E: ", "many", "RBOOTSTRAP_JOBS"]);
    }
    println!("{} cases", rows.len() * 2);
}

#[test]
fn wrong_hooks_name_their_option() {
    let context = TestContext::bare();
    let rows = [
        ("--setup-hook=upload x", "E: --setup-hook: upload needs"),
        (
            "--customize-hook=copy-in 'x",
            "E: --customize-hook: `copy-in 'x`",
        ),
        (
            "--hook-dir=/none",
            "E: --hook-directory: /none is not a directory",
        ),
    ];
    for (word, line) in &rows {
        mmdebstrap(&context, &[word, "s", "t"])
            .fails(1)
            .names(&[line]);
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn hooks_of_a_merged_usr_bring_the_package_that_says_so() {
    let word = "--hook-dir=/usr/share/mmdebstrap/hooks/";
    let rows = [
        ("maybe-merged-usr", true, true),
        ("merged-usr", true, true),
        ("eatmydata", true, false),
        ("maybe-merged-usr", false, false),
    ];
    for (hook, is_in_archive, is_installed) in rows {
        let debs = [DebBuilder::new("usr-is-merged", "39")];
        let context = TestContext::new(debs.into_iter().filter(|_| is_in_archive));
        let root = target(&context);
        let word = format!("{word}{hook}");
        made(&context, &[&word, "--variant=apt", "fake", &root]).ok();
        let status = context.read("var/lib/dpkg/status");
        let found = status.contains("Package: usr-is-merged\n");
        assert_eq!(
            found, is_installed,
            "{hook}, in the archive: {is_in_archive}"
        );
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn build_chroots_have_no_time_zone() {
    let context = TestContext::new([DebBuilder::new("build-essential", "1")]);
    let root = target(&context);
    made(&context, &["--variant=buildd", "fake", &root]).ok();
    let zone = context.root().join("etc/localtime");
    assert!(zone.symlink_metadata().is_err());
}

#[test]
#[ignore = "needs root, dpkg"]
fn lists_are_those_that_apt_keeps() {
    let rows: [(bool, &[&str]); 2] = [(true, &["InRelease"]), (false, &["Release", "Release.gpg"])];
    for (is_inline, expected) in rows {
        let mut shape = suite([]);
        shape.inline = is_inline;
        let context = TestContext::of(&shape);
        let root = target(&context);
        let words = ["--skip=cleanup/apt/lists", "--variant=apt", "fake", &root];
        made(&context, &words).ok();
        let mut found = Vec::new();
        for name in names(&context.root().join("var/lib/apt/lists")) {
            if let Some((_, release)) = name.split_once("_dists_fake_")
                && release.contains("Release")
            {
                found.push(release.to_owned());
            }
        }
        assert_eq!(found, expected, "inline: {is_inline}");
    }
    println!("{} cases", rows.len());
}
