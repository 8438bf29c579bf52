//! Why an entry could not be placed: the tree is at fault, or the package contradicts itself.
//!
//! Found out only after a failure, so that sound packages cost nothing.

use rustix::io::Errno;

use crate::dpkg::staging::{Node, Staged};
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::{self, BadPath};

/// The error for an entry that could not be placed.
pub(super) fn entry_error(staged: &Staged, node: &Node, source: rootfs::Error) -> Error {
    let package = staged.package.name.clone();
    let path = node.path.clone();
    match Errno::from_io_error(&source.source) {
        // Such as a conffile's, with what dpkg appends to it.
        Some(Errno::NAMETOOLONG) => {
            let path = path.to_string();
            let source = BadPath { path };
            return Error::Path { package, source };
        }
        Some(
            Errno::NOTDIR
            | Errno::ISDIR
            | Errno::EXIST
            | Errno::NOENT
            | Errno::NOTEMPTY
            | Errno::LOOP,
        ) => {}
        _ => return Error::tree(&package, source),
    }
    let mut nodes = staged.nodes.iter();
    match nodes.find(|other| contradicts(other, node)) {
        Some(other) => Error::Contradiction {
            other: other.path.clone(),
            package,
            path,
            source: Box::new(source),
        },
        None => Error::tree(&package, source),
    }
}

/// The error for a hard link that could not be made.
pub(super) fn hard_link_error(staged: &Staged, node: &Node, source: rootfs::Error) -> Error {
    let package = staged.package.name.clone();
    let target = match node.link_target(&package) {
        Ok(target) => target,
        Err(error) => return error,
    };
    match Errno::from_io_error(&source.source) {
        // Linux answers EPERM for a hard link to a directory.
        Some(Errno::NOENT | Errno::PERM | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
            Error::HardLink {
                path: node.path.clone(),
                package,
                target,
                source: Box::new(source),
            }
        }
        _ => entry_error(staged, node, source),
    }
}

/// Whether two entries of a package cannot both be: one is below the other, which is no directory,
/// or at the same path only one of them is a directory.
fn contradicts(other: &Node, node: &Node) -> bool {
    let is_directory = other.entry.kind == Kind::Directory;
    if other.path == node.path {
        return is_directory != (node.entry.kind == Kind::Directory);
    }
    if !is_directory && node.path.is_within(&other.path) {
        return true;
    }
    node.entry.kind != Kind::Directory && other.path.is_within(&node.path)
}
