//! Sources and keys that are in the tree before its packages: the given ones, as setup hooks left
//! them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::super::Error;
use super::super::request::{SourceOptions, SourceText};
use crate::tree::rootfs::{RootPath, Rootfs};

/// The options with the sources that the tree's apt would read, and its keys.
pub(in crate::run) fn in_tree(
    options: &SourceOptions,
    given: &[SourceText],
    root: &Rootfs,
) -> Result<SourceOptions, Error> {
    let mut texts = Vec::new();
    texts.extend(text(root, &RootPath::known("etc/apt/sources.list"))?);
    for path in files(root, "etc/apt/sources.list.d", &["list", "sources"])? {
        texts.extend(text(root, &path)?);
    }
    let mut options = options.clone();
    for path in files(root, "etc/apt/trusted.gpg.d", &["gpg", "asc"])? {
        let below = OsStr::from_bytes(path.as_bytes());
        options.further_keyrings.push(root.path().join(below));
    }
    // Without any, the hooks have left the choice of sources alone.
    options.only = Some(match texts.is_empty() {
        true => given.to_vec(),
        false => texts,
    });
    Ok(options)
}

fn text(root: &Rootfs, path: &RootPath) -> Result<Option<SourceText>, Error> {
    let content = root.read(path)?;
    Ok(content.map(|content| SourceText {
        name: path.to_string(),
        text: String::from_utf8_lossy(&content).into_owned(),
    }))
}

/// The files of a directory with these extensions, by name.
fn files(
    root: &Rootfs,
    directory: &'static str,
    extensions: &[&str],
) -> Result<Vec<RootPath>, Error> {
    let directory = RootPath::known(directory);
    let mut found = Vec::new();
    if !root.is_directory(&directory)? {
        return Ok(found);
    }
    let mut names = root.names(&directory)?;
    names.sort();
    for name in names {
        let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        if extensions.iter().any(|known| known.as_bytes() == extension) {
            found.push(directory.entry(&name));
        }
    }
    Ok(found)
}
