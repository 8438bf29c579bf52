//! Images of small trees: the files of a layout, their digests, the documents as text.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write their trees with the standard library"
)]

mod docker;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::super::form::{Content, Image, Layout, Sink};
use super::*;
use crate::formats::compress::{Encoding, Integrity, decoder};
use crate::formats::digest::digest;
use crate::pack::{Devices, Publication};
use crate::testing::tree::with_files;

const EPOCH: i64 = 1_700_000_000;

/// A tree of amd64 with a shell and an os-release.
fn tree() -> tempfile::TempDir {
    with_files(&[
        ("var/lib/dpkg/arch", "amd64\n"),
        ("usr/bin/bash", "bash"),
        ("etc/os-release", "PRETTY_NAME=\"Fake 1\"\nVERSION_ID=1\n"),
    ])
}

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

fn written(tree: &Path, layout: Layout, settings: Settings, compression: Compression) {
    let image = Image {
        content: Content::Oci {
            layout,
            settings: Box::new(settings),
        },
        encoding: Encoding::new(compression, None).unwrap(),
    };
    let root = Rootfs::open(tree).unwrap();
    let options = options(compression);
    let image = super::super::write((&root).into(), &image, &options, &Report::silent()).unwrap();
    let mut publication = Publication::default();
    publication.set_image(image);
    let published = publication.publish(&options.interrupt).unwrap();
    published.keep();
}

/// The files of an archive, by their names.
fn archived(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), EPOCH as u64, "{name}");
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        names.push(name.clone());
        if header.entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
    }
    assert!(names.is_sorted(), "{names:?}");
    files
}

fn parsed(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

/// The blob that a descriptor points to, whose digest and size are right.
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let hexadecimal = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let content = &files[&format!("blobs/sha256/{hexadecimal}")];
    assert_eq!(
        digest(Algorithm::Sha256, content).hexadecimal(),
        hexadecimal
    );
    assert_eq!(descriptor["size"], content.len());
    content
}

#[test]
fn an_archive_has_one_image_with_the_trees_tar_as_its_layer() {
    let tree = tree();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.oci.tar");
    for (compression, media_type) in [
        (Compression::Gzip, LAYER_GZIP),
        (Compression::Zstd, LAYER_ZSTD),
    ] {
        let layout = Layout::Archive(Sink::File(path.clone()));
        written(tree.path(), layout, Settings::default(), compression);
        let files = archived(&path);
        let index = parsed(&files, "index.json");
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        let manifest: Value = serde_json::from_slice(blob(&files, &index["manifests"][0])).unwrap();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        assert_eq!(manifest["layers"][0]["mediaType"], media_type);
        let mut tar = Vec::new();
        let layer = blob(&files, &manifest["layers"][0]);
        decoder(compression, layer, Integrity::Unknown)
            .unwrap()
            .read_to_end(&mut tar)
            .unwrap();
        let root = Rootfs::open(tree.path()).unwrap();
        let plain = super::super::tar(
            (&root).into(),
            Vec::new(),
            &options(Compression::None),
            &Report::silent(),
        );
        assert!(plain.unwrap() == tar, "{compression:?}");
        let configuration: Value =
            serde_json::from_slice(blob(&files, &manifest["config"])).unwrap();
        let content = format!("sha256:{}", digest(Algorithm::Sha256, &tar).hexadecimal());
        assert_eq!(configuration["rootfs"]["diff_ids"][0], content.as_str());
        let docker = parsed(&files, "manifest.json");
        assert!(files.contains_key(docker[0]["Config"].as_str().unwrap()));
        assert!(files.contains_key(docker[0]["Layers"][0].as_str().unwrap()));
        assert_eq!(docker[0]["RepoTags"], Value::Null);
        assert_eq!(files.len(), 6, "files");
    }
}

#[test]
fn a_directory_has_the_files_of_the_archive() {
    let tree = tree();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("x.oci.tar");
    let layout = Layout::Archive(Sink::File(archive.clone()));
    written(tree.path(), layout, Settings::default(), Compression::Gzip);
    let directory = place.path().join("layout");
    for is_there in [false, true] {
        if is_there {
            fs::remove_dir_all(&directory).unwrap();
            fs::create_dir(&directory).unwrap();
        }
        let layout = Layout::Directory(directory.clone());
        written(tree.path(), layout, Settings::default(), Compression::Gzip);
        let mut count = 0;
        for (name, content) in archived(&archive) {
            assert!(
                fs::read(directory.join(&name)).unwrap() == content,
                "{name}"
            );
            count += 1;
        }
        assert_eq!(count, 6);
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["blobs", "index.json", "manifest.json", "oci-layout"]
        );
    }
}

#[test]
fn a_directory_that_cannot_be_the_layout_stays_as_it_is() {
    let tree = tree();
    let place = tempfile::tempdir().unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    let full = place.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("file"), "x").unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let rows = [
        (full.clone(), "is not empty"),
        (file, "cannot open it"),
        (place.path().join("no/such"), "cannot find its directory"),
        (tree.path().join("etc/layout"), "is inside the tree"),
    ];
    for (path, words) in rows {
        let image = Image {
            content: Content::Oci {
                layout: Layout::Directory(path.clone()),
                settings: Box::default(),
            },
            encoding: Encoding::new(Compression::Gzip, None).unwrap(),
        };
        let options = options(Compression::Gzip);
        let written = super::super::write((&root).into(), &image, &options, &Report::silent());
        let error = written.unwrap_err().to_string();
        assert!(error.contains(words), "{}: {error}", path.display());
    }
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn the_documents_say_what_was_asked_for() {
    let tree = tree();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.oci.tar");
    let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let settings = Settings {
        tag: Some(Reference::parse("h.x/a:b").unwrap()),
        architecture: Some("armhf".into()),
        labels: pair("org.opencontainers.image.version", "own"),
        annotations: pair("a", "b"),
        command: Some(CommandWords::parse("-l").unwrap()),
        entrypoint: Some(CommandWords::parse("/bin/sh").unwrap()),
        environment: pair("LANG", "C.UTF-8"),
        user: Some("1:2".into()),
        attest: false,
        directory: Some("/srv".into()),
    };
    for (name, settings) in [("default", Settings::default()), ("own", settings)] {
        let layout = Layout::Archive(Sink::File(path.clone()));
        written(tree.path(), layout, settings, Compression::Zstd);
        let files = archived(&path);
        let index = parsed(&files, "index.json");
        let manifest = blob(&files, &index["manifests"][0]);
        let parsed_manifest: Value = serde_json::from_slice(manifest).unwrap();
        let configuration = blob(&files, &parsed_manifest["config"]);
        let mut text = String::new();
        for document in [
            &files["index.json"],
            manifest,
            configuration,
            &files["manifest.json"],
            &files["oci-layout"],
        ] {
            text.push_str(&without_digests(std::str::from_utf8(document).unwrap()));
            text.push('\n');
        }
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(format!("documents_{name}"), text);
        });
    }
}

#[test]
fn an_empty_entry_point_keeps_the_default_command() {
    let tree = tree();
    let root = Rootfs::open(tree.path()).unwrap();
    let rows = [
        (None, Some("bash")),
        (Some(""), Some("bash")),
        (Some("[]"), Some("bash")),
        (Some("/bin/sh"), None),
    ];
    for (entrypoint, expected) in rows {
        let settings = Settings {
            entrypoint: entrypoint.map(|text| CommandWords::parse(text).unwrap()),
            ..Settings::default()
        };
        let made = execution((&root).into(), &settings, &Annotations::new()).unwrap();
        let expected = expected.map(|word| vec![word.to_owned()]);
        assert_eq!(made.cmd, expected, "{entrypoint:?}");
    }
}

/// A document without digests and sizes, which depend on who owns the tree.
fn without_digests(text: &str) -> String {
    let mut parts = text.split(['"', ':', '/', ',', '}']);
    let mut plain = text.to_owned();
    while let Some(part) = parts.next() {
        if part.len() == 64 {
            plain = plain.replace(part, "DIGEST");
        } else if part == "size" {
            parts.next();
            let size = parts.next().unwrap();
            plain = plain.replace(&format!("\"size\":{size}"), "\"size\":SIZE");
        }
    }
    plain
}
