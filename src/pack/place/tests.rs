#![expect(
    clippy::disallowed_methods,
    reason = "tests plant what an image could be written through"
)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown, lchown, symlink};
use std::process::Command;

use super::*;
use crate::formats::compress::{Compression, Encoding};
use crate::mark;
use crate::pack::Options;
use crate::pack::tests::to_named_file;
use crate::report::Report;

const OTHER: u32 = 1000;

/// A directory that everybody can write to, as /tmp is, and a file of the host.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let scene = Scene { directory };
        fs::create_dir(scene.path("shared")).unwrap();
        fs::set_permissions(scene.path("shared"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::create_dir(scene.path("tree")).unwrap();
        fs::write(scene.path("host"), "precious").unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn pack(&self, path: &Path) -> Result<(), Error> {
        let root = Rootfs::open(&self.path("tree")).unwrap();
        let options = Options {
            epoch: None,
            threads: 1,
            devices: crate::pack::Devices::None,
            encoding: Encoding::new(Compression::None, None).unwrap(),
            temporary: std::env::temp_dir(),
            predicate: None,
            interrupt: Default::default(),
        };
        to_named_file(&root, path, &options, &Report::silent())
    }

    fn host(&self) -> Vec<u8> {
        fs::read(self.path("host")).unwrap()
    }
}

/// Something that is in the place of the image `shared/x.tar`.
struct Planted {
    name: &'static str,
    plant: fn(&Scene, &Path),
    /// Whether the file `host` becomes the image.
    replaces_host: bool,
    is_refused: bool,
}

const PLANTED: &[Planted] = &[
    Planted {
        name: "a symlink of this user",
        plant: |scene, path| symlink(scene.path("host"), path).unwrap(),
        replaces_host: true,
        is_refused: false,
    },
    Planted {
        name: "a relative symlink of this user",
        plant: |_, path| symlink("../host", path).unwrap(),
        replaces_host: true,
        is_refused: false,
    },
    Planted {
        name: "a symlink of another user",
        plant: |scene, path| foreign_link(&scene.path("host"), path),
        replaces_host: false,
        is_refused: true,
    },
    Planted {
        name: "a symlink of this user to one of another user",
        plant: |scene, path| {
            symlink(scene.path("shared/second"), path).unwrap();
            foreign_link(&scene.path("host"), &scene.path("shared/second"));
        },
        replaces_host: false,
        is_refused: true,
    },
    Planted {
        name: "a symlink to itself",
        plant: |_, path| symlink("x.tar", path).unwrap(),
        replaces_host: false,
        is_refused: true,
    },
    Planted {
        name: "a FIFO of another user",
        plant: |_, path| {
            let kind = FileType::Fifo;
            rustix::fs::mknodat(CWD, path, kind, 0o666.into(), 0).unwrap();
            chown(path, Some(OTHER), Some(OTHER)).unwrap();
        },
        replaces_host: false,
        is_refused: true,
    },
    Planted {
        name: "a hard link to the host's file",
        plant: |scene, path| fs::hard_link(scene.path("host"), path).unwrap(),
        replaces_host: false,
        is_refused: false,
    },
    Planted {
        name: "a file of another user",
        plant: |_, path| {
            fs::write(path, "x").unwrap();
            chown(path, Some(OTHER), Some(OTHER)).unwrap();
        },
        replaces_host: false,
        is_refused: false,
    },
    Planted {
        name: "a directory",
        plant: |_, path| fs::create_dir(path).unwrap(),
        replaces_host: false,
        is_refused: true,
    },
    Planted {
        name: "nothing",
        plant: |_, _| (),
        replaces_host: false,
        is_refused: false,
    },
];

fn foreign_link(to: &Path, path: &Path) {
    symlink(to, path).unwrap();
    lchown(path, Some(OTHER), Some(OTHER)).unwrap();
}

#[test]
#[ignore = "needs root"]
fn an_image_is_not_written_through_what_others_plant() {
    for planted in PLANTED {
        let scene = Scene::new();
        let path = scene.path("shared/x.tar");
        (planted.plant)(&scene, &path);
        let packed = scene.pack(&path);
        let name = planted.name;
        assert_eq!(packed.is_err(), planted.is_refused, "{name}: {packed:?}");
        assert_eq!(scene.host() != b"precious", planted.replaces_host, "{name}");
        if !planted.is_refused && !planted.replaces_host {
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{name}");
            assert_eq!(fs::read(&path).unwrap().len(), 10240, "{name}");
        }
        let mut left = fs::read_dir(scene.path("shared")).unwrap();
        let is_known = left.all(|entry| {
            ["x.tar", "second"].contains(&entry.unwrap().file_name().to_str().unwrap())
        });
        assert!(is_known, "{name}: something is left");
    }
    assert_eq!(PLANTED.len(), 10, "planted things");
}

#[test]
fn links_of_the_kernel_to_open_files_are_followed() {
    let scene = Scene::new();
    let file = fs::File::create(scene.path("open")).unwrap();
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    scene.pack(Path::new(&descriptor)).unwrap();
    assert_eq!(fs::read(scene.path("open")).unwrap().len(), 10240);
    let (reader, writer) = std::io::pipe().unwrap();
    let descriptor = format!("/dev/fd/{}", writer.as_raw_fd());
    let read = std::thread::spawn(move || {
        let mut content = Vec::new();
        let mut reader = reader;
        std::io::Read::read_to_end(&mut reader, &mut content).unwrap();
        content
    });
    scene.pack(Path::new(&descriptor)).unwrap();
    drop(writer);
    assert_eq!(read.join().unwrap().len(), 10240);
    scene.pack(Path::new("/dev/null")).unwrap();
    let null = fs::metadata("/dev/null").unwrap();
    assert!(null.file_type().is_char_device());
}

#[test]
fn images_of_killed_runs_are_removed_and_no_other_files() {
    let scene = Scene::new();
    let marked = scene.path(".rbootstrap-image.1.0");
    let unmarked = scene.path(".rbootstrap-image.1.1");
    let live = scene.path(".rbootstrap-image.1.2");
    for path in [&marked, &unmarked, &live] {
        fs::write(path, "x").unwrap();
    }
    let live_file = fs::File::open(&live).unwrap();
    mark::set(&live_file, None);
    // A process marks the file and ends.
    let child = "RBOOTSTRAP_TEST_IMAGE";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pack::place::tests::mark_a_file"])
        .env(child, &marked)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    scene.pack(&scene.path("x.tar")).unwrap();
    assert!(!marked.exists());
    assert!(unmarked.exists());
    assert!(live.exists());
}

#[test]
fn mark_a_file() {
    if let Some(path) = std::env::var_os("RBOOTSTRAP_TEST_IMAGE") {
        mark::set(fs::File::open(path).unwrap(), None);
    }
}
