//! What helpers copy into a tree is what GNU tar makes of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use rbootstrap::testing::tar::{device, directory, file, symlink as link, tar};
use rbootstrap::testing::tree::{self, Times, names};

use super::helpers::{helper, helper_skipping};
use crate::context::{TestContext, outcome};

/// Makes every kind of entry, with times before the epoch and between seconds, all mode bits, owners,
/// extended attributes and names of all bytes.
const EVERY_KIND: &str = r"
    set -e
    mkdir source; cd source
    mkdir -m 1777 sticky; mkdir -m 0 none; mkdir -p deep/er
    echo a >file; chmod 4751 file; chown 12:34 file
    ln file deep/hard; ln -s ../file deep/symlink; ln -s /nowhere dangling; chown -h 5:6 dangling
    mkfifo -m 640 fifo; mknod -m 600 null c 1 3; mknod -m 660 block b 7 9
    echo x >$(printf 'a\nb\377\\c'); echo y >./-dash
    echo z >$(printf '%0200d' 1); mkdir $(printf '%0150d' 2); echo z >$(printf '%0150d/%0150d' 2 3)
    setfattr -n user.plain -v 'value' file || true
    setfattr -n user.strange=%name -v 0x0a3d0a00 deep || true
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 deep/hard || true
    touch -d '1969-12-31T23:59:58.5Z' file; touch -d '2001-01-01T00:00:00.123456789Z' deep fifo
    touch -h -d 2002-02-02 dangling; touch -d 2003-03-03 none sticky
";

#[test]
#[ignore = "needs root"]
fn copies_are_those_of_gnu_tar() {
    let context = TestContext::bare();
    let place = context.path("place");
    fs::create_dir(&place).unwrap();
    let mut shell = Command::new("sh");
    outcome(shell.args(["-c", EVERY_KIND]).current_dir(&place)).ok();
    let by_tar = place.join("by-tar");
    let targets = [by_tar.clone(), context.root()];
    for target in &targets {
        // Existing directories get the attributes of the archive, and other entries are replaced.
        for directory in ["source/sticky", "source/file"] {
            fs::create_dir_all(target.join(directory)).unwrap();
        }
        fs::write(target.join("source/dangling"), "").unwrap();
        symlink("nowhere", target.join("source/deep")).unwrap();
        fs::set_permissions(target.join("source"), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let pipe = "tar --numeric-owner --xattrs --format=pax -C place -c source \
                | tar --numeric-owner --xattrs --xattrs-include='*' -C place/by-tar -x";
    let mut shell = Command::new("sh");
    outcome(
        shell
            .args(["-c", pipe])
            .current_dir(context.directory.path()),
    )
    .ok();
    helper(&context, &["copy-in", "place/source", "/"]).ok();
    let [expected, found] = targets.map(|target| tree::dump(&target, Times::Shown));
    assert_eq!(tree::difference(&expected, &found), "");
    assert_eq!(expected.len(), 17, "{expected:#?}");
    let is_kept = |path: &str| {
        let [first, second] = [by_tar.join(path), context.root().join(path)];
        let [first, second] = [first, second].map(|path| path.symlink_metadata().unwrap());
        first.mtime_nsec() == second.mtime_nsec() && first.nlink() == second.nlink()
    };
    for path in [
        "source/file",
        "source/deep",
        "source/fifo",
        "source/dangling",
    ] {
        assert!(is_kept(path), "{path}");
    }
    println!("{} entries", found.len());
}

#[test]
#[ignore = "needs root"]
fn devices_are_left_out_on_request() {
    let context = TestContext::bare();
    let devices = [
        device("null", 1, 3),
        file("x", "x\n"),
        directory("d/"),
        link("l", "x"),
    ];
    fs::write(context.path("place"), tar(&devices)).unwrap();
    for (skip, expected) in [
        ("", vec!["d", "l", "null", "x"]),
        ("mknod", vec!["d", "l", "x"]),
    ] {
        fs::create_dir(context.root()).unwrap();
        let words = ["tar-in", "place", "/"];
        helper_skipping(&context, skip, &words).ok();
        assert_eq!(names(&context.root()), expected, "{skip}");
        fs::remove_dir_all(context.root()).unwrap();
    }
}

#[test]
#[ignore = "needs root"]
fn paths_need_not_be_utf_8() {
    let context = TestContext::bare();
    let name = OsStr::from_bytes(b"na\xffme");
    fs::create_dir(context.path("place")).unwrap();
    fs::create_dir(context.root()).unwrap();
    fs::write(context.path("place").join(name), "x\n").unwrap();
    let words = ["copy-in".as_ref(), b"place/na\xffme".as_slice()];
    let words = words.map(OsStr::from_bytes);
    let slash = OsStr::new("/");
    helper(&context, &[words[0], words[1], slash]).ok();
    let copied = fs::read(context.root().join(name)).unwrap();
    assert_eq!(copied, b"x\n");
}
