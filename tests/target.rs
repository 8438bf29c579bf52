//! The target: which paths are accepted, which are refused, and that a failure restores them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;

use crate::context::mounted::Mounted;
use crate::context::{Outcome, TestContext, outcome};

/// Makes the essential packages into this target.
fn into(context: &TestContext, options: &[&str], target: impl AsRef<OsStr>) -> Outcome {
    let mut command = context.command();
    command.arg("--variant=essential").args(options);
    command.args([OsStr::new("fake"), target.as_ref()]);
    outcome(command.arg(context.mirror.url()))
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_empty_directory_will_do() {
    let context = TestContext::new([]);
    fs::create_dir(context.root()).unwrap();
    let before = fs::metadata(context.root()).unwrap().ino();
    into(&context, &[], context.root()).ok();
    assert_eq!(fs::metadata(context.root()).unwrap().ino(), before);
    fs::create_dir_all(context.path("archive-new/lost+found")).unwrap();
    into(&context, &[], context.path("archive-new")).ok();
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_empty_directory_is_empty_again_as_it_was() {
    let context = TestContext::new([DebBuilder::new("failing", "1").script("postinst", "false")]);
    fs::create_dir(context.root()).unwrap();
    fs::set_permissions(context.root(), fs::Permissions::from_mode(0o2770)).unwrap();
    std::os::unix::fs::chown(context.root(), Some(123), Some(456)).unwrap();
    into(&context, &["--include=failing"], context.root()).fails(7);
    assert_eq!(names(&context.root()), Vec::<String>::new());
    let after = fs::metadata(context.root()).unwrap();
    assert_eq!(
        (after.mode() & 0o7777, after.uid(), after.gid()),
        (0o2770, 123, 456)
    );
    context.assert_nothing_besides_target();
}

/// Limits of the calling shell, as services and containers have them.
#[test]
#[ignore = "needs root, dpkg"]
fn limits_of_files_are_named_and_undo_the_run() {
    let context = TestContext::new([]);
    let rows = [
        ("ulimit -f 8", Some("ulimit -f unlimited")),
        ("ulimit -Sn 24", None),
        ("ulimit -n 96", None),
    ];
    for (limit, hint) in rows {
        let plain = context.command();
        let mut command = context.program();
        let script = format!("{limit} && exec \"$0\" \"$@\"");
        let mut limited = std::process::Command::new("/bin/sh");
        limited.arg("-c").arg(script).arg(plain.get_program());
        limited.args(plain.get_args()).env_clear();
        for (name, value) in command.env("RBOOTSTRAP_SNAPSHOTS", "none").get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        limited.args(["--variant=essential", "fake"]);
        let made = outcome(limited.arg(context.root()).arg(context.mirror.url()));
        match hint {
            Some(hint) => {
                made.fails(6).names(&[hint]);
                context.assert_nothing_left();
            }
            None => {
                made.ok();
                fs::remove_dir_all(context.root()).unwrap();
            }
        }
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn directories_above_are_made_and_undone() {
    let context = TestContext::new([DebBuilder::new("failing", "1").script("postinst", "false")]);
    let deep = context.path("root/a/b/c");
    into(&context, &["--include=failing"], &deep).fails(7);
    context.assert_nothing_left();
    into(&context, &[], &deep).ok();
    assert!(deep.join("usr/bin/dpkg").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn odd_names_are_names() {
    let context = TestContext::new([]);
    let odd = context
        .root()
        .join("with 'quotes' and \"more\" $HOME \\ and\nlines, é");
    into(&context, &[], &odd).ok();
    assert!(odd.join("usr/bin/dpkg").exists());
    into(&context, &[], OsStr::new("./root/below/")).ok();
    assert!(context.path("root/below/usr/bin/dpkg").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_link_to_an_empty_directory_is_followed() {
    let context = TestContext::new([]);
    fs::create_dir(context.root()).unwrap();
    std::os::unix::fs::symlink("root", context.path("archive-new")).unwrap();
    into(&context, &[], context.path("archive-new")).ok();
    assert!(context.root().join("usr/bin/dpkg").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn what_is_not_empty_is_left_alone() {
    let context = TestContext::new([]);
    fs::create_dir(context.root()).unwrap();
    fs::write(context.root().join("precious"), "mine").unwrap();
    into(&context, &[], context.root())
        .fails(6)
        .names(&["root", "precious"]);
    assert_eq!(
        fs::read_to_string(context.root().join("precious")).unwrap(),
        "mine"
    );
    // The mirror is not used for a target that is refused.
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
    fs::create_dir_all(context.path("archive-new/lost+found")).unwrap();
    fs::write(context.path("archive-new/lost+found/#1"), "found").unwrap();
    into(&context, &[], context.path("archive-new"))
        .fails(6)
        .names(&["archive-new"]);
    assert!(context.path("archive-new/lost+found/#1").exists());
}

#[test]
#[ignore = "needs root"]
fn places_that_will_not_do() {
    let context = TestContext::bare();
    fs::write(context.root(), "a file").unwrap();
    for (target, thing) in [
        (context.root().as_path(), "root"),
        (Path::new("/"), "/"),
        (Path::new("/dev/null"), "/dev/null"),
        (Path::new("/proc/nowhere"), "/proc"),
    ] {
        into(&context, &["--format=dir"], target)
            .fails(6)
            .names(&[thing]);
    }
    assert_eq!(fs::read_to_string(context.root()).unwrap(), "a file");
    into(&context, &[], context.root().join("below"))
        .fails(6)
        .names(&["root"]);
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_that_is_there_is_replaced_only_by_a_whole_one() {
    let context = TestContext::new([DebBuilder::new("failing", "1").script("postinst", "false")]);
    let image = context.path("root");
    fs::write(&image, "yesterday's").unwrap();
    into(&context, &["--format=tar", "--include=failing"], &image).fails(7);
    assert_eq!(fs::read_to_string(&image).unwrap(), "yesterday's");
    context.assert_nothing_besides_target();
    into(&context, &["--format=tar"], &image).ok();
    assert!(fs::metadata(&image).unwrap().len() > 100_000);
}

#[test]
#[ignore = "needs root"]
fn an_image_without_a_place_is_refused_at_once() {
    let context = TestContext::bare();
    for target in [
        context.path("no/such/place/image.tar"),
        "/proc/image.tar".into(),
    ] {
        into(&context, &[], &target).fails(6).names(&["image.tar"]);
    }
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_disk_that_is_too_small_is_found_out_before_and_while_writing() {
    let sized = DebBuilder::new("sized", "1").field("Installed-Size", "900000");
    let unsized_one =
        DebBuilder::new("unsized", "1").file("usr/share/unsized", vec![0; 64_000_000]);
    let context = TestContext::new([sized, unsized_one]);
    let disk = context.path("archive-new");
    let mounted = Mounted::tmpfs(&disk, "size=48m");
    let target = disk.join("root");
    into(&context, &["--include=sized"], &target)
        .fails(6)
        .names(&["root"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    // No script runs that could be the first to find the disk full.
    let mut command = context.command();
    command.args(["--variant=extract", "--include=unsized", "fake"]);
    outcome(command.arg(&target).arg(context.mirror.url()))
        .fails(6)
        .names(&["No space left on device"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    // The image does not fit; the tree is elsewhere.
    into(&context, &["--include=unsized"], disk.join("root.tar"))
        .fails(6)
        .names(&["root.tar"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    drop(mounted);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_mount_point_may_be_the_target() {
    let context = TestContext::new([DebBuilder::new("failing", "1").script("postinst", "false")]);
    let disk = context.path("archive-new");
    let mounted = Mounted::tmpfs(&disk, "size=200m,mode=0755");
    into(&context, &["--include=failing"], &disk).fails(7);
    assert_eq!(names(&disk), Vec::<String>::new());
    into(&context, &[], &disk).ok();
    drop(mounted);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn two_runs_into_one_target_do_not_mix() {
    let context = TestContext::new([]);
    let mut first = context.command();
    let url = context.mirror.url();
    first
        .args(["--variant=essential", "fake", "root", &url])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let mut first = first.spawn().unwrap();
    let second = into(&context, &[], context.root());
    let first = first.wait().unwrap();
    // The first to claim the target makes the tree, the other is refused.
    let mut codes = [first.code(), second.code];
    codes.sort();
    assert_eq!(codes, [Some(0), Some(6)], "{}", second.stderr);
    assert!(
        context
            .installed()
            .iter()
            .all(|line| line.ends_with("install ok installed"))
    );
}
