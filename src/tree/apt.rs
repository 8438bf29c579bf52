//! The files that apt would have written into the tree: sources, preferences, extended_states, and
//! the owner of its `partial` directories.
//!
//! What the sources and preferences say is rendered by `archive`.

use std::fmt::Write as _;
use std::fs::File;

use rustix::fs::FileType;

use crate::formats::package_key::PackageKey;
use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// Where the pins of the tree's sources are written; apt reads the files that end in `.pref`.
const PREFERENCES: &str = "etc/apt/preferences.d/pinned-sources.pref";

/// Where apt keeps .debs.
const ARCHIVES: &str = "var/cache/apt/archives";

/// Where apt keeps files of a mirror that are no indexes.
pub(super) const AUXFILES: &str = "var/lib/apt/lists/auxfiles";

/// A file of apt's in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AptFile {
    pub(crate) path: RootPath,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

impl AptFile {
    /// Writes the file into the tree.
    pub(crate) fn write(&self, root: &Rootfs) -> Result<(), Error> {
        root.make_directories(&self.path.parent())?;
        root.write(&self.path, &self.content, self.mode)
    }
}

/// The file that holds apt's preferences; none where they are empty.
pub(crate) fn preferences_file(text: &str) -> Option<AptFile> {
    if text.is_empty() {
        return None;
    }
    Some(AptFile {
        path: RootPath::known(PREFERENCES),
        content: text.as_bytes().to_vec(),
        mode: 0o644,
    })
}

/// A package that apt records as installed automatically. apt counts what is for all architectures
/// as native.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Automatic {
    pub(crate) name: String,
    pub(crate) architecture: String,
}

/// Writes /var/lib/apt/extended_states, which lists the names and architectures of the
/// automatically installed packages. apt writes it, even empty, when it first installs a package.
pub(crate) fn write_extended_states(root: &Rootfs, automatic: &[Automatic]) -> Result<(), Error> {
    let path = RootPath::known("var/lib/apt/extended_states");
    root.make_directories(&path.parent())?;
    root.write(&path, extended_states(automatic).as_bytes(), 0o644)
}

/// What apt's list of automatically installed packages says.
pub(crate) fn extended_states(automatic: &[Automatic]) -> String {
    let mut text = String::new();
    for Automatic { name, architecture } in automatic {
        let _ = write!(
            text,
            "Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
        );
    }
    text
}

/// Where apt keeps a package's .deb, as a path of the tree.
pub(crate) fn archive_path(key: &PackageKey) -> String {
    let version = key.version().as_str().replace(':', "%3a");
    let name = key.name();
    let architecture = key.architecture();
    format!("/{ARCHIVES}/{name}_{version}_{architecture}.deb")
}

/// Puts a .deb where apt keeps it.
pub(crate) fn write_archive(root: &Rootfs, key: &PackageKey, deb: &mut File) -> Result<(), Error> {
    let path = RootPath::known(ARCHIVES);
    root.make_directories(&path)?;
    let name = archive_path(key);
    let name = name.rsplit('/').next().unwrap_or_default();
    root.write_from(&path.entry(name.as_bytes()), deb, 0o644)
}

/// Gives the `partial` directories to apt's user `_apt`, with mode 0700, as apt does when it first
/// runs. Skips those whose parent the tree does not have. `auxfiles` is that user's, too, if it stays.
pub(crate) fn own_directories(root: &Rootfs, uid: u32, has_auxfiles: bool) -> Result<(), Error> {
    for above in ["var/lib/apt/lists", "var/cache/apt/archives"] {
        let above = RootPath::known(above);
        if root.is_directory(&above)? {
            let partial = above.join(&RootPath::known("partial"));
            root.make_directory(&partial, 0o700)?;
            own_directory(root, &partial, uid, 0o700)?;
        }
    }
    if has_auxfiles {
        let path = RootPath::known(AUXFILES);
        root.make_directories(&path)?;
        own_directory(root, &path, uid, 0o755)?;
    }
    Ok(())
}

/// Sets the owner and mode of a directory, but of nothing else that a script may have put in its
/// place.
fn own_directory(root: &Rootfs, path: &RootPath, uid: u32, mode: u32) -> Result<(), Error> {
    let Some(handle) = root.handle(path)? else {
        return Ok(());
    };
    if handle.kind() != FileType::Directory {
        return Ok(());
    }
    let set = handle.set_owner_and_mode(uid, 0, mode);
    set.map_err(|e| root.error(path, "set the owner and mode", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_partial_directory_that_is_a_symlink_is_left_alone() {
        let outside = tempfile::tempdir().unwrap();
        rustix::fs::chmod(outside.path(), 0o1777.into()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let name = outside.path().as_os_str().as_bytes();
        // The path exists in the tree too, so it is a directory as seen from there.
        root.make_directories(&RootPath::parse(name).unwrap())
            .unwrap();
        root.make_directories(&RootPath::known("var/lib/apt/lists"))
            .unwrap();
        root.symlink(name, &RootPath::known("var/lib/apt/lists/partial"))
            .unwrap();
        own_directories(&root, rustix::process::geteuid().as_raw(), false).unwrap();
        let mode = rustix::fs::stat(outside.path()).unwrap().st_mode;
        assert_eq!(mode & 0o7777, 0o1777);
    }
}
