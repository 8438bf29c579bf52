//! What a tree says about itself: its architecture, its release, its shell. An image is described by
//! the tree alone, so that `pack` says the same as the run that made the tree.

use std::collections::BTreeMap;

use super::super::Error;
use super::documents::{Annotations, Platform};
use crate::formats::arch;
use crate::formats::fields::{Field, PackageFields};
use crate::tree::rootfs::{RootPath, Rootfs};

/// The architectures of a tree, native first (dpkg's own file).
const ARCHITECTURES: &str = "var/lib/dpkg/arch";
const STATUS: &str = "var/lib/dpkg/status";
/// Where os-release(5) is looked for.
const RELEASES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
/// The shells that may be the command of an image, best first, on trees without and with a merged
/// /usr.
const SHELLS: [(&str, &str); 6] = [
    ("bash", "bin/bash"),
    ("bash", "usr/bin/bash"),
    ("dash", "bin/dash"),
    ("dash", "usr/bin/dash"),
    ("sh", "bin/sh"),
    ("sh", "usr/bin/sh"),
];

/// The platform of a Debian architecture. Architectures that Go does not know keep Debian's name.
pub(super) fn platform(architecture: &str) -> Platform {
    let known = arch::named(architecture).and_then(|known| known.platform());
    let (name, variant) = known.unwrap_or((architecture, None));
    Platform {
        architecture: name.to_owned(),
        os: "linux".to_owned(),
        variant: variant.map(str::to_owned),
    }
}

/// The native architecture of a tree, by dpkg's list of architectures or else by its packages.
pub(super) fn architecture(root: &Rootfs) -> Result<String, Error> {
    if let Some(listed) = read(root, ARCHITECTURES)?
        && let Some(native) = listed.split_whitespace().next()
    {
        return Ok(native.to_owned());
    }
    let status = read(root, STATUS)?.unwrap_or_default();
    let mut found = None;
    for package in PackageFields::all(&status) {
        let architecture = package.get(Field::Architecture);
        if ["", "all"].contains(&architecture) {
            continue;
        }
        // dpkg is of the native architecture; another package may be foreign.
        if package.get(Field::Package) == "dpkg" {
            return Ok(architecture.to_owned());
        }
        found.get_or_insert(architecture);
    }
    match found {
        Some(architecture) => Ok(architecture.to_owned()),
        None => Err(Error::NoArchitecture {
            root: root.path().to_owned(),
        }),
    }
}

/// The command of an image without one of its own: the tree's shell.
pub(super) fn shell(root: &Rootfs) -> Result<Option<Vec<String>>, Error> {
    for (shell, path) in SHELLS {
        if root.exists(&RootPath::known(path))? {
            return Ok(Some(vec![shell.to_owned()]));
        }
    }
    Ok(None)
}

/// What the tree's os-release says, as annotations of the OCI standard.
pub(super) fn annotations(root: &Rootfs) -> Result<Annotations, Error> {
    let mut annotations = Annotations::new();
    let mut text = None;
    for path in RELEASES {
        if text.is_none() {
            text = read(root, path)?;
        }
    }
    let text = text.unwrap_or_default();
    let mut release = variables(&text);
    let known = [
        ("PRETTY_NAME", "org.opencontainers.image.title"),
        ("VERSION_ID", "org.opencontainers.image.version"),
        ("HOME_URL", "org.opencontainers.image.url"),
    ];
    for (variable, annotation) in known {
        if let Some(value) = release.remove(variable).filter(|value| !value.is_empty()) {
            annotations.insert(annotation.to_owned(), value);
        }
    }
    Ok(annotations)
}

fn read(root: &Rootfs, path: &'static str) -> Result<Option<String>, Error> {
    let content = root.read(&RootPath::known(path))?;
    Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
}

/// The variables of os-release(5), without their quotes.
fn variables(text: &str) -> BTreeMap<&str, String> {
    let mut variables = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once('=') else {
            continue;
        };
        if !name.starts_with('#') {
            variables.insert(name, unquoted(value));
        }
    }
    variables
}

/// A value as a shell reads it, where os-release(5) permits quotes and backslashes.
fn unquoted(value: &str) -> String {
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c));
    let inner = match quote {
        Some(quote) => value[1..].strip_suffix(quote).unwrap_or(&value[1..]),
        None => value,
    };
    if quote == Some('\'') {
        return inner.to_owned();
    }
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "tests write their trees with the standard library"
    )]

    use std::fs;

    use super::*;

    /// Paths and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Rootfs) {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let root = Rootfs::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn the_architecture_is_that_of_dpkg() {
        let foreign_first = "Package: a\nArchitecture: i386\n\nPackage: b\nArchitecture: all\n\n\
                             Package: dpkg\nArchitecture: amd64\n";
        let without_dpkg = "Package: b\nArchitecture: all\n\nPackage: a\nArchitecture: armhf\n";
        let rows: [(Files, Option<&str>); 5] = [
            (
                &[(ARCHITECTURES, "arm64\namd64\n"), (STATUS, foreign_first)],
                Some("arm64"),
            ),
            (&[(STATUS, foreign_first)], Some("amd64")),
            (
                &[(ARCHITECTURES, ""), (STATUS, without_dpkg)],
                Some("armhf"),
            ),
            (&[(STATUS, "")], None),
            (&[("etc/motd", "")], None),
        ];
        for (files, expected) in rows {
            let (_directory, root) = tree(files);
            let found = architecture(&root);
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), expected, "{files:?}"),
                None => assert!(
                    matches!(found, Err(Error::NoArchitecture { .. })),
                    "{files:?}"
                ),
            }
        }
    }

    #[test]
    fn platforms_have_gos_names() {
        let rows = [
            ("amd64", "amd64", None),
            ("i386", "386", None),
            ("arm64", "arm64", Some("v8")),
            ("armhf", "arm", Some("v7")),
            ("armel", "arm", Some("v5")),
            ("ppc64el", "ppc64le", None),
            ("mips64el", "mips64le", None),
            ("riscv64", "riscv64", None),
            ("hppa", "hppa", None),
            ("unheard-of", "unheard-of", None),
        ];
        for (debian, name, variant) in rows {
            let platform = platform(debian);
            assert_eq!(platform.architecture, name, "{debian}");
            assert_eq!(platform.variant.as_deref(), variant, "{debian}");
            assert_eq!(platform.os, "linux");
        }
    }

    #[test]
    fn os_release_becomes_annotations() {
        let text = "# PRETTY_NAME=no\nPRETTY_NAME=\"Debian \\\"13\\\"\"\nVERSION_ID='13'\n\
                    HOME_URL=https://www.debian.org/\nBUG_REPORT_URL=\"x\"\n";
        let (_directory, root) = tree(&[("usr/lib/os-release", text)]);
        let annotations = annotations(&root).unwrap();
        let shown: Vec<String> = annotations
            .iter()
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        assert_eq!(
            shown,
            [
                "org.opencontainers.image.title Debian \"13\"",
                "org.opencontainers.image.url https://www.debian.org/",
                "org.opencontainers.image.version 13",
            ]
        );
        let (_directory, root) = tree(&[]);
        assert!(super::annotations(&root).unwrap().is_empty());
    }

    #[test]
    fn the_command_is_the_best_shell_of_the_tree() {
        let rows: [(Files, Option<&str>); 4] = [
            (&[("usr/bin/bash", ""), ("usr/bin/sh", "")], Some("bash")),
            (&[("bin/dash", "")], Some("dash")),
            (&[("bin/sh", "")], Some("sh")),
            (&[("usr/bin/env", "")], None),
        ];
        for (files, expected) in rows {
            let (_directory, root) = tree(files);
            let found = shell(&root).unwrap().map(|words| words.concat());
            assert_eq!(found.as_deref(), expected, "{files:?}");
        }
    }
}
