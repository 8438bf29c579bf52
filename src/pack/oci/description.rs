//! What a tree says about itself: its architecture, its release, its shell. An image is described
//! by the tree alone, so that `pack` says the same as the run that made the tree.

use super::super::Error;
use super::documents::{Annotations, Platform};
use crate::formats::arch;
use crate::report::Report;
use crate::tree::identity;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::RootPath;

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
pub(crate) fn platform(architecture: &str) -> Platform {
    let known = arch::named(architecture).and_then(|known| known.platform());
    let (name, variant) = known.unwrap_or((architecture, None));
    Platform {
        architecture: name.to_owned(),
        os: "linux".to_owned(),
        variant: variant.map(str::to_owned),
    }
}

/// The native architecture of a tree.
pub(super) fn architecture(root: ReadableTree<'_>, report: &Report) -> Result<String, Error> {
    match identity::architecture(root, report) {
        Some(architecture) => Ok(architecture),
        None => Err(Error::NoArchitecture {
            root: root.path().to_owned(),
        }),
    }
}

/// The default command of an image: the tree's shell.
pub(super) fn shell(root: ReadableTree<'_>) -> Result<Option<Vec<String>>, Error> {
    for (shell, path) in SHELLS {
        if root.exists(&RootPath::known(path))? {
            return Ok(Some(vec![shell.to_owned()]));
        }
    }
    Ok(None)
}

/// What the tree's os-release says, as annotations of the OCI standard.
pub(super) fn annotations(root: ReadableTree<'_>, report: &Report) -> Annotations {
    let mut annotations = Annotations::new();
    let mut release = identity::os_release(root, report);
    let known = [
        ("PRETTY_NAME", "org.opencontainers.image.title"),
        ("VERSION_ID", "org.opencontainers.image.version"),
        ("HOME_URL", "org.opencontainers.image.url"),
    ];
    for (variable, annotation) in known {
        if let Some(value) = release.remove(variable) {
            annotations.insert(annotation.to_owned(), value);
        }
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree::rootfs_with;

    /// Paths and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

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
        let (_directory, root) = rootfs_with(&[("usr/lib/os-release", text)]);
        let annotations = annotations((&root).into(), &Report::silent());
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
        // A directory is not an os-release file.
        let (_directory, root) = rootfs_with(&[("usr/lib/os-release/x", "")]);
        assert!(super::annotations((&root).into(), &Report::silent()).is_empty());
        let (_directory, root) = rootfs_with(&[]);
        assert!(super::annotations((&root).into(), &Report::silent()).is_empty());
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
            let (_directory, root) = rootfs_with(files);
            let found = shell((&root).into()).unwrap().map(|words| words.concat());
            assert_eq!(found.as_deref(), expected, "{files:?}");
        }
    }
}
