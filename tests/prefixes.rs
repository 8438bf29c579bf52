//! `--snapshots`: an installation that starts where an earlier one was gives the same bytes, after
//! whichever step it starts.

mod listed;
mod not_kept;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rbootstrap::testing::base::{base, libraries, program};
use rbootstrap::testing::tar::{fifo, file};
use rbootstrap::testing::tree::{self, Times};
use rbootstrap::testing::{DebBuilder, FakeSuite};

use crate::context::{Outcome, TestContext, outcome, suite};

/// What a script can do to files of its package and to others.
const WILD: &str = r#"
cd /usr/share/wild
echo more >>longer
setcap cap_net_raw+ep /usr/bin/capable; setcap cap_chown+ep /usr/bin/linked-capable
reference=$(mktemp)
touch -r changed $reference; printf B >changed; touch -r $reference changed; rm $reference
rm removed
chmod 4751 mode; chown man:adm owner; chmod 2755 owner
mv moved moved-here; mv directory directory-here
ln linked linked-here; ln -s ../linked symlink
cp -p original copied
dpkg-divert --quiet --package wild --divert /usr/share/wild/diverted.real --rename /usr/share/wild/diverted
touch -d '2020-01-02 03:04:05.678901234' timed; touch -h -d '1969-12-31 UTC' symlink
touch -d '2033-05-18 UTC' future
touch -d '2019-01-01 UTC' .
mkdir -p /var/lib/wild/empty; chmod 1777 /var/lib/wild/empty
cd /var/lib/wild
mkdir -m 2775 setgid; chgrp man setgid; echo x >setgid/inherits
mkfifo -m 640 fifo
printf 'a name' >"with
a newline"
echo first >first; sleep 0.05; echo second >second; ln second second-too
printf '' >nothing
i=0; while [ $i -lt 3000 ]; do echo "line $i of a large file"; i=$((i+1)); done >large
"#;

/// Tells which of two files that an earlier script made is newer.
const LATER: &str = "cd /var/lib/wild\n\
     if [ second -nt first ]; then echo yes; else echo no; fi >/var/lib/order\n\
     if [ first -nt second ]; then echo yes; else echo no; fi >>/var/lib/order\n\
     echo third >>second; echo later >>/usr/share/wild/longer\n\
     rm -f /usr/share/wild/linked; echo x >/etc/made";

/// Adds setcap, with the libraries that no package of the base has.
fn with_setcap(mut deb: DebBuilder) -> DebBuilder {
    let mut setcap = program("setcap").expect("setcap of libcap2-bin");
    setcap.path = b"usr/sbin/setcap".into();
    deb = deb.entry(setcap);
    let has = |path: &[u8]| {
        let mut debs = base().into_iter();
        debs.any(|other| other.entries.iter().any(|entry| entry.path == path))
    };
    for library in libraries(&["setcap"]) {
        if !has(&library.path) {
            deb = deb.entry(library);
        }
    }
    deb
}

fn wild() -> DebBuilder {
    let mut wild = DebBuilder::new("wild", "1").field("Essential", "yes");
    for name in [
        "longer", "removed", "mode", "owner", "moved", "linked", "original", "diverted", "timed",
        "kept", "future",
    ] {
        wild = wild.file(&format!("usr/share/wild/{name}"), format!("{name}\n"));
    }
    with_setcap(wild)
        .file("usr/share/wild/changed", "A")
        .program("usr/bin/capable", "x")
        .program("usr/bin/other-capable", "y")
        .hard_link("usr/bin/linked-capable", "usr/bin/other-capable")
        .file("usr/share/wild/directory/file", "in it")
        .hard_link("usr/share/wild/same", "usr/share/wild/kept")
        .entry(
            file("usr/bin/special", "#!/bin/sh\n")
                .mode(0o6755)
                .owner("man", "adm"),
        )
        .entry(fifo("usr/share/wild/shipped-fifo", 0o600))
        .symlink("usr/share/wild/link", "kept")
        .directory("usr/share/wild/shipped")
        .conffile("etc/wild.conf", "as shipped")
        .script("postinst", WILD)
}

fn packages() -> Vec<DebBuilder> {
    vec![
        wild(),
        DebBuilder::new("tool", "1")
            .field("Pre-Depends", "helper")
            .file("usr/share/tool/file", "x")
            .hard_link("usr/share/tool/second", "usr/share/tool/file")
            .hard_link("usr/share/tool/third", "usr/share/tool/file")
            .conffile("etc/tool.conf", "y")
            .conffile("etc/resolv.conf", "nameserver 192.0.2.1\n")
            .triggers("interest /usr/share/watched\n")
            .script(
                "postinst",
                &format!("echo \"$@\" >>/var/lib/calls\n{LATER}"),
            ),
        DebBuilder::new("helper", "1")
            .file("usr/share/watched/file", "x")
            .script("preinst", "echo helper >>/var/lib/calls")
            .script(
                "postinst",
                "echo $SOURCE_DATE_EPOCH >/var/lib/epoch; rm -f /usr/sbin/policy-rc.d",
            ),
    ]
}

/// One archive, and images of it.
struct Images {
    context: TestContext,
}

impl Images {
    fn new(packages: Vec<DebBuilder>) -> Images {
        Images::of(&suite(packages))
    }

    fn of(suite: &FakeSuite) -> Images {
        let context = TestContext::of(suite);
        Images { context }
    }

    /// Makes a tar with these options.
    fn run(&self, options: &[&str]) -> Outcome {
        let mut command = self.context.command();
        command.args(["-v", "--variant=minbase"]).args(options);
        command.args(["fake", "-"]).arg(self.context.mirror.url());
        outcome(&mut command).ok()
    }

    /// The snapshots in the cache, the first written first.
    fn snapshots(&self) -> Vec<PathBuf> {
        let directory = self.context.path("cache/derived/snapshot");
        let mut found = match directory.exists() {
            true => tree::files(&directory),
            false => Vec::new(),
        };
        found.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        found
    }

    /// Removes all snapshots but these.
    fn keep_only(&self, kept: &[PathBuf]) {
        for path in self.snapshots() {
            if !kept.contains(&path) {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// The steps after which a run started, and how many it has.
fn start(outcome: &Outcome) -> Option<(usize, usize)> {
    let line = outcome
        .stderr
        .lines()
        .find(|l| l.starts_with("starts after step "))?;
    let words: Vec<&str> = line.split(' ').collect();
    Some((words[3].parse().unwrap(), words[5].parse().unwrap()))
}

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn every_prefix_gives_the_same_bytes() {
    assert_same_after_every_prefix(&["--include=tool"]);
}

/// The content of a file that is left out is wanted under its other name.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn every_prefix_gives_the_same_bytes_without_some_paths() {
    let excluded = "--path-exclude=/usr/share/tool/file";
    assert_same_after_every_prefix(&["--include=tool", excluded]);
}

fn assert_same_after_every_prefix(options: &[&str]) {
    let images = Images::new(packages());
    let run = |which| images.run(&[options, &[which]].concat());
    let expected = run("--snapshots=none");
    assert_eq!(start(&expected), None);
    assert!(images.snapshots().is_empty());
    let making = run("--snapshots=every-step");
    assert_eq!(start(&making), None);
    assert!(making.stdout == expected.stdout, "while snapshots are made");
    let all = images.snapshots();
    let mut starts = BTreeSet::new();
    for kept in (0..=all.len()).rev() {
        images.keep_only(&all[..kept]);
        let made = run("--snapshots=every-step");
        images.keep_only(&all[..kept]);
        let start = start(&made);
        assert!(made.stdout == expected.stdout, "after {start:?}");
        assert!(!made.stderr.contains("is not used"), "{}", made.stderr);
        let is_whole = start.is_some_and(|(at, steps)| at == steps);
        assert_eq!(listed::is_listed(&made), is_whole, "{}", made.stderr);
        starts.insert(start);
    }
    println!("prefixes: {} cases, 0 failed", starts.len());
    let steps = starts.last().unwrap().unwrap().1;
    assert_eq!(starts.last().unwrap(), &Some((steps, steps)));
    // None after the base and apt's files, which run anyway, nor from the beginning.
    assert_eq!(starts.len(), steps - 1, "{starts:?}");
    assert!(starts.contains(&None));
}

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn a_directory_is_the_same_too() {
    let images = Images::new(packages());
    let context = &images.context;
    let mut dumps = Vec::new();
    for (name, which) in [("none", "none"), ("made", "all"), ("restored", "all")] {
        let mut command = context.command();
        command.args([
            "-v",
            "--variant=minbase",
            "--include=tool",
            "--snapshots",
            which,
        ]);
        command
            .arg("fake")
            .arg(context.path(name))
            .arg(context.mirror.url());
        let made = outcome(&mut command).ok();
        assert_eq!(
            start(&made).is_some(),
            name == "restored",
            "{}",
            made.stderr
        );
        dumps.push(tree::dump(&context.path(name), Times::Shown));
    }
    assert_eq!(dumps[0], dumps[1]);
    assert_eq!(dumps[0], dumps[2]);
}

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn other_packages_start_after_the_essential_ones() {
    let images = Images::new(packages());
    images.run(&[]);
    assert_eq!(images.snapshots().len(), 2);
    let expected = images.run(&["--include=tool", "--snapshots=none"]);
    assert_eq!(start(&expected), None);
    let made = images.run(&["--include=tool"]);
    assert_eq!(start(&made).map(|(at, _)| at), Some(4), "{}", made.stderr);
    assert!(made.stdout == expected.stdout);
    assert_eq!(images.snapshots().len(), 2, "{}", made.stderr);
    let again = images.run(&[]);
    let (at, steps) = start(&again).unwrap();
    assert_eq!(at, steps);
    let planned = images.run(&["--simulate", "--include=tool"]);
    planned.names(&["an installation starts after step 4, from a snapshot"]);
}

/// A directory with files of its own neither gives a snapshot nor starts from one.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn what_was_there_before_stays() {
    let images = Images::new(packages());
    let context = &images.context;
    images.run(&[]);
    let known = images.snapshots().len();
    for (name, own) in [("filesystem", "lost+found/"), ("directory", "etc/own")] {
        let root = context.path(name);
        let path = root.join(own);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut command = match own.ends_with('/') {
            true => {
                fs::create_dir_all(&path).unwrap();
                let mut command = context.command();
                command.args(["-v", "--variant=minbase"]);
                command
            }
            false => {
                fs::write(&path, "own").unwrap();
                let mut command = context.program();
                command.args(["mmdebstrap", "-v", "--variant=minbase"]);
                command.arg("--skip=check/empty").arg("--keyring");
                command.arg(context.path("keyring.gpg"));
                command
            }
        };
        command.arg("fake").arg(&root).arg(context.mirror.url());
        let made = outcome(&mut command).ok();
        assert_eq!(start(&made), None, "{name}");
        assert!(path.exists(), "{name}");
        assert!(root.join("var/lib/wild/fifo").exists(), "{name}");
    }
    assert_eq!(images.snapshots().len(), known);
}

/// What begins otherwise starts from the beginning.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn a_snapshot_of_something_else_is_not_used() {
    let images = Images::new(packages());
    images.run(&[]);
    let options: [&[&str]; 3] = [
        &["--snapshots=none"],
        &["--path-exclude=/usr/share/wild/kept"],
        &["--hook=setup=true"],
    ];
    for options in options {
        assert_eq!(start(&images.run(options)), None, "{options:?}");
    }
    let mut command = images.context.command();
    command.args(["-v", "--variant=minbase", "fake", "-"]);
    command
        .arg(images.context.mirror.url())
        .env("SOURCE_DATE_EPOCH", "1500000000");
    assert_eq!(start(&outcome(&mut command).ok()), None);
    for path in images.snapshots() {
        let mut content = fs::read(&path).unwrap();
        content[100] ^= 1;
        fs::write(path, content).unwrap();
    }
    assert_eq!(start(&images.run(&[])), None);
    // That run has replaced them.
    assert!(start(&images.run(&[])).is_some());
}
