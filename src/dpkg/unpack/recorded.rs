//! The directory /var/lib/dpkg/status.d: which packages a tree without dpkg has, for scanners.
//!
//! A package has a file with its control stanza and one with the digests of its files, as in the
//! images of the distroless project.

use super::super::register::digests;
use super::super::staging::Staged;
use super::Error;
use crate::tree::rootfs::{RootPath, Rootfs};

const DIRECTORY: &str = "var/lib/dpkg/status.d";

/// The directory of the locales.
const LOCALES: &[u8] = b"usr/lib/locale";

/// Records a package that is placed.
pub(super) fn record(root: &Rootfs, staged: &Staged) -> Result<(), Error> {
    let directory = RootPath::known(DIRECTORY);
    root.make_directories(&directory)?;
    let mut name = staged.package.name.clone();
    // Another architecture of the package has its plain name.
    if root.exists(&directory.entry(name.as_bytes()))? {
        name = format!("{name}:{}", staged.package.architecture);
    }
    let stanza = format!("{}\n", staged.stanza.trim_end());
    root.write(&directory.entry(name.as_bytes()), stanza.as_bytes(), 0o644)?;
    let member = staged.members.iter().find(|one| one.name == "md5sums");
    let digests = match member {
        Some(member) => member.content.to_vec(),
        None => digests(staged),
    };
    let path = directory.entry(format!("{name}.md5sums").as_bytes());
    Ok(root.write(&path, &digests, 0o644)?)
}

/// Leaves out everything of a package except its locales and its copyright file.
pub(super) fn leave_out_all_but_locales(staged: &mut Staged) {
    let copyright = format!("usr/share/doc/{}/copyright", staged.package.name);
    for node in &mut staged.nodes {
        let path = node.path.as_bytes();
        let is_kept = is_on_the_way(path, LOCALES)
            || is_on_the_way(path, copyright.as_bytes())
            || is_below(path, LOCALES);
        node.left_out |= !is_kept;
    }
}

/// Whether a path is `place` or one of its parent directories.
fn is_on_the_way(path: &[u8], place: &[u8]) -> bool {
    path == place || is_below(place, path)
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.starts_with(b"/"))
}
