//! Reads mirror lists (apt-transport-mirror(1)), which `mirror+file:` and `mirror+copy:` URIs name.
//!
//! A list is read on the host. Its mirrors are tried in the order of their priorities; those of
//! equal priority keep the order of the list, where apt shuffles them.

use std::path::Path;

use super::{BadSource, SourceEntry, is_writable, read_limited};
use crate::bounded;
use crate::formats::compress::{Compression, Integrity, decoder};
use crate::store;

/// How URIs begin that name a list.
const LOCAL: [&str; 2] = ["mirror+file:", "mirror+copy:"];
const REMOTE: [&str; 3] = ["mirror:", "mirror+http:", "mirror+https:"];

/// The largest list, decoded, in bytes.
const LIST_LIMIT: u64 = 1 << 20;

/// What apt reads from a mirror.
const TYPES: [&str; 2] = ["index", "deb"];

/// A line of a list.
#[derive(Debug, PartialEq, Eq)]
struct Mirror<'t> {
    uri: &'t str,
    /// The lowest is tried first.
    priority: u64,
    /// What it serves, by the kind of limit: `arch`, `type`, …
    limits: Vec<(&'t str, &'t str)>,
}

/// The URIs that an entry with this URI is fetched from, the best first: its own, or those of the
/// list that it names, which is read below `root`. `architectures` are what is read from it.
///
/// Mirrors that do not serve everything that the entry reads come last.
pub(super) fn uris(
    entry: &SourceEntry,
    uri: &str,
    architectures: &[String],
    root: &Path,
) -> Result<Vec<String>, BadSource> {
    if REMOTE.iter().any(|scheme| uri.starts_with(scheme)) {
        return Err(BadSource::RemoteMirrorList {
            uri: uri.to_owned(),
        });
    }
    let Some(path) = LOCAL.iter().find_map(|scheme| uri.strip_prefix(scheme)) else {
        store::check_url(uri).map_err(|fault| BadSource::Uri {
            entry: entry.shown(),
            fault,
        })?;
        return Ok(vec![uri.to_owned()]);
    };
    let path = Path::new("/").join(path.trim_start_matches('/'));
    let text = read_list(&root.join(path.strip_prefix("/").unwrap_or(&path)))?;
    let mut mirrors = parse(&text);
    mirrors.retain(|mirror| is_fetched(mirror.uri));
    if mirrors.is_empty() {
        return Err(BadSource::NoMirror { path });
    }
    mirrors.sort_by_key(|mirror| (!mirror.serves(entry, architectures), mirror.priority));
    Ok(mirrors.iter().map(|mirror| mirror.uri.to_owned()).collect())
}

/// Whether a URI can be fetched without apt, unlike `cdrom:` and `tor+http:`, and written to the
/// tree's sources.
pub(super) fn is_fetched(uri: &str) -> bool {
    is_writable(uri) && store::check_url(uri).is_ok()
}

impl Mirror<'_> {
    /// Whether everything that an entry reads is within the limits.
    fn serves(&self, entry: &SourceEntry, architectures: &[String]) -> bool {
        // A source may name either.
        let is_of_suite = self.has(&["suite", "codename"], &[entry.suite.as_str()]);
        is_of_suite
            && self.has(&["type"], &TYPES)
            && self.has(&["component"], &entry.components)
            && self.has(&["arch"], architectures)
    }

    /// Whether these values are all within the limits of some kinds. Without one of them they are.
    fn has(&self, kinds: &[&str], values: &[impl AsRef<str>]) -> bool {
        let mut allowed = Vec::new();
        for (kind, value) in &self.limits {
            if kinds.contains(kind) {
                allowed.push(*value);
            }
        }
        allowed.is_empty() || values.iter().all(|value| allowed.contains(&value.as_ref()))
    }
}

/// Reads a list, compressed as the ending of its name says.
fn read_list(path: &Path) -> Result<String, BadSource> {
    let content = read_limited(path)?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let compression = extension.and_then(Compression::from_extension);
    let compression = compression.unwrap_or(Compression::None);
    let decoded = decoder(compression, &content[..], Integrity::Unknown)
        .and_then(|decoded| bounded::read(decoded, LIST_LIMIT));
    let decoded = decoded.map_err(|source| BadSource::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let decoded = decoded.ok_or_else(|| BadSource::TooLarge {
        path: path.to_owned(),
        limit: LIST_LIMIT,
    })?;
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

/// The mirrors of a list, in its order.
fn parse(text: &str) -> Vec<Mirror<'_>> {
    let mut mirrors = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (uri, metadata) = line.split_once('\t').unwrap_or((line, ""));
        let mut mirror = Mirror {
            uri,
            priority: u64::MAX,
            limits: Vec::new(),
        };
        for word in metadata.split_ascii_whitespace() {
            match word.split_once(':') {
                Some(("priority", value)) => mirror.priority = value.parse().unwrap_or(u64::MAX),
                Some(limit) => mirror.limits.push(limit),
                None => {}
            }
        }
        mirrors.push(mirror);
    }
    mirrors
}
