//! Full disks at each stage, mounts of every kind, and a target that is exchanged while it is
//! claimed.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::{self, Times, names};
use rustix::mount::MountFlags;

use crate::context::mounted::Mounted;
use crate::context::{Outcome, TestContext, outcome};

/// What lies on the disk that is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDisk {
    Target,
    Cache,
    Image,
    /// The tree of an image.
    Temporary,
    /// Target and cache.
    Both,
}

/// Runs with one or two places on a small disk, mounted at `place`.
fn run_on(context: &TestContext, on: OnDisk) -> Outcome {
    let place = context.path("place");
    let target: PathBuf = match on {
        OnDisk::Target | OnDisk::Both => place.join("root"),
        OnDisk::Image => place.join("root.tar"),
        OnDisk::Temporary => context.path("root.tar"),
        OnDisk::Cache => context.root(),
    };
    let mut command = context.command();
    if matches!(on, OnDisk::Cache | OnDisk::Both) {
        command.arg("--cache-dir").arg(place.join("cache"));
    }
    if on == OnDisk::Temporary {
        command.env("TMPDIR", &place);
    }
    // Its size is not known before it is unpacked.
    command.args(["--variant=essential", "--include=unsized", "fake"]);
    outcome(command.arg(target).arg(context.mirror.url()))
}

/// Asserts that a failed run has left nothing but verified downloads, and a successful one only
/// what was asked for.
#[track_caller]
fn assert_clean(context: &TestContext, case: &str, outcome: &Outcome) {
    let place = context.path("place");
    let mut left = names(&place);
    left.retain(|name| name != "cache");
    let made = ["root", "root.tar"];
    match outcome.code {
        Some(0) => left.retain(|name| !made.contains(&name.as_str())),
        _ => assert!(!context.root().exists(), "{case}: the target is there"),
    }
    assert_eq!(left, Vec::<String>::new(), "{case}: {}", outcome.stderr);
    let partial = place.join("cache/partial");
    if partial.exists() {
        assert_eq!(names(&partial), Vec::<String>::new(), "{case}");
    }
    for path in [context.root(), context.path("root.tar")] {
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => drop(fs::remove_file(&path)),
        }
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn full_disks_end_a_run_cleanly() {
    let content = vec![b'x'; 6_000_000];
    let unsized_one = DebBuilder::new("unsized", "1").file("usr/share/unsized", content);
    let context = TestContext::new([unsized_one]);
    let places = [
        OnDisk::Target,
        OnDisk::Cache,
        OnDisk::Image,
        OnDisk::Temporary,
        OnDisk::Both,
    ];
    let sizes = ["1m", "3m", "6m", "9m", "14m", "20m", "28m", "80m"];
    let inodes = ["5", "20", "60", "150", "400", "4000"];
    let mut count = 0;
    let mut succeeded = 0;
    for on in places {
        let sizes = sizes.map(|size| format!("size={size}"));
        let inodes = inodes.map(|number| format!("size=300m,nr_inodes={number}"));
        for options in sizes.iter().chain(&inodes) {
            let mounted = Mounted::tmpfs(&context.path("place"), options);
            let outcome = run_on(&context, on);
            let case = format!("{on:?} with {options}");
            // A script may be the first to find the disk full.
            let is_expected = matches!(outcome.code, Some(0 | 6 | 7));
            assert!(is_expected, "{case}: {:?} {}", outcome.code, outcome.stderr);
            assert!(
                !outcome.stderr.contains("panicked"),
                "{case}: {}",
                outcome.stderr
            );
            if outcome.code != Some(0) {
                let says = ["No space left", "MB free", "more files", "failed"];
                let is_said = says.iter().any(|words| outcome.stderr.contains(words));
                assert!(is_said, "{case}: {}", outcome.stderr);
            }
            succeeded += usize::from(outcome.code == Some(0));
            assert_clean(&context, &case, &outcome);
            drop(mounted);
            context.assert_nothing_besides_target();
            count += 1;
        }
    }
    println!("{count} runs on small disks, {succeeded} succeeded");
    assert_eq!(count, 70);
    // On the largest disks and with the most inodes.
    assert!(succeeded >= 10, "{succeeded}");
}

/// The size of the files below a directory, in bytes.
fn size_below(directory: &Path) -> u64 {
    let mut size = 0;
    tree::walk(directory, &mut |_, metadata| {
        if metadata.is_file() {
            size += metadata.len().next_multiple_of(4096);
        }
    });
    size
}

#[test]
#[ignore = "needs root, dpkg"]
fn decoded_copies_give_way_to_downloads() {
    let mut debs = Vec::new();
    let mut include = String::from("--include=");
    for number in 0..24 {
        let name = format!("large{number:02}");
        include.push_str(&format!("{name},"));
        // It shrinks to almost nothing, so that copies are what fills the disk.
        let path = format!("usr/share/{name}");
        debs.push(DebBuilder::new(&name, "1").file(&path, vec![b'x'; 2_000_000]));
    }
    let include = include.trim_end_matches(',');
    let context = TestContext::new(debs);
    context.make(&["--variant=essential", include]).ok();
    let reference = context.tree();
    let downloads = size_below(&context.path("cache/SHA256"));
    let copies = size_below(&context.path("cache/derived"));
    assert!(copies > 2 * downloads, "{copies} and {downloads} bytes");
    let mut count = 0;
    for spare in [1 << 20, 4 << 20, 16 << 20] {
        let disk = context.path("place");
        let options = format!("size={}", downloads + spare);
        let mounted = Mounted::tmpfs(&disk, &options);
        let cache = format!("--cache-dir={}", disk.join("cache").display());
        for _ in 0..2 {
            fs::remove_dir_all(context.root()).unwrap();
            let options = ["--variant=essential", include, &cache];
            context.make(&options).ok();
            assert!(
                context.tree() == reference,
                "another tree with {spare} spare bytes"
            );
            count += 1;
        }
        drop(mounted);
    }
    // The disk is full of copies of another host's, which no run here can use.
    let disk = context.path("place");
    let mounted = Mounted::tmpfs(&disk, &format!("size={}", downloads + (3 << 20)));
    let foreign = disk.join("cache/derived/package/00");
    fs::create_dir_all(&foreign).unwrap();
    for number in 0.. {
        if fs::write(foreign.join(number.to_string()), vec![0; 256 << 10]).is_err() {
            break;
        }
    }
    fs::remove_dir_all(context.root()).unwrap();
    let cache = format!("--cache-dir={}", disk.join("cache").display());
    context.make(&["--variant=essential", include, &cache]).ok();
    assert!(context.tree() == reference, "another tree");
    drop(mounted);
    println!("{} runs with a small cache", count + 1);
}

/// A file system that can hold a tree.
struct Fit {
    name: &'static str,
    mount: fn(&TestContext, &Path) -> Mounted,
}

const FIT: &[Fit] = &[
    Fit {
        name: "tmpfs",
        mount: |_, at| Mounted::tmpfs(at, "size=300m"),
    },
    Fit {
        name: "nodev",
        mount: |_, at| Mounted::tmpfs_with(at, "size=300m", MountFlags::NODEV),
    },
    Fit {
        name: "nosuid",
        mount: |_, at| Mounted::tmpfs_with(at, "size=300m", MountFlags::NOSUID),
    },
    Fit {
        name: "nodev, nosuid, noatime",
        mount: |_, at| {
            let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOATIME;
            Mounted::tmpfs_with(at, "size=300m", flags)
        },
    },
    Fit {
        name: "overlay",
        mount: |context, at| {
            let layers = context.path("archive-new");
            Mounted::tmpfs(&layers, "size=300m").with(Mounted::overlay(at, &layers))
        },
    },
    Fit {
        name: "bind",
        mount: |context, at| {
            let directory = context.path("archive-new");
            fs::create_dir(&directory).unwrap();
            Mounted::bind(at, &directory, MountFlags::empty())
        },
    },
    Fit {
        name: "bind, nodev",
        mount: |context, at| {
            let directory = context.path("archive-new");
            fs::create_dir(&directory).unwrap();
            Mounted::bind(at, &directory, MountFlags::NODEV)
        },
    },
];

#[test]
#[ignore = "needs root, dpkg"]
fn trees_do_not_depend_on_the_mount() {
    let mut count = 0;
    for fit in FIT {
        for below in ["", "root"] {
            let context = TestContext::new([]);
            context.make(&["--variant=essential"]).ok();
            let reference = context.tree();
            let disk = context.path("place");
            let mounted = (fit.mount)(&context, &disk);
            let target = disk.join(below);
            let mut command = context.command();
            command.args(["--variant=essential", "fake"]);
            let made = outcome(command.arg(&target).arg(context.mirror.url()));
            assert_eq!(made.code, Some(0), "{}: {}", fit.name, made.stderr);
            let found = tree::dump(&target, Times::Left);
            let difference = tree::difference(&reference, &found);
            assert_eq!(difference, "", "{}", fit.name);
            drop(mounted);
            count += 1;
        }
    }
    println!("{count} mounts");
    assert_eq!(count, 14);
}

#[test]
#[ignore = "needs root"]
fn a_target_that_is_exchanged_is_not_followed() {
    const RUNS: usize = 150;
    // Every run ends after it has claimed the target: there is no archive.
    let context = TestContext::bare();
    let users = context.path("archive-new");
    let foreign = context.path("home/foreign");
    for directory in [&users, &foreign] {
        fs::create_dir(directory).unwrap();
        chown(directory, Some(1000), Some(1000)).unwrap();
    }
    fs::write(foreign.join("file"), "x").unwrap();
    let before = fs::metadata(&foreign).unwrap();
    let target = users.join("root");
    let link = users.join("link");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let _ = fs::remove_dir(&target);
                if symlink(&foreign, &link).is_ok() {
                    let _ = lchown(&link, Some(1000), Some(1000));
                }
                let _ = fs::rename(&link, &target);
                let _ = fs::remove_file(&target);
            }
        });
        for run in 0..RUNS {
            let mut command = context.command();
            command.args(["--format=dir", "fake"]);
            let ended = outcome(command.arg(&target).arg(context.mirror.url()));
            // The network's class, or the target's.
            let is_expected = matches!(ended.code, Some(5 | 6));
            assert!(is_expected, "run {run}: {:?} {}", ended.code, ended.stderr);
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let after = fs::metadata(&foreign).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!(after.uid(), before.uid());
    assert_eq!(names(&foreign), ["file"]);
    let left = names(&users);
    let is_known = |name: &String| name == "link" || name == "root";
    assert!(left.iter().all(is_known), "{left:?}");
    println!("{RUNS} races for the target");
}
