//! Inventories of small trees, and their documents as snapshots.

use std::path::Path;

use super::*;
use crate::testing::tree::with_files;
use crate::tree::rootfs::Rootfs;

const STATUS_TEXT: &str = "\
Package: libstdc++6
Status: install ok installed
Section: libs
Architecture: amd64
Multi-Arch: same
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Homepage: http://gcc.gnu.org/

Package: own
Status: install ok half-configured
Architecture: all
Version: 1:2~rc1
Maintainer: Jane Doe <jane@example.org>
Homepage: not a URL

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: unknown
Status: unknown ok not-installed
Architecture: amd64
";

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-3+ and public-domain

License: public-domain
 No rights.
";

fn debian() -> tempfile::TempDir {
    with_files(&[
        (STATUS, STATUS_TEXT),
        ("var/lib/dpkg/arch", "amd64\n"),
        (
            "usr/lib/os-release",
            "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"13\"\n",
        ),
        ("usr/share/doc/libstdc++6/copyright", COPYRIGHT),
    ])
}

fn read(tree: &Path, provenance: &Provenance) -> Inventory {
    let root = Rootfs::open(tree).unwrap();
    Inventory::read((&root).into(), provenance, &Report::silent()).unwrap()
}

fn provenance() -> Provenance {
    Provenance {
        created: 1_760_000_000,
        files: vec![
            PackageFileRecord {
                name: "libstdc++6".to_owned(),
                version: "14.2.0-19+b1".to_owned(),
                architecture: "amd64".to_owned(),
                digest: Some(format!("sha256:{}", "ab".repeat(32))),
                size: Some(715_024),
                url: Some("http://ftp.debian.org/debian/pool/main/g/gcc-14/x.deb".to_owned()),
            },
            // Another version than the one that is installed.
            PackageFileRecord {
                name: "own".to_owned(),
                version: "1".to_owned(),
                architecture: "all".to_owned(),
                digest: None,
                size: Some(1),
                url: None,
            },
        ],
        ..Provenance::default()
    }
}

fn text(bytes: serde_json::Result<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[test]
fn the_documents_of_a_tree() {
    let tree = debian();
    let inventory = read(tree.path(), &provenance());
    insta::assert_snapshot!("manifest", text(inventory.manifest()));
    insta::assert_snapshot!("spdx", text(inventory.spdx()));
    insta::assert_snapshot!("cyclonedx", text(inventory.cyclonedx()));
    let manifest = text(inventory.manifest());
    let manifest: Manifest<'_> = serde_json::from_str(&manifest).unwrap();
    assert_eq!(*manifest.packages, inventory.packages);
}

#[test]
fn another_tree_has_other_identifiers() {
    let tree = debian();
    let names = |provenance: &Provenance| {
        let inventory = read(tree.path(), provenance);
        let spdx = identity::uuid(&inventory, "spdx").unwrap();
        [spdx, identity::uuid(&inventory, "cyclonedx").unwrap()]
    };
    let first = names(&provenance());
    assert_eq!(first, names(&provenance()));
    assert_ne!(first[0], first[1]);
    let later = Provenance {
        created: 1,
        ..provenance()
    };
    assert_ne!(first[0], names(&later)[0]);
}

#[test]
fn packages_outside_of_the_status_are_listed() {
    let single = "Package: base-files\nVersion: 13\nArchitecture: amd64\n";
    let tree = with_files(&[
        ("var/lib/dpkg/status.d/base-files", single),
        ("var/lib/dpkg/status.d/base-files.md5sums", "x  y\n"),
        ("var/lib/dpkg/status.d/broken", "Package: broken\n"),
        // Neither fails nor names a license.
        ("usr/share/doc/base-files/copyright/directory", ""),
    ]);
    let provenance = Provenance {
        architecture: Some("amd64".to_owned()),
        release: ReleaseName {
            id: "ubuntu".to_owned(),
            name: "Ubuntu".to_owned(),
            version: "24.04".to_owned(),
        },
        unregistered: vec!["Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n".to_owned()],
        ..Provenance::default()
    };
    let inventory = read(tree.path(), &provenance);
    let purls: Vec<&str> = inventory
        .packages
        .iter()
        .map(|package| package.purl.as_str())
        .collect();
    assert_eq!(
        purls,
        [
            "pkg:deb/ubuntu/base-files@13?arch=amd64&distro=ubuntu-24.04",
            "pkg:deb/ubuntu/libc6@2.41-12?arch=amd64&distro=ubuntu-24.04",
        ]
    );
    assert_eq!(inventory.name, "ubuntu-24.04-amd64");
}

#[test]
fn a_tree_that_says_nothing_has_documents_too() {
    let tree = with_files(&[]);
    let inventory = read(tree.path(), &Provenance::default());
    assert_eq!(inventory.name, "image");
    assert!(text(inventory.spdx()).contains("\"versionInfo\": \"unknown\""));
    assert!(text(inventory.cyclonedx()).contains("\"components\": []"));
    assert!(text(inventory.manifest()).contains("\"packages\": []"));
}

#[test]
fn endings_name_formats() {
    let rows = [
        ("a.spdx.json", Some(SbomFormat::Spdx)),
        ("a.json", Some(SbomFormat::Spdx)),
        ("d/a.CDX.json", Some(SbomFormat::CycloneDx)),
        ("a.cyclonedx.json", Some(SbomFormat::CycloneDx)),
        ("a.spdx", None),
        ("a.xml", None),
        ("a", None),
    ];
    for (name, expected) in rows {
        assert_eq!(SbomFormat::of(Path::new(name)), expected, "{name}");
    }
}

/// A name, the files, a symlink that leads to itself, and the expected error or number of warnings.
type TreeRow = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    Result<usize, &'static str>,
);

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test makes a symlink in its tree"
)]
fn what_cannot_be_read_is_left_out_but_for_dpkgs_status() {
    let installed = (STATUS, STATUS_TEXT);
    let copyright = "usr/share/doc/own/copyright";
    let rows: [TreeRow; 11] = [
        ("a plain tree", &[(STATUS, STATUS_TEXT)], None, Ok(0)),
        ("no dpkg", &[("etc/motd", "")], None, Ok(0)),
        ("no status", &[("usr/bin/dpkg", "")], None, Err(STATUS)),
        (
            "a database without status",
            &[("var/lib/dpkg/info/a.list", "")],
            None,
            Err(STATUS),
        ),
        (
            "a status in a loop",
            &[("etc/motd", "")],
            Some(STATUS),
            Err(STATUS),
        ),
        (
            "a directory as the status",
            &[("var/lib/dpkg/status/x", "")],
            None,
            Err(STATUS),
        ),
        (
            "a copyright file in a loop",
            &[(STATUS, STATUS_TEXT)],
            Some(copyright),
            Ok(1),
        ),
        (
            "a directory as a copyright file",
            &[(STATUS, STATUS_TEXT), ("usr/share/doc/own/copyright/x", "")],
            None,
            Ok(1),
        ),
        (
            "a directory as os-release",
            &[(STATUS, STATUS_TEXT), ("usr/lib/os-release/x", "")],
            None,
            Ok(1),
        ),
        (
            "an os-release in a loop",
            &[(STATUS, STATUS_TEXT)],
            Some("etc/os-release"),
            Ok(1),
        ),
        (
            "a directory as dpkg's architectures",
            &[(STATUS, STATUS_TEXT), ("var/lib/dpkg/arch/x", "")],
            None,
            Ok(1),
        ),
    ];
    for (name, files, link, expected) in rows {
        let tree = with_files(files);
        if let Some(link) = link {
            let path = tree.path().join(link);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(path.file_name().unwrap(), &path).unwrap();
        }
        let (sender, warnings) = std::sync::mpsc::channel();
        let report = Report::new(move |event| drop(sender.send(event)));
        let root = Rootfs::open(tree.path()).unwrap();
        let found = Inventory::read((&root).into(), &Provenance::default(), &report);
        drop(report);
        match (found, expected) {
            (Ok(inventory), Ok(count)) => {
                assert_eq!(warnings.iter().count(), count, "{name}");
                let listed = usize::from(files.contains(&installed)) * 2;
                assert_eq!(inventory.packages.len(), listed, "{name}");
            }
            (Err(error), Err(path)) => assert!(error.to_string().contains(path), "{name}: {error}"),
            (found, expected) => panic!("{name}: {found:?}, {expected:?}"),
        }
    }
}
