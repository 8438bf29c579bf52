//! Reads and writes /var/lib/dpkg/status: the installed packages, and how far the installation of
//! each has come.
//!
//! The text is kept as dpkg wrote it, and edited in place, so that the file stays what dpkg would
//! have written.

mod class;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use crate::formats::fields::{Field, PackageFields};
use crate::formats::stanza::{Ranges, fields, stanzas};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Conffile, ConffileState, Error};

const FILE: &str = "var/lib/dpkg/status";

/// The whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    text: Vec<u8>,
    /// By qualified name.
    states: HashMap<String, PackageState>,
}

/// How far the installation of a package has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PackageState {
    Unpacked,
    /// With or without pending triggers.
    Configured,
    /// Removed, except for its conffiles.
    ConfigFiles,
}

impl Status {
    /// Reads the file; empty when it does not exist.
    pub(crate) fn read(root: &Rootfs) -> Result<Status, Error> {
        let text = root.read(&RootPath::known(FILE))?.unwrap_or_default();
        let mut status = Status {
            text,
            states: HashMap::new(),
        };
        let text = String::from_utf8_lossy(&status.text);
        status
            .states
            .extend(stanzas(&text).filter_map(name_and_state));
        Ok(status)
    }

    /// Whether a package is configured, with or without pending triggers.
    pub(crate) fn is_configured(&self, qualified: &str) -> bool {
        self.states.get(qualified) == Some(&PackageState::Configured)
    }

    /// Whether a package is unpacked or configured.
    pub(crate) fn is_there(&self, qualified: &str) -> bool {
        let state = self.states.get(qualified);
        matches!(
            state,
            Some(PackageState::Unpacked | PackageState::Configured)
        )
    }

    /// The qualified names of the packages that are removed except for their conffiles, in order.
    pub(crate) fn removed(&self) -> Vec<&str> {
        let mut removed = Vec::new();
        for (qualified, state) in &self.states {
            if *state == PackageState::ConfigFiles {
                removed.push(qualified.as_str());
            }
        }
        removed.sort_unstable();
        removed
    }

    /// The stanzas of the packages that are unpacked or configured.
    pub(crate) fn stanzas_there(&self) -> Vec<String> {
        let mut found = Vec::new();
        for stanza in String::from_utf8_lossy(&self.text).split("\n\n") {
            if let Some((_, PackageState::Unpacked | PackageState::Configured)) =
                name_and_state(stanza)
            {
                found.push(stanza.to_owned());
            }
        }
        found
    }

    /// The stanzas, for comparisons.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut found = Vec::new();
        for stanza in String::from_utf8_lossy(&self.text).split("\n\n") {
            let stanza = stanza.trim();
            if !stanza.is_empty() {
                found.push(stanza.to_owned());
            }
        }
        found
    }

    /// Appends a package's stanza, or the text of several.
    pub(crate) fn push(&mut self, stanza: &str) {
        if !self.text.is_empty() && !self.text.ends_with(b"\n\n") {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(stanza.as_bytes());
        if !stanza.ends_with('\n') {
            self.text.push(b'\n');
        }
        self.text.push(b'\n');
        self.states
            .extend(stanza.split("\n\n").filter_map(name_and_state));
    }

    /// Marks a conffile of a package as obsolete, because another package has replaced it.
    pub(crate) fn mark_obsolete(&mut self, qualified: &str, conffile: &RootPath) {
        if let Some(words) = self.conffile(qualified, conffile) {
            self.text.splice(words.end..words.end, *b" obsolete");
        }
    }

    /// The digest of a package's conffile: its MD5, or `newconffile`. `None` if it is obsolete.
    pub(crate) fn conffile_digest(&self, qualified: &str, conffile: &RootPath) -> Option<String> {
        let words = &self.text[self.conffile(qualified, conffile)?];
        let words = String::from_utf8_lossy(words);
        match words.split_once(' ') {
            None => Some(words.into_owned()),
            Some(_) if words.ends_with(" obsolete") => None,
            Some((digest, _)) => Some(digest.to_owned()),
        }
    }

    /// The range in the text of the words behind a conffile's path.
    fn conffile(&self, qualified: &str, conffile: &RootPath) -> Option<Range<usize>> {
        let stanza = self.stanza_of(qualified)?;
        let start = [b"\n /", conffile.as_bytes(), b" "].concat();
        let line = stanza.start + memchr::memmem::find(&self.text[stanza], &start)? + start.len();
        let length = memchr::memchr(b'\n', &self.text[line..]);
        Some(line..line + length.unwrap_or(self.text.len() - line))
    }

    /// Removes a package's stanza.
    pub(crate) fn remove(&mut self, qualified: &str) {
        if let Some(stanza) = self.stanza_of(qualified) {
            self.text.drain(stanza);
        }
        self.states.remove(qualified);
    }

    /// The range of a package's stanza in the text, with the blank line behind it.
    fn stanza_of(&self, qualified: &str) -> Option<Range<usize>> {
        for range in Ranges::new(&self.text) {
            let stanza = String::from_utf8_lossy(&self.text[range.clone()]);
            if is_of(&stanza, qualified) {
                let end = (range.end + 1).min(self.text.len());
                return Some(range.start..end);
            }
        }
        None
    }

    /// Writes the file. `half_installed` is an additional stanza, of a package whose preinst is
    /// about to run.
    pub(crate) fn write(&self, root: &Rootfs, half_installed: Option<&str>) -> Result<(), Error> {
        let path = RootPath::known(FILE);
        let Some(stanza) = half_installed else {
            return Ok(root.write(&path, &self.text, 0o644)?);
        };
        let mut with = self.clone();
        with.push(stanza);
        Ok(root.write(&path, &with.text, 0o644)?)
    }
}

/// Whether a stanza is that of the package with this qualified name.
fn is_of(stanza: &str, qualified: &str) -> bool {
    let Some(fields) = PackageFields::read(stanza) else {
        return false;
    };
    let name = fields.get(Field::Package);
    match qualified.split_once(':') {
        None => name == qualified,
        Some(both) => (name, fields.get(Field::Architecture)) == both,
    }
}

/// The qualified name of a stanza's package, and its state.
fn name_and_state(stanza: &str) -> Option<(String, PackageState)> {
    let mut name = "";
    let mut architecture = "";
    let mut is_multi_arch_same = false;
    let mut state = None;
    for (field, value) in fields(stanza) {
        match field {
            "Package" => name = value,
            "Architecture" => architecture = value,
            "Multi-Arch" => is_multi_arch_same = value == "same",
            "Status" => state = state_of(value),
            _ => {}
        }
    }
    let qualified = if is_multi_arch_same {
        format!("{name}:{architecture}")
    } else {
        name.to_owned()
    };
    Some((qualified, state?))
}

/// The state in a `Status` field, whose last word it is.
fn state_of(value: &str) -> Option<PackageState> {
    match value.rsplit(' ').next()? {
        "installed" | "triggers-pending" | "triggers-awaited" => Some(PackageState::Configured),
        "config-files" => Some(PackageState::ConfigFiles),
        "not-installed" => None,
        _ => Some(PackageState::Unpacked),
    }
}

/// Fields that only the database has; those of a control file are ignored.
const OF_THE_DATABASE: [&str; 7] = [
    "Status",
    "Conffiles",
    "Config-Version",
    "Triggers-Pending",
    "Triggers-Awaited",
    "Filename",
    "Size",
];

/// The stanza of an unpacked package: its control file's fields, the state, and its conffiles.
pub(crate) fn unpacked_stanza(control: &str, conffiles: &[(Conffile, ConffileState)]) -> String {
    let mut stanza = String::with_capacity(control.len() + 64 + 80 * conffiles.len());
    for (name, value) in fields(control) {
        if OF_THE_DATABASE.iter().any(|f| f.eq_ignore_ascii_case(name)) {
            continue;
        }
        push_field(&mut stanza, name, value);
        if name.eq_ignore_ascii_case("Package") {
            stanza.push_str("Status: install ok unpacked\n");
        }
    }
    if !conffiles.is_empty() {
        stanza.push_str("Conffiles:\n");
    }
    for (conffile, state) in conffiles {
        let word = if conffile.removed {
            " remove-on-upgrade"
        } else {
            ""
        };
        let _ = writeln!(stanza, " {} {state}{word}", conffile.path);
    }
    stanza
}

/// The fields that dpkg writes while a package's preinst runs, besides `Package` and `Status`.
const OF_HALF_INSTALLED: [&str; 5] = [
    "Priority",
    "Section",
    "Architecture",
    "Multi-Arch",
    "Version",
];

/// The stanza of a package whose preinst runs.
pub(crate) fn half_installed_stanza(control: &str) -> String {
    let mut stanza = String::new();
    push_field_of(&mut stanza, control, "Package");
    push_field(&mut stanza, "Status", "install reinstreq half-installed");
    for name in OF_HALF_INSTALLED {
        push_field_of(&mut stanza, control, name);
    }
    stanza
}

/// Copies a field of a control file, if it has that field.
fn push_field_of(stanza: &mut String, control: &str, name: &str) {
    for (found, value) in fields(control) {
        if found.eq_ignore_ascii_case(name) {
            return push_field(stanza, name, value);
        }
    }
}

fn push_field(stanza: &mut String, name: &str, value: &str) {
    stanza.push_str(name);
    stanza.push_str(if value.starts_with('\n') { ":" } else { ": " });
    if name.eq_ignore_ascii_case("Package") {
        // The name of the package's files, which dpkg knows in lower case only.
        stanza.push_str(&value.to_ascii_lowercase());
    } else {
        stanza.push_str(value);
    }
    stanza.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: &str = "Package: a\nConfig-Version: 1\nVersion: 1\nArchitecture: amd64\n\
                           Multi-Arch: same\nSection: x\nStatus: no\n\
                           Description: a\n b\n .\n c\n";

    #[test]
    fn stanzas_are_dpkgs() {
        let conffile = |path, removed| Conffile {
            path: RootPath::known(path),
            removed,
        };
        let conffiles = [
            (conffile("etc/a", false), ConffileState::New),
            (
                conffile("etc/b", false),
                ConffileState::InPlace("0123".into()),
            ),
            (conffile("etc/c", true), ConffileState::New),
        ];
        assert_eq!(
            unpacked_stanza(CONTROL, &conffiles),
            "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\n\
             Multi-Arch: same\nSection: x\n\
             Description: a\n b\n .\n c\nConffiles:\n /etc/a newconffile\n /etc/b 0123\n\
             \x20/etc/c newconffile remove-on-upgrade\n"
        );
        assert_eq!(
            half_installed_stanza(CONTROL),
            "Package: a\nStatus: install reinstreq half-installed\nSection: x\n\
             Architecture: amd64\nMulti-Arch: same\nVersion: 1\n"
        );
    }

    #[test]
    fn stanzas_are_added_to_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known("var/lib/dpkg"))
            .unwrap();
        let there = "Package: a\nStatus: install ok installed\n\nPackage: b\n\
                     Status: install ok triggers-pending\nMulti-Arch: same\n\
                     Architecture: i386\n\nPackage: c\nStatus: install ok unpacked\n";
        root.write(&RootPath::known(FILE), there.as_bytes(), 0o644)
            .unwrap();
        let mut status = Status::read(&root).unwrap();
        assert!(
            status.is_configured("a")
                && status.is_configured("b:i386")
                && !status.is_configured("c")
        );
        status.push("Package: d\n");
        status.write(&root, Some("Package: e")).unwrap();
        let written = root.read(&RootPath::known(FILE)).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            format!("{there}\nPackage: d\n\nPackage: e\n\n")
        );
    }
}
