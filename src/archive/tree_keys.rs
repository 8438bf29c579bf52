//! The keys that the tree's own apt needs: the Signed-By of each source in the tree, and the
//! keyrings that no package ships.
//!
//! A package of the distribution ships the distribution's keys. The user's own keys are written
//! unless the distribution's keys have signed the same release. A keyring that a source names is
//! written to the same path in the tree; or to /etc/apt/keyrings if an image has no such path, if
//! apt would not read the form of the keyring, or if keys at that path may sign every source. A
//! package that ships the path replaces the file.

use std::path::Path;
use std::sync::Arc;

use super::openpgp::{armored, binary};
use super::{Keyring, Source, Trust};
use crate::formats::suite::Suite;
use crate::store;

/// Where apt looks for keyrings that a system's operator adds.
const KEYRINGS: &str = "/etc/apt/keyrings";

/// Where apt looks for the keys that may sign any source.
const TRUSTED: &str = "/etc/apt/trusted.gpg.d";

/// The file that old versions of apt take such keys from.
const TRUSTED_FILE: &str = "/etc/apt/trusted.gpg";

/// Directories whose files stay in an image.
const LASTING: [&str; 4] = ["/etc/", "/usr/", "/opt/", "/srv/"];

/// The forms of keyrings that apt tells by the name: `.gpg` and `.pgp` are binary.
const ENDINGS: [&str; 3] = ["gpg", "pgp", "asc"];

/// Who may sign a source, here and in the tree.
#[derive(Clone, Debug)]
pub(crate) struct SourceKeys {
    pub(crate) trust: Trust,
    pub(crate) tree: TreeKeys,
    /// The distribution's keys, which the tree uses in place of the user's own if they have signed
    /// the same release.
    pub(crate) packaged: Option<Arc<PackagedKeys>>,
}

/// Keys that a package of the tree has.
#[derive(Debug)]
pub(crate) struct PackagedKeys {
    pub(super) keyring: Keyring,
    tree: TreeKeys,
}

/// What the tree's apt checks a source with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeKeys {
    pub(crate) signed_by: TreeSignedBy,
    /// The keyrings to write.
    pub(crate) files: Vec<KeyFile>,
}

/// The Signed-By of a source in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TreeSignedBy {
    /// None: any key that the tree's apt trusts.
    #[default]
    Any,
    /// Paths of keyrings, and fingerprints of keys in them.
    Keys(Vec<String>),
    /// An armored key.
    Inline(String),
}

/// A keyring in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFile {
    /// Absolute.
    pub(crate) path: String,
    pub(crate) content: Arc<[u8]>,
}

impl TreeKeys {
    /// The distribution's keys. Those of a user's suite file may not be in any package, and are
    /// written.
    pub(crate) fn of_suite(suite: &Suite) -> TreeKeys {
        let mut keys = TreeKeys::default();
        let mut paths = Vec::new();
        for keyring in &suite.keyrings {
            let mut path = keyring.tree_path.clone();
            if !suite.deb822_sources && !path.starts_with(TRUSTED) {
                path = format!("{TRUSTED}/{}.gpg", stem(Path::new(&path)));
            }
            if keyring.is_users() {
                keys.files.push(KeyFile::new(path.clone(), &keyring.bytes));
            }
            paths.push(path);
        }
        if suite.deb822_sources && !paths.is_empty() {
            keys.signed_by = TreeSignedBy::Keys(paths);
        }
        keys
    }

    /// The user's own keyrings, as one file. An apt of sources in lines may not know signed-by.
    pub(crate) fn own(suite: &Suite, contents: &[Vec<u8>]) -> TreeKeys {
        let mut all = Vec::new();
        for content in contents {
            all.extend(binary(content));
        }
        let name = match suite.distribution.as_str() {
            "" => &suite.codename,
            distribution => distribution,
        };
        let name = plain(name);
        match suite.deb822_sources {
            true => TreeKeys::of_files(vec![KeyFile::new(format!("{KEYRINGS}/{name}.gpg"), &all)]),
            false => TreeKeys {
                signed_by: TreeSignedBy::Any,
                files: vec![KeyFile::new(format!("{TRUSTED}/{name}.gpg"), &all)],
            },
        }
    }

    /// The same with fingerprints of the only keys that count, if any.
    pub(super) fn restricted(mut self, fingerprints: &[String]) -> TreeKeys {
        if let TreeSignedBy::Keys(words) = &mut self.signed_by {
            words.extend_from_slice(fingerprints);
        }
        self
    }

    /// A Signed-By of these keyrings.
    pub(super) fn of_files(files: Vec<KeyFile>) -> TreeKeys {
        let mut paths = Vec::new();
        for file in &files {
            paths.push(file.path.clone());
        }
        TreeKeys {
            signed_by: TreeSignedBy::Keys(paths),
            files,
        }
    }
}

impl KeyFile {
    /// A keyring in the form that apt expects of its name.
    fn new(path: String, content: &[u8]) -> KeyFile {
        let content = match path.ends_with(".asc") {
            true => armored(content),
            false => binary(content),
        };
        KeyFile {
            path,
            content: content.into(),
        }
    }

    /// A keyring that a source names by its path on the host.
    pub(super) fn named(path: &Path, content: &[u8]) -> KeyFile {
        let name = path.display().to_string();
        let ending = path.extension().unwrap_or_default();
        let stays = LASTING.iter().any(|above| name.starts_with(above))
            && !path.starts_with(TRUSTED)
            && path != Path::new(TRUSTED_FILE)
            && !name.split('/').any(|part| part == "..")
            && name.chars().all(is_plain_in_path);
        let is_known = ENDINGS.iter().any(|known| ending == *known);
        match (stays, is_known) {
            (true, true) => KeyFile::new(name, content),
            (false, true) => {
                let ending = ending.to_string_lossy();
                KeyFile::new(format!("{KEYRINGS}/{}.{ending}", stem(path)), content)
            }
            (_, false) => KeyFile::new(format!("{KEYRINGS}/{}.gpg", stem(path)), content),
        }
    }

    /// A keyring without a name of its own, of the archive at a URI.
    pub(super) fn of_archive(uri: &str, content: &[u8]) -> KeyFile {
        let host = super::preferences::host(uri);
        let name = match host {
            "" => "local".to_owned(),
            host => plain(host),
        };
        KeyFile::new(format!("{KEYRINGS}/{name}.gpg"), content)
    }
}

/// The packaged keys of a distribution, for a run with keys of the user's own.
pub(crate) fn packaged(suite: &Suite) -> Option<Arc<PackagedKeys>> {
    let mut files = Vec::new();
    for keyring in &suite.keyrings {
        files.push((keyring.name.as_str(), &*keyring.bytes));
    }
    let keyring = Keyring::parse(&files).ok().filter(|_| !files.is_empty())?;
    Some(Arc::new(PackagedKeys {
        keyring,
        tree: TreeKeys::of_suite(suite),
    }))
}

impl Source {
    /// The source as the tree has it. `by_packaged` says whether the keys of a package of the tree
    /// have signed its release.
    pub(crate) fn in_tree(&self, by_packaged: bool) -> Source {
        let packaged = self.packaged.as_ref().filter(|_| by_packaged);
        let keys = packaged.map_or(&self.tree_keys, |keys| &keys.tree);
        Source {
            tree_keys: keys.clone(),
            ..self.clone()
        }
    }
}

/// The keys of each source in the tree. All sources of one suite of an archive have the same
/// Signed-By, since apt refuses different ones. No two keyrings have the same path.
pub(super) fn settle(sources: &[Source], deb822: bool) -> Vec<TreeKeys> {
    let mut settled: Vec<TreeKeys> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let place = |other: &Source| (first_uri(other), other.suite.clone());
        let mut earlier = sources[..number].iter();
        if let Some(same) = earlier.position(|other| place(other) == place(source)) {
            settled.push(TreeKeys {
                signed_by: settled[same].signed_by.clone(),
                files: Vec::new(),
            });
            continue;
        }
        let mut keys = source.tree_keys.clone();
        if let TreeSignedBy::Inline(key) = &keys.signed_by
            && !deb822
        {
            let file = KeyFile::of_archive(&first_uri(source), key.as_bytes());
            keys = TreeKeys::of_files(vec![file]);
        }
        let mut taken: Vec<KeyFile> = Vec::new();
        for earlier in &settled {
            taken.extend_from_slice(&earlier.files);
        }
        keys.rename_taken(taken);
        settled.push(keys);
    }
    settled
}

impl TreeKeys {
    /// Gives a keyring another name if another one has its path.
    fn rename_taken(&mut self, mut taken: Vec<KeyFile>) {
        let mut from = 0;
        for file in &mut self.files {
            let wanted = file.path.clone();
            let (stem, ending) = wanted.rsplit_once('.').unwrap_or((&wanted, "gpg"));
            let mut number = 1;
            while taken
                .iter()
                .any(|other| other.path == file.path && other.content != file.content)
            {
                number += 1;
                file.path = format!("{stem}-{number}.{ending}");
            }
            // The words have the paths in the order of the files, and several may be the same.
            if let TreeSignedBy::Keys(words) = &mut self.signed_by
                && let Some(at) = words[from..].iter().position(|word| *word == wanted)
            {
                words[from + at].clone_from(&file.path);
                from += at + 1;
            }
            taken.push(file.clone());
        }
    }
}

/// The archive of a source, which a login does not change.
fn first_uri(source: &Source) -> String {
    let uri = source.uris.first().map_or("", String::as_str);
    store::public_mirror(uri)
}

/// The name of a keyring without its ending.
fn stem(path: &Path) -> String {
    plain(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// A name of characters that apt takes in the names of its files.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        let is_plain = c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        plain.push(if is_plain { c } else { '_' });
    }
    if plain.trim_matches('.').is_empty() {
        plain = "keys".to_owned();
    }
    plain
}

/// Whether apt's sources can hold a path with this character without quotes.
fn is_plain_in_path(c: char) -> bool {
    c.is_ascii_graphic() && !['#', '"', '%', '[', ']', ','].contains(&c)
}

#[cfg(test)]
mod tests;
