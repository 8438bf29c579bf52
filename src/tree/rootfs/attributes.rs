//! The extended attributes of files and directories that belong to a tree.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::mark;

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedAttribute {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// The attributes of an open file or directory that belong to the tree, sorted by name.
pub(crate) fn attributes(opened: impl AsFd) -> Result<Vec<ExtendedAttribute>, Errno> {
    let mut names = match whole(|room| rustix::fs::flistxattr(&opened, room)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    if names.is_empty() {
        return Ok(Vec::new());
    }
    names.pop();
    let mut names: Vec<&[u8]> = names
        .split(|&b| b == 0)
        .filter(|name| belongs_to_tree(name))
        .collect();
    names.sort_unstable();
    let mut attributes = Vec::new();
    for name in names {
        let read = |room: &mut [u8]| rustix::fs::fgetxattr(&opened, OsStr::from_bytes(name), room);
        attributes.push(ExtendedAttribute {
            name: name.to_vec(),
            value: whole(read)?,
        });
    }
    Ok(attributes)
}

/// Sets attributes of an open file or directory.
pub(crate) fn set_attributes(
    opened: impl AsFd,
    attributes: &[ExtendedAttribute],
) -> Result<(), Errno> {
    for ExtendedAttribute { name, value } in attributes {
        let name = OsStr::from_bytes(name);
        rustix::fs::fsetxattr(&opened, name, value, XattrFlags::empty())?;
    }
    Ok(())
}

/// Whether an attribute belongs to the tree. The others belong to the host: labels of its security
/// modules (selinux, ima, …), data of its file systems (trusted), and the mark of the run.
fn belongs_to_tree(name: &[u8]) -> bool {
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => name.starts_with(b"user.") && name != mark::USER.as_bytes(),
    }
}

/// Calls `call` with a buffer that is large enough. The kernel limits attributes to 64 KiB.
fn whole(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 256];
    loop {
        match call(&mut bytes) {
            Ok(length) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Err(Errno::RANGE) if bytes.len() < 64 << 10 => bytes.resize(64 << 10, 0),
            Err(e) => return Err(e),
        }
    }
}
