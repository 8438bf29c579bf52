//! The names of the files that an image consists of. No two files of a table have one name.
//!
//! In which directory they are is left to `cli`.

use std::collections::BTreeMap;

use super::{BadTable, ImageEntry};

/// The files of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileNames {
    pub(crate) image: String,
    pub(crate) lock: String,
    pub(crate) manifest: String,
    pub(crate) sboms: Vec<String>,
    /// Of an image that is pushed.
    pub(crate) refs: Option<String>,
    pub(crate) checksums: String,
}

impl ImageEntry {
    pub(crate) fn file_names(&self) -> FileNames {
        let name = |ending: &str| format!("{}.{ending}", self.name);
        let is_pushed = self.options.iter().any(|option| option.name == "push");
        FileNames {
            image: name(&self.ending),
            lock: name("lock"),
            manifest: name("manifest.json"),
            sboms: self.sboms.iter().map(|ending| name(ending)).collect(),
            refs: is_pushed.then(|| name("refs")),
            checksums: name("sha256"),
        }
    }
}

/// Fails if two files of the images have one name.
pub(super) fn require_distinct(entries: &[ImageEntry]) -> Result<(), BadTable> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries {
        let names = entry.file_names();
        let mut all = vec![names.image, names.lock, names.manifest, names.checksums];
        all.extend(names.sboms);
        all.extend(names.refs);
        for file in all {
            let second = entry.name.clone();
            match owners.insert(file.clone(), &entry.name) {
                None => {}
                Some(first) if first == second => {
                    return Err(BadTable::FileTwice { name: second, file });
                }
                Some(first) => {
                    return Err(BadTable::SameFile {
                        first: first.to_owned(),
                        second,
                        file,
                    });
                }
            }
        }
    }
    Ok(())
}
