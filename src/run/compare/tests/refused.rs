//! What cannot be compared: the error names the file and what is wrong with it.

use std::os::unix::fs::symlink as make_symlink;
use std::path::Path;

use super::made::{MadeDocker, MadeLayout, list};
use super::{MadePlace, lines, one, tree};
use crate::failure::{Class, with_causes};
use crate::formats::compress::Compression;
use crate::testing::tar::{TarEntry, compress, file, symlink, tar};

/// A name, a file's content, the class of the error, and what its chain of messages names.
type RefusedImage = (&'static str, Vec<u8>, Class, &'static [&'static str]);

fn changed_layer() -> Vec<u8> {
    let mut layout = MadeLayout::of(&[("amd64", &[tree()])]);
    let largest = layout
        .files
        .values_mut()
        .max_by_key(|content| content.len());
    largest.unwrap()[600] ^= 1;
    layout.archive()
}

fn missing_blob() -> Vec<u8> {
    let mut layout = MadeLayout::of(&[("amd64", &[tree()])]);
    layout.files.clear();
    layout.archive()
}

/// An image that has this layer several times.
fn layers_of(content: Vec<u8>, count: usize) -> Vec<u8> {
    let mut layout = MadeLayout::of(&[("amd64", &[])]);
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", content);
    let layers = vec![layer; count];
    let config = layout.blob(
        "application/vnd.oci.image.config.v1+json",
        br#"{"architecture":"amd64","os":"linux"}"#.to_vec(),
    );
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers});
    let kind = "application/vnd.oci.image.manifest.v1+json";
    layout.top = vec![layout.blob(kind, manifest.to_string().into())];
    layout.archive()
}

fn too_large_status() -> Vec<u8> {
    tar(&[TarEntry {
        declared_size: Some(300 << 20),
        ..file("var/lib/dpkg/status", "Package: a\n")
    }])
}

fn links_in_a_circle() -> Vec<u8> {
    tar(&[
        symlink("var/lib/dpkg", "/srv/dpkg"),
        symlink("srv/dpkg", "/var/lib/dpkg"),
    ])
}

/// What is no archive of an image.
fn refused_files() -> Vec<RefusedImage> {
    let whole = tar(&tree());
    let packed = compress(Compression::Gzip, &whole);
    let mut ext4 = vec![0; 4096];
    ext4[1080..1082].copy_from_slice(&[0x53, 0xef]);
    let squashfs = [b"hsqs".as_slice(), &[0; 4096]].concat();
    vec![
        ("nothing", Vec::new(), Class::Usage, &["it is empty"]),
        ("text", b"hello".to_vec(), Class::Usage, &["not a tar"]),
        ("noise", vec![b'x'; 5000], Class::Usage, &["not a tar"]),
        ("squashfs", squashfs, Class::Usage, &["squashfs"]),
        ("ext4", ext4, Class::Usage, &["ext"]),
        ("no list", b"{}".to_vec(), Class::Trust, &["packages"]),
        (
            "no dpkg",
            tar(&[file("etc/x", "")]),
            Class::Usage,
            &["status.d"],
        ),
        ("an empty tar", tar(&[]), Class::Usage, &["status.d"]),
        (
            "a short tar",
            whole[..900].to_vec(),
            Class::Trust,
            &["within an entry"],
        ),
        (
            "a short gz",
            packed[..60].to_vec(),
            Class::Trust,
            &["decoded"],
        ),
        (
            "a large status",
            too_large_status(),
            Class::Trust,
            &["dpkg's database", "33554432"],
        ),
        ("a circle", links_in_a_circle(), Class::Trust, &["8 links"]),
    ]
}

/// Archives of images.
fn refused_images() -> Vec<RefusedImage> {
    let amd64 = one("amd64", "1");
    let arm64 = one("arm64", "1");
    let twice = MadeLayout::of(&[("amd64", &amd64), ("amd64", &arm64)]);
    let docker = MadeDocker::of(&[("amd64", &amd64), ("amd64", &arm64)]);
    let stray = tar(&[file("manifest.json", r#"[{"Config":"../x","Layers":[]}]"#)]);
    vec![
        (
            "another layer",
            changed_layer(),
            Class::Trust,
            &["sha256:", "another digest"],
        ),
        ("no blobs", missing_blob(), Class::Usage, &["blobs/sha256"]),
        (
            "no layer",
            layers_of(vec![b'x'; 2000], 1),
            Class::Trust,
            &["sha256:", "the header at byte 0"],
        ),
        (
            "one platform twice",
            twice.archive(),
            Class::Usage,
            &["several images", "linux/amd64"],
        ),
        (
            "docker's, twice",
            docker.archive(),
            Class::Usage,
            &["several images", "linux/amd64"],
        ),
        ("docker's, outside", stray, Class::Usage, &["../x"]),
        (
            "many layers",
            layers_of(tar(&[]), 1001),
            Class::Trust,
            &["number of its layers"],
        ),
        (
            "docker's, many layers",
            MadeDocker::of(&[("amd64", &vec![Vec::new(); 1001])]).archive(),
            Class::Trust,
            &["number of its layers"],
        ),
    ]
}

#[test]
fn what_is_no_image_is_named() {
    let rows = [refused_files(), refused_images()].concat();
    let place = MadePlace::new();
    let good = place.file("good", &list(&[]));
    for (name, content, class, parts) in &rows {
        let path = place.file("the-image", content);
        for (old, new) in [(&path, &good), (&good, &path)] {
            let error = lines(old, new, None).expect_err(name);
            assert_eq!(error.class(), *class, "{name}: {error:?}");
            let text = with_causes(&error);
            assert!(text.contains("the-image"), "{name}: {text}");
            for part in *parts {
                assert!(text.contains(part), "{name}: {text}");
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "the number of cases")]
    {
        println!("{} cases", rows.len());
    }
}

#[test]
fn a_directory_without_packages_is_named() {
    let place = MadePlace::new();
    let good = place.file("good", &list(&[]));
    let error = lines(place.0.path(), &good, None).unwrap_err();
    assert!(error.to_string().contains("status.d"), "{error}");
    let error = lines(&good, &place.0.path().join("none"), None).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
    // dpkg without its status is a damaged tree.
    std::fs::create_dir_all(place.0.path().join("usr/bin")).unwrap();
    std::fs::write(place.0.path().join("usr/bin/dpkg"), "").unwrap();
    let error = lines(place.0.path(), &good, None).unwrap_err();
    assert_eq!(error.class(), Class::Target);
    assert!(error.to_string().contains("var/lib/dpkg/status"), "{error}");
}

/// A layout with its index, manifest or layer in a directory, behind a link, or not readable.
#[test]
fn a_manifest_that_cannot_be_read_is_not_taken_for_absent() {
    let good = MadePlace::new();
    let good = good.file("good", &list(&[]));
    let layers = one("amd64", "1");
    let plain = MadeLayout::of(&[("amd64", &layers)]);
    // Where an index names the platform, the configuration is not read.
    for (layout, unread) in [(plain.clone(), 0), (plain.nested(), OBSTACLES.len())] {
        let mut ignored = 0;
        for file in layout.names() {
            for (obstacle, cause) in OBSTACLES {
                let place = MadePlace::new();
                let directory = layout.directory(&place, "layout");
                let path = directory.join(&file);
                std::fs::remove_file(&path).unwrap();
                obstacle(&path);
                let Err(error) = lines(&directory, &good, None) else {
                    ignored += 1;
                    continue;
                };
                let text = with_causes(&error);
                assert!(text.contains(path.to_str().unwrap()), "{text}");
                assert!(text.contains(cause), "{text}");
            }
        }
        assert_eq!(ignored, unread);
    }
    // docker's list of images.
    let place = MadePlace::new();
    let directory = MadeDocker::of(&[("amd64", &layers)]).directory(&place, "docker");
    let path = directory.join("manifest.json");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let text = with_causes(&lines(&directory, &good, None).unwrap_err());
    assert!(text.contains(path.to_str().unwrap()), "{text}");
}

/// Makes something at a path.
type Maker = fn(&Path);

/// What can be in a file's place, and what is said of it.
const OBSTACLES: [(Maker, &str); 4] = [
    (|path| std::fs::create_dir(path).unwrap(), "directory"),
    (make_fifo, "not a regular file"),
    (
        |path| make_symlink("/etc/passwd", path).unwrap(),
        "leads out of the image",
    ),
    (
        |path| make_symlink(path.file_name().unwrap(), path).unwrap(),
        "links",
    ),
];

fn make_fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}
