//! What the directory decides that a tree is made in, and what is left where none can be made.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rbootstrap::testing::DebBuilder;
use rustix::fs::XattrFlags;

use super::{Images, start, with_setcap};
use crate::context::mounted::Mounted;
use crate::context::{Outcome, outcome};

const OWNER: &str = "user.owner";

/// Makes a tree in a directory.
fn make(images: &Images, root: &Path) -> Outcome {
    let mut command = images.context.command();
    command.args(["-v", "--variant=minbase", "fake"]);
    command.arg(root).arg(images.context.mirror.url());
    outcome(&mut command)
}

/// As iputils-ping does where capabilities cannot be kept.
fn ping() -> DebBuilder {
    let ping = DebBuilder::new("ping", "1").field("Essential", "yes");
    with_setcap(ping).program("usr/bin/ping", "x").script(
        "postinst",
        "setcap cap_net_raw+ep /usr/bin/ping || chmod u+s /usr/bin/ping",
    )
}

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn file_systems_that_keep_other_attributes_have_snapshots_of_their_own() {
    let images = Images::new(vec![ping()]);
    let context = &images.context;
    let _tmpfs = Mounted::tmpfs(&context.path("tmpfs"), "size=300m");
    let _ramfs = Mounted::ramfs(&context.path("ramfs"));
    for (file_system, tree, starts, is_setuid) in [
        ("tmpfs", "first", false, false),
        ("ramfs", "first", false, true),
        ("tmpfs", "second", true, false),
        ("ramfs", "second", true, true),
    ] {
        let root = context.path(file_system).join(tree);
        let made = make(&images, &root).ok();
        let name = format!("{tree} on {file_system}: {}", made.stderr);
        assert_eq!(start(&made).is_some(), starts, "{name}");
        let mode = fs::metadata(root.join("usr/bin/ping")).unwrap().mode();
        assert_eq!(mode & 0o4000 != 0, is_setuid, "{name}");
    }
}

/// The value of [`OWNER`] of a directory.
fn owner(root: &Path) -> Option<String> {
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(root, OWNER, &mut value[..]).ok()?;
    Some(String::from_utf8(value[..length].to_vec()).unwrap())
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_attributes_of_a_directory_stay_its_own() {
    let images = Images::new(Vec::new());
    let context = &images.context;
    let _tmpfs = Mounted::tmpfs(&context.path("tmpfs"), "size=300m");
    for (name, own, starts) in [
        ("one", Some("one"), false),
        ("none", None, true),
        ("other", Some("other"), true),
    ] {
        let root = context.path("tmpfs").join(name);
        fs::create_dir(&root).unwrap();
        if let Some(own) = own {
            let value = own.as_bytes();
            rustix::fs::setxattr(&root, OsStr::new(OWNER), value, XattrFlags::empty()).unwrap();
        }
        let made = make(&images, &root).ok();
        assert_eq!(start(&made).is_some(), starts, "{name}: {}", made.stderr);
        assert_eq!(owner(&root).as_deref(), own, "{name}");
    }
}

/// A snapshot that cannot be restored is reported, with the option that does without it, and
/// removed.
#[test]
#[ignore = "needs root, dpkg"]
fn a_snapshot_that_fails_is_not_tried_again() {
    let essential = DebBuilder::new("large", "1").field("Essential", "yes");
    let script = "head -c 200000000 /dev/zero >/var/lib/large";
    let images = Images::new(vec![essential.script("postinst", script)]);
    let context = &images.context;
    make(&images, &context.path("large")).ok();
    let known = images.snapshots().len();
    assert!(known > 0);
    let _tmpfs = Mounted::tmpfs(&context.path("tmpfs"), "size=150m");
    let root = context.path("tmpfs").join("root");
    make(&images, &root)
        .fails(6)
        .names(&["var/lib/large", "--snapshots none"]);
    assert!(!root.exists());
    assert_eq!(images.snapshots().len(), known - 1);
}
