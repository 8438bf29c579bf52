//! What a tree says about itself: its native architecture and its os-release(5).

use std::collections::BTreeMap;

use crate::formats::fields::{Field, PackageFields};
use crate::report::Report;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::RootPath;

/// The architectures of a tree, native first (dpkg's own file).
const ARCHITECTURES: &str = "var/lib/dpkg/arch";
const STATUS: &str = "var/lib/dpkg/status";
/// A file for each package, in trees without dpkg.
const RECORDED: &str = "var/lib/dpkg/status.d";
/// Where os-release(5) is looked for.
const RELEASES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The native architecture of a tree, by dpkg's list of architectures or else by its packages.
pub(crate) fn architecture(root: ReadableTree<'_>, report: &Report) -> Option<String> {
    if let Some(listed) = optional_text(root, &RootPath::known(ARCHITECTURES), report)
        && let Some(native) = listed.split_whitespace().next()
    {
        return Some(native.to_owned());
    }
    let mut status = optional_text(root, &RootPath::known(STATUS), report).unwrap_or_default();
    let recorded = RootPath::known(RECORDED);
    for name in root.names(&recorded).unwrap_or_default() {
        if !name.ends_with(b".md5sums") {
            let text = optional_text(root, &recorded.entry(&name), report);
            status.push('\n');
            status.push_str(&text.unwrap_or_default());
        }
    }
    let mut found = None;
    for package in PackageFields::all(&status) {
        let architecture = package.get(Field::Architecture);
        if ["", "all"].contains(&architecture) {
            continue;
        }
        // dpkg is of the native architecture; another package may be foreign.
        if package.get(Field::Package) == "dpkg" {
            return Some(architecture.to_owned());
        }
        found.get_or_insert(architecture);
    }
    found.map(str::to_owned)
}

/// The variables of the tree's os-release; none without the file. Empty ones are left out.
pub(crate) fn os_release(root: ReadableTree<'_>, report: &Report) -> BTreeMap<String, String> {
    for path in RELEASES {
        if let Some(text) = optional_text(root, &RootPath::known(path), report) {
            return variables(&text);
        }
    }
    BTreeMap::new()
}

/// The text of a file that a tree need not have. What cannot be read there, such as a directory or
/// a symlink to itself, counts as absent, with a warning.
pub(crate) fn optional_text(
    root: ReadableTree<'_>,
    path: &RootPath,
    report: &Report,
) -> Option<String> {
    match root.read(path) {
        Ok(content) => Some(String::from_utf8_lossy(&content?).into_owned()),
        Err(error) => {
            let reason = &error.source;
            report.warning(format!("{error}, so it is left out: {reason}"));
            None
        }
    }
}

/// The variables of os-release(5), without their quotes.
fn variables(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once('=') else {
            continue;
        };
        let value = unquoted(value);
        if !name.starts_with('#') && !value.is_empty() {
            variables.insert(name.to_owned(), value);
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
    use super::*;
    use crate::testing::tree::rootfs_with;

    /// Paths and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

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
            let (_directory, root) = rootfs_with(files);
            let found = architecture((&root).into(), &Report::silent());
            assert_eq!(found.as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn os_release_is_read_as_a_shell_reads_it() {
        let text =
            "# ID=no\nPRETTY_NAME=\"Debian \\\"13\\\"\"\nVERSION_ID='13'\nID=debian\nNAME=\n";
        let (_directory, root) = rootfs_with(&[("usr/lib/os-release", text)]);
        let mut shown = Vec::new();
        for (name, value) in os_release((&root).into(), &Report::silent()) {
            shown.push(format!("{name} {value}"));
        }
        assert_eq!(
            shown,
            ["ID debian", "PRETTY_NAME Debian \"13\"", "VERSION_ID 13"]
        );
        let (_directory, root) = rootfs_with(&[]);
        assert!(os_release((&root).into(), &Report::silent()).is_empty());
    }
}
