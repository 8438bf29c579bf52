//! apt's share of the database: which packages came in by themselves, and the directories that apt drops its rights for.

use std::fmt::Write as _;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, Masters, Users};

/// Writes /var/lib/apt/extended_states: the name and architecture of each package that nobody asked for, if any. apt writes it when it
/// first installs something.
pub(crate) fn extended_states(root: &Rootfs, automatic: &[(String, String)]) -> Result<(), Error> {
    let mut text = String::new();
    for (name, architecture) in automatic {
        let _ = write!(
            text,
            "Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
        );
    }
    root.make_directories(&RootPath::known("var/lib/apt"))?;
    Ok(root.write(
        &RootPath::known("var/lib/apt/extended_states"),
        text.as_bytes(),
        0o644,
    )?)
}

/// Gives the `partial` directories to apt's user, as apt does when it first runs: mode 0700, owner `_apt`. Without that user, or
/// without apt's directories, nothing is done.
pub(crate) fn own_apt_directories(root: &Rootfs) -> Result<(), Error> {
    let users = Users::read(root, &Masters::default())?;
    let Some(uid) = users.user("_apt") else {
        return Ok(());
    };
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
