//! The target: which places are taken, which are refused, and that a failure gives them back as they were.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::world::deb::Deb;
use crate::world::{World, names};

/// Runs into this target; the mirror is the world's.
fn into(world: &World, options: &[&str], target: impl AsRef<OsStr>) -> crate::world::Outcome {
    let url = world.server.url();
    let options = options.iter().map(OsStr::new);
    world.run(
        [OsStr::new("--variant=essential")]
            .into_iter()
            .chain(options)
            .chain([OsStr::new("fake"), target.as_ref(), OsStr::new(&url)]),
    )
}

#[test]
fn an_empty_directory_will_do() {
    let Some(world) = World::new([]) else { return };
    fs::create_dir(world.root()).unwrap();
    let before = fs::metadata(world.root()).unwrap().ino();
    into(&world, &[], world.root()).ok();
    assert_eq!(fs::metadata(world.root()).unwrap().ino(), before);
    fs::create_dir_all(world.path("archive-new/lost+found")).unwrap();
    into(&world, &[], world.path("archive-new")).ok();
}

#[test]
fn an_empty_directory_is_empty_again_as_it_was() {
    let Some(world) = World::new([Deb::new("failing", "1").script("postinst", "false")]) else {
        return;
    };
    fs::create_dir(world.root()).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o2770)).unwrap();
    std::os::unix::fs::chown(world.root(), Some(123), Some(456)).unwrap();
    into(&world, &["--include=failing"], world.root()).fails(7);
    assert_eq!(names(&world.root()), Vec::<String>::new());
    let after = fs::metadata(world.root()).unwrap();
    assert_eq!(
        (after.mode() & 0o7777, after.uid(), after.gid()),
        (0o2770, 123, 456)
    );
    world.assert_nothing_besides_target();
}

#[test]
fn directories_above_are_made_and_undone() {
    let Some(world) = World::new([Deb::new("failing", "1").script("postinst", "false")]) else {
        return;
    };
    let deep = world.path("root/a/b/c");
    into(&world, &["--include=failing"], &deep).fails(7);
    world.assert_nothing_left();
    into(&world, &[], &deep).ok();
    assert!(deep.join("usr/bin/dpkg").exists());
}

#[test]
fn odd_names_are_names() {
    let Some(world) = World::new([]) else { return };
    let odd = world
        .root()
        .join("with 'quotes' and \"more\" $HOME \\ and\nlines, é");
    into(&world, &[], &odd).ok();
    assert!(odd.join("usr/bin/dpkg").exists());
    into(&world, &[], OsStr::new("./root/below/")).ok();
    assert!(world.path("root/below/usr/bin/dpkg").exists());
}

#[test]
fn a_link_to_an_empty_directory_is_followed() {
    let Some(world) = World::new([]) else { return };
    fs::create_dir(world.root()).unwrap();
    std::os::unix::fs::symlink("root", world.path("archive-new")).unwrap();
    into(&world, &[], world.path("archive-new")).ok();
    assert!(world.root().join("usr/bin/dpkg").exists());
}

#[test]
fn what_is_not_empty_is_left_alone() {
    let Some(world) = World::new([]) else { return };
    fs::create_dir(world.root()).unwrap();
    fs::write(world.root().join("precious"), "mine").unwrap();
    into(&world, &[], world.root())
        .fails(6)
        .names(&["root", "precious"]);
    assert_eq!(
        fs::read_to_string(world.root().join("precious")).unwrap(),
        "mine"
    );
    // Nothing was asked of the mirror for a target that will not do.
    assert_eq!(world.server.paths(), Vec::<String>::new());
    fs::create_dir_all(world.path("archive-new/lost+found")).unwrap();
    fs::write(world.path("archive-new/lost+found/#1"), "found").unwrap();
    into(&world, &[], world.path("archive-new"))
        .fails(6)
        .names(&["archive-new"]);
    assert!(world.path("archive-new/lost+found/#1").exists());
}

#[test]
fn places_that_will_not_do() {
    let world = World::bare();
    fs::write(world.root(), "a file").unwrap();
    for (target, thing) in [
        (world.root().as_path(), "root"),
        (Path::new("/"), "/"),
        (Path::new("/dev/null"), "/dev/null"),
        (Path::new("/proc/nowhere"), "/proc"),
    ] {
        into(&world, &["--format=dir"], target)
            .fails(6)
            .names(&[thing]);
    }
    assert_eq!(fs::read_to_string(world.root()).unwrap(), "a file");
    into(&world, &[], world.root().join("below"))
        .fails(6)
        .names(&["root"]);
}

#[test]
fn an_image_that_is_there_is_replaced_only_by_a_whole_one() {
    let Some(world) = World::new([Deb::new("failing", "1").script("postinst", "false")]) else {
        return;
    };
    let image = world.path("root");
    fs::write(&image, "yesterday's").unwrap();
    into(&world, &["--format=tar", "--include=failing"], &image).fails(7);
    assert_eq!(fs::read_to_string(&image).unwrap(), "yesterday's");
    world.assert_nothing_besides_target();
    into(&world, &["--format=tar"], &image).ok();
    assert!(fs::metadata(&image).unwrap().len() > 100_000);
}

#[test]
fn an_image_without_a_place_is_refused_at_once() {
    let world = World::bare();
    for target in [
        world.path("no/such/place/image.tar"),
        "/proc/image.tar".into(),
    ] {
        into(&world, &[], &target).fails(6).names(&["image.tar"]);
    }
    assert_eq!(world.server.paths(), Vec::<String>::new());
    world.assert_nothing_left();
}

/// A file system of its own, gone with this.
struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    fn new<'a>(at: &'a Path, options: &str) -> Mounted<'a> {
        fs::create_dir(at).unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount(
            "tmpfs",
            at,
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            Some(&*options),
        )
        .unwrap();
        Mounted(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH).unwrap();
        fs::remove_dir(self.0).unwrap();
    }
}

#[test]
fn a_disk_that_is_too_small_is_found_out_before_and_while_writing() {
    let sized = Deb::new("sized", "1").field("Installed-Size", "900000");
    let unsized_one = Deb::new("unsized", "1").file("usr/share/unsized", vec![0; 64_000_000]);
    let Some(world) = World::new([sized, unsized_one]) else {
        return;
    };
    let disk = world.path("archive-new");
    let mounted = Mounted::new(&disk, "size=48m");
    let target = disk.join("root");
    into(&world, &["--include=sized"], &target)
        .fails(6)
        .names(&["root"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    // The disk fills while packages are decoded ahead: whether a file or a script meets the end of it first is chance.
    let full = into(&world, &["--include=unsized"], &target);
    assert!(matches!(full.code, Some(6 | 7)), "{full:?}");
    full.names(&["No space left on device"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    // An image that has no room: the tree is elsewhere.
    into(&world, &["--include=unsized"], disk.join("root.tar"))
        .fails(6)
        .names(&["root.tar"]);
    assert_eq!(names(&disk), Vec::<String>::new());
    drop(mounted);
    world.assert_nothing_left();
}

#[test]
fn a_mount_point_may_be_the_target() {
    let Some(world) = World::new([Deb::new("failing", "1").script("postinst", "false")]) else {
        return;
    };
    let disk = world.path("archive-new");
    let mounted = Mounted::new(&disk, "size=200m,mode=0755");
    into(&world, &["--include=failing"], &disk).fails(7);
    assert_eq!(names(&disk), Vec::<String>::new());
    into(&world, &[], &disk).ok();
    drop(mounted);
    world.assert_nothing_left();
}

#[test]
fn two_runs_into_one_target_do_not_mix() {
    let Some(world) = World::new([]) else { return };
    let mut first = world.command();
    let url = world.server.url();
    first
        .args(["--variant=essential", "fake", "root", &url])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let mut first = first.spawn().unwrap();
    let second = into(&world, &[], world.root());
    let first = first.wait().unwrap();
    // Whoever came first made it; the other was refused. Both cannot have won.
    assert_eq!(
        [first.code(), second.code]
            .iter()
            .filter(|code| **code == Some(0))
            .count(),
        1,
        "{first:?} {second:?}"
    );
    assert!(
        world
            .installed()
            .iter()
            .all(|line| line.ends_with("install ok installed"))
    );
}
