//! The mirrors that the host itself uses, from its own apt sources.

use std::fs;
use std::path::Path;

use super::{SignedBy, SourceEntry, mirror_list, read_file, read_limited};
use crate::archive::Expiry;
use crate::formats::suite::Pocket;

/// The mirrors that the host itself uses, by archive, in the order of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostMirrors {
    /// Mirrors of the archive with releases and updates.
    pub(crate) main: Vec<String>,
    /// Mirrors of the archive with security updates.
    pub(crate) security: Vec<String>,
}

/// The mirrors that the system below `root` uses if it is of `distribution` (the ID in os-release).
/// Files that cannot be read count as absent: the suite's own mirrors remain. `suites` are the
/// distribution's codenames and their aliases.
pub(crate) fn host_mirrors(root: &Path, distribution: &str, suites: &[&str]) -> HostMirrors {
    let mut mirrors = HostMirrors::default();
    if host_distribution(root).as_deref() != Some(distribution) {
        return mirrors;
    }
    for entry in host_entries(root) {
        let (suite, pocket) = match entry.suite.split_once(['-', '/']) {
            Some(parts) => parts,
            None => (entry.suite.as_str(), ""),
        };
        let list = match pocket {
            "security" => &mut mirrors.security,
            "updates" if entry.suite.contains('/') => &mut mirrors.security,
            "" | "updates" => &mut mirrors.main,
            _ => continue,
        };
        if !suites.contains(&suite) {
            continue;
        }
        for uri in mirror_list::uris(&entry, &entry.uri, &[], root).unwrap_or_default() {
            let uri = uri.trim_end_matches('/').to_owned();
            let is_new = mirror_list::is_fetched(&uri) && !list.contains(&uri);
            if is_new && entry.is_of_archive(&uri, distribution) {
                list.push(uri);
            }
        }
    }
    mirrors
}

impl HostMirrors {
    /// Puts the host's mirror of a pocket's archive before the pocket's own and returns it; `None`
    /// if the host has none. The caller ensures that the suite is of the host's distribution, not
    /// past its end of life, and that the mirror has the architecture
    /// ([`Suite::shares_mirrors`](crate::formats::suite::Suite::shares_mirrors)).
    pub(crate) fn prefer(&self, pocket: &mut Pocket) -> Option<String> {
        let list = if pocket.archive == "security" {
            &self.security
        } else {
            &self.main
        };
        let mirror = list.first()?.clone();
        pocket.uris.retain(|uri| *uri != mirror);
        pocket.uris.insert(0, mirror.clone());
        Some(mirror)
    }
}

impl SourceEntry {
    /// Whether a mirror of a host's entry has the distribution's own archive, and not a third party's with the
    /// same suite names: the distribution's keyring must sign it, or it names no keyring and its
    /// URI ends like those of the mirrors. An entry with an unchecked expiry is a snapshot and not
    /// a mirror.
    fn is_of_archive(&self, uri: &str, distribution: &str) -> bool {
        let is_own = match &self.signed_by {
            Some(SignedBy::Keys { files, .. }) => {
                let prefix = format!("{distribution}-archive-");
                !files.is_empty()
                    && files
                        .iter()
                        .all(|path| file_name(path).starts_with(&prefix))
            }
            Some(_) => false,
            None => {
                let last = uri.trim_end_matches('/').rsplit('/').next();
                last.unwrap_or_default().starts_with(distribution)
            }
        };
        is_own
            && !self.trusted
            && self.expiry == Expiry::Check
            && self.components.iter().any(|component| component == "main")
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The ID in os-release.
fn host_distribution(root: &Path) -> Option<String> {
    let file = match read_limited(&root.join("etc/os-release")) {
        Ok(file) => file,
        Err(_) => read_limited(&root.join("usr/lib/os-release")).ok()?,
    };
    let text = String::from_utf8_lossy(&file);
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    Some(id.trim().trim_matches(['"', '\'']).to_owned())
}

/// The entries of sources.list, and of the files in sources.list.d in the order of their names.
fn host_entries(root: &Path) -> Vec<SourceEntry> {
    let apt = root.join("etc/apt");
    let mut files = Vec::new();
    if let Ok(directory) = fs::read_dir(apt.join("sources.list.d")) {
        for file in directory.flatten() {
            let path = file.path();
            let extension = path.extension().unwrap_or_default();
            if extension == "list" || extension == "sources" {
                files.push(path);
            }
        }
    }
    files.sort();
    files.insert(0, apt.join("sources.list"));
    let mut entries = Vec::new();
    for file in files {
        entries.extend(read_file(&file).unwrap_or_default());
    }
    entries
}
