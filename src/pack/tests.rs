//! Trees as archives, read back by GNU tar, bsdtar, Python and our own reader.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write their files with the standard library"
)]

mod failures;

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use super::chunks::{CHUNK, RECORD};
use super::*;
use crate::formats::compress::Compression;
use crate::report::Event;
use crate::testing::sample;
use crate::testing::tree::{self as text, Times};

const EPOCH: i64 = 1_700_000_000;

fn options(compression: Compression) -> Options {
    Options {
        epoch: Some(EPOCH),
        threads: 2,
        devices: Devices::None,
        encoding: Encoding::new(compression, None).unwrap(),
        temporary: std::env::temp_dir(),
        predicate: None,
        interrupt: Default::default(),
    }
}

fn pack(tree: &Path, options: &Options) -> Vec<u8> {
    let root = Rootfs::open(tree).unwrap();
    tar((&root).into(), Vec::new(), options, &Report::silent()).unwrap()
}

/// The sample tree in a directory of its own.
fn sample(backwards: bool) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    sample::make(tree.path(), EPOCH, backwards);
    tree
}

/// A tree as text, times as an archive has them.
fn dump(tree: &Path) -> Vec<String> {
    text::dump(tree, Times::Until(EPOCH))
}

/// The lines of the paths that an archive has: not what is below `dev`, `proc` and `sys`, nor the
/// socket.
fn archived(tree: &Path) -> Vec<String> {
    let mut lines = dump(tree);
    lines.retain(|line| {
        ![" /dev/", " /proc/", " /sys/", " /srv/socket"]
            .iter()
            .any(|left_out| line.contains(left_out))
    });
    lines
}

#[track_caller]
fn assert_same(expected: &[String], found: &[String]) {
    assert_eq!(text::difference(expected, found), "");
    assert_eq!(found.len(), expected.len());
}

fn run(command: &mut Command) -> Output {
    let output = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Writes a file, and gives it its name.
pub(super) fn to_named_file(
    root: &Rootfs,
    path: &Path,
    options: &Options,
    report: &Report,
) -> Result<(), Error> {
    let mut publication = Publication::default();
    let written = to_file(root.into(), path, options, report)?;
    publication.set_image(WrittenImage::File(written));
    publication.publish(&options.interrupt)?.keep();
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn gnu_tar_restores_the_tree() {
    let tree = sample(false);
    for (ending, compression) in [
        ("tar", Compression::None),
        ("tar.gz", Compression::Gzip),
        ("tar.xz", Compression::Xz),
        ("tar.zst", Compression::Zstd),
    ] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(format!("x.{ending}"));
        let extracted = place.path().join("extracted");
        fs::create_dir(&extracted).unwrap();
        to_named_file(
            &Rootfs::open(tree.path()).unwrap(),
            &file,
            &options(compression),
            &Report::silent(),
        )
        .unwrap();
        assert_eq!(from_target(&file), Ok(Form::Tar(compression)));
        run(Command::new("tar")
            .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"])
            .arg(&file)
            .arg("-C")
            .arg(&extracted));
        assert_same(&archived(tree.path()), &dump(&extracted));
        let root = fs::metadata(&extracted).unwrap();
        assert_eq!((root.mode() & 0o7777, root.mtime()), (0o751, 1_500_000_000));
    }
}

#[test]
#[ignore = "needs root, bsdtar, python3"]
fn bsdtar_and_python_restore_the_tree() {
    let tree = sample(false);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("x.tar");
    fs::write(&file, pack(tree.path(), &options(Compression::None))).unwrap();
    let python = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], \
                  numeric_owner=True)";
    let tools: [(&str, &[&str]); 2] = [
        ("bsdtar", &["--numeric-owner", "-xpf", "FILE", "-C", "TREE"]),
        ("python3", &["-c", python, "FILE", "TREE"]),
    ];
    for (tool, arguments) in tools {
        let extracted = place.path().join(tool);
        fs::create_dir(&extracted).unwrap();
        let place_of = |argument: &&str| match *argument {
            "FILE" => file.clone().into_os_string(),
            "TREE" => extracted.clone().into_os_string(),
            other => other.into(),
        };
        run(Command::new(tool).args(arguments.iter().map(place_of)));
        let restored = |lines: Vec<String>| -> Vec<String> {
            lines.iter().map(|line| restorable(tool, line)).collect()
        };
        assert_same(
            &restored(archived(tree.path())),
            &restored(dump(&extracted)),
        );
    }
}

/// A line without what the tool cannot restore: bsdtar knows ACLs only in an encoding of its own;
/// Python restores neither extended attributes nor times of symlinks.
fn restorable(tool: &str, line: &str) -> String {
    let is_symlink = line.starts_with('l');
    let mut words: Vec<&str> = line.split(' ').collect();
    if tool == "python3" {
        words.retain(|word| !word.starts_with("security.") && !word.starts_with("user."));
        if is_symlink {
            // Type, mode and owner stand before the time.
            words.remove(3);
        }
    }
    words.retain(|word| !word.starts_with("system."));
    words.join(" ")
}

#[test]
#[ignore = "needs root"]
fn the_same_tree_gives_the_same_bytes() {
    let one = sample(false);
    let other = sample(true);
    for compression in [
        Compression::None,
        Compression::Gzip,
        Compression::Xz,
        Compression::Zstd,
    ] {
        let packed = pack(one.path(), &options(compression));
        for threads in [1, 16] {
            assert!(
                packed
                    == pack(
                        other.path(),
                        &Options {
                            threads,
                            ..options(compression)
                        }
                    ),
                "{compression:?} on {threads} threads"
            );
        }
    }
}

#[test]
#[ignore = "needs root"]
fn the_archive_is_in_order_and_says_what_tar_would() {
    let tree = sample(true);
    let packed = pack(tree.path(), &options(Compression::None));
    assert_eq!(packed.len() % RECORD, 0);
    let mut archive = ::tar::Archive::new(&packed[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (header.username_bytes(), header.groupname_bytes()),
            (Some(&b""[..]), Some(&b""[..]))
        );
        assert!(i64::try_from(header.mtime().unwrap()).unwrap() <= EPOCH);
        names.push(entry.path_bytes().into_owned());
    }
    let text: Vec<&str> = names
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .collect();
    assert_eq!(text[..4], ["./", "./a-first", "./bin", "./dev/"]);
    assert!(
        text.contains(&"./proc/")
            && text.contains(&"./sys/")
            && !text.iter().any(|name| name.starts_with("./dev/n"))
    );
    let key = |name: &Vec<u8>| {
        name.split(|&b| b == b'/')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    assert!(names.is_sorted_by_key(key));
}

#[test]
fn other_file_systems_and_sockets_stay_out() {
    let tree = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(tree.path().join("socket")).unwrap();
    fs::create_dir(tree.path().join("mnt")).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = heard.clone();
    let report = Report::new(move |event| {
        if let Event::Warning(text) = event {
            hearing.lock().unwrap().push(text);
        }
    });
    let root = Rootfs::open(tree.path()).unwrap();
    let entries = listing::list(&root, &report).unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|e| e.path.to_string())
            .collect::<Vec<_>>(),
        ["/", "/mnt"]
    );
    assert_eq!(*heard.lock().unwrap(), ["/socket is a socket: not packed"]);
}

#[test]
#[ignore = "needs root"]
fn a_mount_point_is_an_empty_directory() {
    let tree = tempfile::tempdir().unwrap();
    let at = tree.path().join("mnt");
    fs::create_dir(&at).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", &at, "tmpfs", flags, None).unwrap();
    fs::write(at.join("inside"), "x").unwrap();
    let entries = listing::list(&Rootfs::open(tree.path()).unwrap(), &Report::silent()).unwrap();
    rustix::mount::unmount(&at, rustix::mount::UnmountFlags::DETACH).unwrap();
    let names: Vec<String> = entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["/", "/mnt"]);
}

#[test]
fn what_is_reported_adds_up() {
    let tree = tempfile::tempdir().unwrap();
    for size in [0, 1000, 2 * CHUNK] {
        fs::write(tree.path().join(size.to_string()), vec![0; size]).unwrap();
    }
    fs::hard_link(tree.path().join("1000"), tree.path().join("link")).unwrap();
    let heard = Arc::new(Mutex::new((0, 0, 0)));
    let hearing = heard.clone();
    let report = Report::new(move |event| {
        let mut heard = hearing.lock().unwrap();
        match event {
            Event::Began {
                stage: Stage::Pack,
                total,
            } => heard.0 = total,
            Event::Advanced {
                stage: Stage::Pack,
                by,
            } => heard.1 += by,
            Event::Ended { stage: Stage::Pack } => heard.2 += 1,
            Event::Span { item, .. } => assert_eq!(item, "image"),
            other => panic!("{other:?}"),
        }
    });
    let root = Rootfs::open(tree.path()).unwrap();
    tar(
        (&root).into(),
        io::sink(),
        &options(Compression::None),
        &report,
    )
    .unwrap();
    let total = 1000 + 2 * CHUNK as u64;
    assert_eq!(*heard.lock().unwrap(), (total, total, 1));
}
