//! The extended attributes of files and directories that belong to a tree.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use crate::formats::deb::ExtendedAttribute;
use crate::mark;

/// The name of the directory and of the file that are made to probe a file system.
const PROBE: &str = "attributes";
/// What a file system may keep for files.
const OF_FILES: [(&str, &[u8]); 3] = [
    ("security.capability", &CAPABILITY),
    ("system.posix_acl_access", &ACL),
    ("user.rbootstrap.probe", b"x"),
];
/// What it may keep for directories.
const OF_DIRECTORIES: [(&str, &[u8]); 3] = [
    ("system.posix_acl_access", &ACL),
    ("system.posix_acl_default", &ACL),
    ("user.rbootstrap.probe", b"x"),
];
/// `vfs_cap_data` of linux/capability.h: revision 2, CAP_NET_BIND_SERVICE permitted.
const CAPABILITY: [u8; 20] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// linux/posix_acl_xattr.h: version 2, then tag, permissions and id of each entry. The entry of a
/// user makes it more than a mode.
const ACL: [u8; 44] = [
    2, 0, 0, 0, // version
    1, 0, 6, 0, 255, 255, 255, 255, // the owner
    2, 0, 4, 0, 0, 0, 0, 0, // root
    4, 0, 4, 0, 255, 255, 255, 255, // the group
    16, 0, 4, 0, 255, 255, 255, 255, // the mask
    32, 0, 0, 0, 255, 255, 255, 255, // others
];

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

/// Which attributes that belong to a tree the file system of a directory keeps, sorted: `file
/// security.capability`, … Tries them on what it makes in the directory, and removes that.
pub(crate) fn kept_attributes(directory: impl AsFd) -> Result<Vec<String>, Errno> {
    rustix::fs::mkdirat(&directory, PROBE, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let below = rustix::fs::openat(&directory, PROBE, flags, Mode::empty())?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&below, PROBE, flags, Mode::RUSR | Mode::WUSR)?;
    let mut kept = Vec::new();
    for (kind, opened, tried) in [
        ("directory", &below, OF_DIRECTORIES),
        ("file", &file, OF_FILES),
    ] {
        for (name, value) in tried {
            // What is refused is not listed then.
            let _ = rustix::fs::fsetxattr(opened, name, value, XattrFlags::empty());
        }
        for attribute in attributes(opened)? {
            kept.push(shown(kind, &attribute.name));
        }
    }
    rustix::fs::unlinkat(&below, PROBE, AtFlags::empty())?;
    rustix::fs::unlinkat(&directory, PROBE, AtFlags::REMOVEDIR)?;
    Ok(kept)
}

/// What [`kept_attributes`] gives for a file system that keeps all.
pub(crate) fn all_attributes() -> Vec<String> {
    let mut all = Vec::new();
    for (name, _) in OF_DIRECTORIES {
        all.push(shown("directory", name.as_bytes()));
    }
    for (name, _) in OF_FILES {
        all.push(shown("file", name.as_bytes()));
    }
    all
}

fn shown(kind: &str, name: &[u8]) -> String {
    format!("{kind} {}", String::from_utf8_lossy(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_file_system_keeps_what_can_be_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let opened = std::fs::File::open(directory.path()).unwrap();
        let kept = kept_attributes(&opened).unwrap();
        let all = all_attributes();
        assert!(kept.iter().all(|name| all.contains(name)), "{kept:?}");
        assert!(
            kept.iter().any(|name| name.starts_with("file ")),
            "{kept:?}"
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
