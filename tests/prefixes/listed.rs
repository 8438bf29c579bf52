//! An image of a known system is packed from its snapshot, without a tree, and has the bytes of
//! one that is made of a tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rbootstrap::testing::tree;

use crate::context::{Outcome, outcome};
use crate::oci;

use super::{Images, packages, start};

/// Whether the image was made without a tree.
pub(super) fn is_listed(made: &Outcome) -> bool {
    let text = "the image is packed from the snapshot";
    made.stderr.lines().any(|line| line.starts_with(text))
}

/// Makes images of some kind: from the beginning, while a snapshot is kept, and from it.
struct Case {
    name: &'static str,
    options: &'static [&'static str],
    /// What is written, in the context's directory.
    outputs: &'static [&'static str],
    /// The last output is the image; a directory beside it needs a tree.
    is_listed: bool,
}

const CASES: [Case; 7] = [
    Case {
        name: "a tar",
        options: &["--include=tool"],
        outputs: &["image.tar"],
        is_listed: true,
    },
    Case {
        name: "a compressed tar",
        options: &["--include=tool"],
        outputs: &["image.tar.zst"],
        is_listed: true,
    },
    Case {
        name: "an OCI image with its documents",
        options: &["--include=tool", "--tag=a/b:c", "--attest"],
        outputs: &["manifest.json", "sbom.json", "lock", "image.oci.tar"],
        is_listed: true,
    },
    Case {
        name: "the directory of an OCI image",
        options: &["--include=tool", "--format=oci"],
        outputs: &["image/"],
        is_listed: true,
    },
    Case {
        name: "a profile",
        options: &["--include=tool", "--profile=docker", "--profile=slim"],
        outputs: &["image.tar"],
        is_listed: true,
    },
    Case {
        name: "without some paths",
        options: &["--include=tool", "--path-exclude=/usr/share/tool/f*"],
        outputs: &["image.tar"],
        is_listed: true,
    },
    Case {
        name: "a directory",
        options: &["--include=tool"],
        outputs: &["tree"],
        is_listed: false,
    },
];

impl Case {
    /// Makes it, and returns what was written.
    fn make(&self, images: &Images, snapshots: &str, epoch: Option<&str>) -> Made {
        let context = &images.context;
        let mut command = context.command();
        command.args(["-v", "--variant=minbase", "--snapshots", snapshots]);
        command.args(self.options);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        let mut image = context.path("");
        for name in self.outputs {
            let path = context.path(name.trim_end_matches('/'));
            match *name {
                "manifest.json" => command.arg("--manifest").arg(path),
                "sbom.json" => command.arg("--sbom").arg(path),
                "lock" => command.arg("--lock").arg(path),
                _ => {
                    image = path;
                    &mut command
                }
            };
        }
        command.arg("fake").arg(&image).arg(context.mirror.url());
        let outcome = outcome(&mut command).ok();
        let mut files = BTreeMap::new();
        for name in self.outputs {
            let path = context.path(name.trim_end_matches('/'));
            files.extend(taken(&path, name));
        }
        Made { outcome, files }
    }
}

struct Made {
    outcome: Outcome,
    files: BTreeMap<String, Vec<u8>>,
}

/// Reads and removes an output.
fn taken(path: &Path, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    if name == "tree" {
        let lines = tree::dump(path, tree::Times::Shown);
        files.insert(name.to_owned(), lines.join("\n").into_bytes());
    } else if path.is_dir() {
        files = oci::files(path);
    } else {
        files.insert(name.to_owned(), fs::read(path).unwrap());
    }
    match path.is_dir() {
        true => fs::remove_dir_all(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
    files
}

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn an_image_of_a_snapshot_has_the_bytes_of_one_of_a_tree() {
    let mut rows = Vec::new();
    for case in &CASES {
        rows.push((case, None));
    }
    // The past, and a future in which the times of the making are limited.
    for epoch in ["1500000000", "4000000000"] {
        rows.push((&CASES[0], Some(epoch)));
    }
    for (case, epoch) in &rows {
        let images = Images::new(packages());
        let name = format!("{} with {epoch:?}", case.name);
        let expected = case.make(&images, "none", *epoch);
        let first = case.make(&images, "all", *epoch);
        let second = case.make(&images, "all", *epoch);
        assert!(!is_listed(&first.outcome), "{name}");
        let said = &second.outcome.stderr;
        assert_eq!(is_listed(&second.outcome), case.is_listed, "{name}\n{said}");
        for made in [&first, &second] {
            let names: Vec<&String> = made.files.keys().collect();
            assert!(expected.files.keys().eq(names), "{name}");
            for (file, content) in &expected.files {
                assert!(made.files[file] == *content, "{name}: {file}");
            }
        }
    }
    println!("images of snapshots: {} cases, 0 failed", rows.len());
}

/// Without a decoded package the image is made of a tree, which is made of the snapshot.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn a_package_that_is_not_decoded_is_decoded_again() {
    let images = Images::new(packages());
    let expected = images.run(&[]);
    let decoded = images.context.path("cache/derived/package");
    fs::remove_dir_all(&decoded).unwrap();
    let made = images.run(&[]);
    assert!(
        made.stderr.contains("is not decoded in the cache"),
        "{}",
        made.stderr
    );
    let (at, steps) = start(&made).unwrap();
    assert_eq!(at, steps);
    assert!(!is_listed(&made), "{}", made.stderr);
    assert!(made.stdout == expected.stdout);
    let again = images.run(&[]);
    assert!(is_listed(&again), "{}", again.stderr);
    assert!(again.stdout == expected.stdout);
}

/// A decoded package that was damaged is found out only when it is read, after the downloads. The
/// tree that is made then has all packages.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn a_damaged_decoded_package_is_decoded_again() {
    let images = Images::new(packages());
    let expected = images.run(&[]);
    let decoded = tree::files(&images.context.path("cache/derived/package"));
    for path in decoded {
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&path, content).unwrap();
        let made = images.run(&[]);
        let said = &made.stderr;
        assert!(said.contains("is not decoded in the cache"), "{said}");
        assert!(!is_listed(&made), "{said}");
        assert!(made.stdout == expected.stdout, "{said}");
        let again = images.run(&[]);
        assert!(is_listed(&again), "{}", again.stderr);
        assert!(again.stdout == expected.stdout);
    }
}

/// What the cache has no room for is removed once the image is complete.
#[test]
#[ignore = "needs root, dpkg, setcap"]
fn a_small_cache_gives_the_same_image() {
    let images = Images::new(packages());
    let expected = images.run(&[]);
    let made = images.run(&["--cache-max-size=1K"]);
    assert!(is_listed(&made), "{}", made.stderr);
    assert!(made.stdout == expected.stdout);
    assert!(images.snapshots().is_empty());
}
