//! The files that apt would have written into the tree: sources, preferences, extended_states, and the owner of its `partial`
//! directories.
//!
//! What the sources and preferences say is rendered by `archive`.

use std::fmt::Write as _;

use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// Where the pins of the tree's sources are written; apt reads the files that end in `.pref`.
const PREFERENCES: &str = "etc/apt/preferences.d/pinned-sources.pref";

/// Writes a file of sources; `path` is relative to the tree.
pub(crate) fn write_sources(root: &Rootfs, path: &RootPath, text: &str) -> Result<(), Error> {
    root.make_directories(&path.parent())?;
    root.write(path, text.as_bytes(), 0o644)
}

/// Writes the preferences, if any.
pub(crate) fn write_preferences(root: &Rootfs, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let path = RootPath::known(PREFERENCES);
    root.make_directories(&path.parent())?;
    root.write(&path, text.as_bytes(), 0o644)
}

/// Writes /var/lib/apt/extended_states, which lists the names and architectures of the automatically installed packages. apt
/// writes it, even empty, when it first installs a package.
pub(crate) fn write_extended_states(
    root: &Rootfs,
    automatic: &[(String, String)],
) -> Result<(), Error> {
    let mut text = String::new();
    for (name, architecture) in automatic {
        let _ = write!(
            text,
            "Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
        );
    }
    let path = RootPath::known("var/lib/apt/extended_states");
    root.make_directories(&path.parent())?;
    root.write(&path, text.as_bytes(), 0o644)
}

/// Gives the `partial` directories to apt's user `_apt`, with mode 0700, as apt does when it first runs. Skips those whose
/// parent the tree does not have.
pub(crate) fn own_partial_directories(root: &Rootfs, uid: u32) -> Result<(), Error> {
    for above in ["var/lib/apt/lists", "var/cache/apt/archives"] {
        let above = RootPath::known(above);
        if root.is_directory(&above) {
            let partial = above.join(&RootPath::known("partial"));
            root.make_directory(&partial, 0o700)?;
            root.set_owner_and_mode(&partial, uid, 0, Some(0o700))?;
        }
    }
    Ok(())
}
