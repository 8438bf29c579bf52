//! /var/lib/dpkg/status: which packages there are, and how far each is.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use crate::formats::fields::{Field, PackageFields};
use crate::formats::stanza::{Ranges, fields, stanzas};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Conffile, ConffileState, Error};

const FILE: &str = "var/lib/dpkg/status";

/// The whole file, as dpkg or we have last written it, with what we add.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    text: Vec<u8>,
    /// How far each package had come when the file was read, by its qualified name.
    states: HashMap<String, State>,
}

/// How far the installation of a package has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unpacked,
    /// Configured, be it with triggers pending.
    Configured,
    /// Removed but for its conffiles.
    ConfigFiles,
}

impl Status {
    /// Reads it; empty when the file is not there.
    pub(crate) fn read(root: &Rootfs) -> Result<Status, Error> {
        let text = root.read(&RootPath::known(FILE))?.unwrap_or_default();
        let states = stanzas(&String::from_utf8_lossy(&text))
            .filter_map(name_and_state)
            .collect();
        Ok(Status { text, states })
    }

    /// Whether a package, by its qualified name, is configured, be it with triggers pending.
    pub(crate) fn is_configured(&self, qualified: &str) -> bool {
        self.states.get(qualified) == Some(&State::Configured)
    }

    /// Whether a package, by its qualified name, is there: unpacked or configured.
    pub(crate) fn is_there(&self, qualified: &str) -> bool {
        let state = self.states.get(qualified);
        matches!(state, Some(State::Unpacked | State::Configured))
    }

    /// The qualified names of the packages that are removed but for their conffiles, in order.
    pub(crate) fn removed(&self) -> Vec<&str> {
        let mut removed = Vec::new();
        for (qualified, state) in &self.states {
            if *state == State::ConfigFiles {
                removed.push(qualified.as_str());
            }
        }
        removed.sort_unstable();
        removed
    }

    /// The stanzas of the packages that are there.
    pub(crate) fn stanzas_there(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.text);
        let is_there = |stanza: &&str| {
            let found = name_and_state(stanza);
            found.is_some_and(|(_, state)| state != State::ConfigFiles)
        };
        text.split("\n\n")
            .filter(is_there)
            .map(str::to_owned)
            .collect()
    }

    /// The stanzas, for comparisons.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.text);
        let stanzas = text.split("\n\n").map(str::trim);
        stanzas
            .filter(|stanza| !stanza.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Adds a package's stanza, or the text of several.
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

    /// Marks a conffile of a package as obsolete: another package has taken it over.
    pub(crate) fn mark_obsolete(&mut self, qualified: &str, conffile: &RootPath) {
        if let Some(words) = self.conffile(qualified, conffile) {
            self.text.splice(words.end..words.end, *b" obsolete");
        }
    }

    /// What the database has as the digest of a package's conffile: the MD5, or `newconffile`. Not
    /// when it is the package's no longer.
    pub(crate) fn conffile_digest(&self, qualified: &str, conffile: &RootPath) -> Option<String> {
        let words =
            String::from_utf8_lossy(&self.text[self.conffile(qualified, conffile)?]).into_owned();
        (!words.ends_with(" obsolete"))
            .then(|| words.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Where in the text the words behind a conffile's path are.
    fn conffile(&self, qualified: &str, conffile: &RootPath) -> Option<Range<usize>> {
        let stanza = self.stanza_of(qualified)?;
        let start = [b"\n /", conffile.as_bytes(), b" "].concat();
        let line = stanza.start + memchr::memmem::find(&self.text[stanza], &start)? + start.len();
        let end = memchr::memchr(b'\n', &self.text[line..]).map_or(self.text.len(), |n| line + n);
        Some(line..end)
    }

    /// Takes a package's stanza away.
    pub(crate) fn remove(&mut self, qualified: &str) {
        if let Some(stanza) = self.stanza_of(qualified) {
            self.text.drain(stanza);
        }
        self.states.remove(qualified);
    }

    /// Where in the text a package's stanza is, the blank line behind it included.
    fn stanza_of(&self, qualified: &str) -> Option<Range<usize>> {
        for range in Ranges::new(&self.text) {
            let stanza = String::from_utf8_lossy(&self.text[range.clone()]);
            let is_named = PackageFields::read(&stanza).is_some_and(|fields| {
                let name = fields.get(Field::Package);
                match qualified.split_once(':') {
                    None => name == qualified,
                    Some(both) => (name, fields.get(Field::Architecture)) == both,
                }
            });
            if is_named {
                let end = (range.end + 1).min(self.text.len());
                return Some(range.start..end);
            }
        }
        None
    }

    /// Writes the file, with one more stanza than there is for the package whose preinst is about
    /// to run.
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

/// The qualified name of a stanza's package, and its state.
fn name_and_state(stanza: &str) -> Option<(String, State)> {
    let (mut name, mut architecture, mut same, mut state) = ("", "", false, None);
    for (field, value) in fields(stanza) {
        match field {
            "Package" => name = value,
            "Architecture" => architecture = value,
            "Multi-Arch" => same = value == "same",
            "Status" => {
                state = match value.rsplit(' ').next() {
                    Some("installed" | "triggers-pending" | "triggers-awaited") => {
                        Some(State::Configured)
                    }
                    Some("config-files") => Some(State::ConfigFiles),
                    Some("not-installed") | None => None,
                    Some(_) => Some(State::Unpacked),
                };
            }
            _ => {}
        }
    }
    Some((
        if same {
            format!("{name}:{architecture}")
        } else {
            name.to_owned()
        },
        state?,
    ))
}

/// Fields that only the database has; a control file that brings them is not believed.
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

/// The stanza of a package whose preinst runs: dpkg knows no more than this of it then.
pub(crate) fn half_installed_stanza(control: &str) -> String {
    let of = |wanted: &str| {
        fields(control)
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let mut stanza = String::new();
    for name in [
        "Package",
        "Status",
        "Priority",
        "Section",
        "Architecture",
        "Multi-Arch",
        "Version",
    ] {
        let value = if name == "Status" {
            Some("install reinstreq half-installed")
        } else {
            of(name)
        };
        if let Some(value) = value {
            push_field(&mut stanza, name, value);
        }
    }
    stanza
}

fn push_field(stanza: &mut String, name: &str, value: &str) {
    stanza.push_str(name);
    stanza.push_str(if value.starts_with('\n') { ":" } else { ": " });
    stanza.push_str(value);
    stanza.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: &str = "Package: a\nConfig-Version: 1\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nSection: x\nStatus: no\n\
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
            "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nSection: x\n\
             Description: a\n b\n .\n c\nConffiles:\n /etc/a newconffile\n /etc/b 0123\n /etc/c newconffile remove-on-upgrade\n"
        );
        assert_eq!(
            half_installed_stanza(CONTROL),
            "Package: a\nStatus: install reinstreq half-installed\nSection: x\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n"
        );
    }

    #[test]
    fn stanzas_are_added_to_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known("var/lib/dpkg"))
            .unwrap();
        let there = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok triggers-pending\nMulti-Arch: same\n\
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
