//! The access control lists of the target directory.
//!
//! A default ACL, which a directory inherits from the one above it, takes the place of the umask
//! for everything that is created below: maintainer scripts would make files that only some users
//! can read, and every file would have an ACL that no package ships. A tree begins without.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

const NAMES: [&CStr; 2] = [c"system.posix_acl_access", c"system.posix_acl_default"];

/// The largest value of an extended attribute, in bytes (xattr(7)).
const VALUE_LIMIT: usize = 64 << 10;

/// The lists that a directory had.
#[derive(Debug, Default)]
pub(super) struct Acls(Vec<(&'static CStr, Vec<u8>)>);

impl Acls {
    /// Removes a directory's lists, and returns them.
    pub(super) fn take(directory: impl AsFd) -> Result<Acls, Errno> {
        let mut found = Acls::default();
        for name in NAMES {
            let mut value = vec![0; VALUE_LIMIT];
            match fgetxattr(&directory, name, &mut value[..]) {
                Ok(length) => value.truncate(length),
                // Not set, or a file system without ACLs.
                Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => continue,
                Err(e) => return Err(e),
            }
            fremovexattr(&directory, name)?;
            found.0.push((name, value));
        }
        Ok(found)
    }

    /// Gives a directory its lists back.
    pub(super) fn restore(&self, directory: impl AsFd) -> Result<(), Errno> {
        for (name, value) in &self.0 {
            fsetxattr(&directory, *name, value, XattrFlags::empty())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// `setfacl -d -m u:1000:rwx,o::---` as the kernel stores it: version 2, then tag, permissions
    /// and id of each entry (acl(5), linux/posix_acl_xattr.h).
    const DEFAULT: [u8; 44] = [
        2, 0, 0, 0, //
        1, 0, 7, 0, 255, 255, 255, 255, // the owner
        2, 0, 7, 0, 232, 3, 0, 0, // uid 1000
        4, 0, 5, 0, 255, 255, 255, 255, // the group
        16, 0, 7, 0, 255, 255, 255, 255, // the mask
        32, 0, 0, 0, 255, 255, 255, 255, // others
    ];

    /// As `DEFAULT`, with these permissions of uid 1000, the group, the mask and others.
    fn default_of(permissions: [u8; 4]) -> [u8; 44] {
        let mut acl = DEFAULT;
        for (entry, permission) in permissions.into_iter().enumerate() {
            acl[4 + 8 * (entry + 1) + 2] = permission;
        }
        acl
    }

    #[test]
    fn what_is_created_below_inherits_nothing() {
        let acls = [
            ("others have nothing", DEFAULT),
            ("others have all", default_of([7, 7, 7, 7])),
            ("only uid 1000 has anything", default_of([7, 0, 7, 0])),
            ("the mask takes all", default_of([7, 7, 0, 5])),
        ];
        for (name, acl) in acls {
            inherits_nothing(name, &acl);
        }
    }

    fn inherits_nothing(case: &str, acl: &[u8; 44]) {
        let directory = tempfile::tempdir().unwrap();
        let open = File::open(directory.path()).unwrap();
        let name = NAMES[1];
        fsetxattr(&open, name, acl, XattrFlags::empty()).unwrap();
        let taken = Acls::take(&open).unwrap();
        assert_eq!(taken.0, [(name, acl.to_vec())], "{case}");
        let below = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(directory.path())
            .unwrap();
        let mode = below.as_file().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o644, "{case}");
        let mut value = [0; 64];
        let inherited = fgetxattr(below.as_file(), NAMES[0], &mut value);
        assert_eq!(inherited, Err(Errno::NODATA), "{case}");
        taken.restore(&open).unwrap();
        let length = fgetxattr(&open, name, &mut value[..]).unwrap();
        assert_eq!(&value[..length], acl, "{case}");
    }
}
