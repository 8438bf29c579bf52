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
const LOCALES: &str = "usr/lib/locale";
/// The directory of the packages' documents.
const DOCUMENTS: &str = "usr/share/doc";

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
    let locales = RootPath::known(LOCALES);
    let documents = RootPath::known(DOCUMENTS).entry(staged.package.name.as_bytes());
    let copyright = documents.entry(b"copyright");
    for node in &mut staged.nodes {
        let path = &node.path;
        // The directories above them, too.
        let leads_there = locales.is_within(path) || copyright.is_within(path);
        node.left_out |= !(leads_there || path.is_within(&locales));
    }
}
