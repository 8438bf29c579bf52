//! A tree with every kind of file, odd names, owners, times and attributes, for tests that pack it.
//! Making it needs root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags, makedev, mknodat};

use crate::tree::rootfs::modified_at;

/// A kind of file with its content.
enum Make {
    Directory,
    File(Vec<u8>),
    Link(&'static str),
    Symlink(Vec<u8>),
    Fifo,
    Device(u32, u32),
    Block(u32, u32),
    Socket,
}

/// A path of the sample.
struct Planned {
    path: Vec<u8>,
    make: Make,
    owner: (u32, u32),
    mode: u32,
    modified: i64,
    attributes: Vec<(&'static str, Vec<u8>)>,
}

fn planned(path: impl AsRef<[u8]>, mode: u32, make: Make) -> Planned {
    Planned {
        path: path.as_ref().to_vec(),
        make,
        owner: (0, 0),
        mode,
        modified: 1_600_000_000,
        attributes: Vec::new(),
    }
}

/// Makes the sample in an empty directory. Some files are older than `epoch`, some newer.
///
/// Directories come first and hard links last; names come in order, or backwards, which an archive
/// must not show.
pub fn make(root: &Path, epoch: i64, backwards: bool) {
    let mut order = paths(epoch);
    if backwards {
        order.reverse();
    }
    order.sort_by_key(|planned| match planned.make {
        Make::Directory => planned.path.len(),
        Make::Link(_) => usize::MAX,
        _ => usize::MAX - 1,
    });
    for planned in &order {
        planned.create(root);
    }
    // Creating a file changes its directory's time, so those are set from the inside out.
    for planned in order.iter().rev() {
        planned.set_metadata(root);
    }
    for planned in order.iter().rev() {
        set_modified(&planned.full(root), planned.modified);
    }
    fs::set_permissions(root, PermissionsExt::from_mode(0o751)).unwrap();
    set_modified(root, 1_500_000_000);
}

fn set_modified(path: &Path, seconds: i64) {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(CWD, path, &modified_at(seconds), flags).unwrap();
}

impl Planned {
    fn full(&self, root: &Path) -> std::path::PathBuf {
        root.join(OsStr::from_bytes(&self.path))
    }

    fn create(&self, root: &Path) {
        let path = self.full(root);
        match &self.make {
            Make::Directory => fs::create_dir(path).unwrap(),
            Make::File(content) => fs::write(path, content).unwrap(),
            Make::Link(target) => fs::hard_link(root.join(target), path).unwrap(),
            Make::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Make::Socket => drop(UnixListener::bind(path).unwrap()),
            Make::Fifo => node(&path, FileType::Fifo, 0),
            Make::Device(major, minor) => {
                node(&path, FileType::CharacterDevice, makedev(*major, *minor));
            }
            Make::Block(major, minor) => {
                node(&path, FileType::BlockDevice, makedev(*major, *minor));
            }
        }
    }

    fn set_metadata(&self, root: &Path) {
        if matches!(self.make, Make::Link(_)) {
            return;
        }
        let path = self.full(root);
        lchown(&path, Some(self.owner.0), Some(self.owner.1)).unwrap();
        if !matches!(self.make, Make::Symlink(_)) {
            fs::set_permissions(&path, PermissionsExt::from_mode(self.mode)).unwrap();
        }
        for (name, value) in &self.attributes {
            rustix::fs::setxattr(&path, *name, value, XattrFlags::empty()).unwrap();
        }
    }
}

fn node(path: &Path, kind: FileType, device: u64) {
    mknodat(CWD, path, kind, Mode::empty(), device).unwrap();
}

/// `cap_net_raw=ep` as the kernel stores it (capability.h, vfs_cap_data revision 2).
fn capability() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x0200_0001_u32, 1 << 13, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// `user::rwx,user:33:r-x,group::r-x,mask::r-x,other::r-x` as the kernel stores it
/// (posix_acl_xattr.h).
fn access_list() -> Vec<u8> {
    let entries = [
        (1_u16, 7_u16, u32::MAX),
        (2, 5, 33),
        (4, 5, u32::MAX),
        (16, 5, u32::MAX),
        (32, 5, u32::MAX),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

/// Every path of the sample.
fn paths(epoch: i64) -> Vec<Planned> {
    use Make::*;
    let long = "l".repeat(150);
    let mut paths: Vec<Planned> = [
        "dev", "etc", "proc", "srv", "sys", "usr", "usr/bin", "usr/lib", "var",
    ]
    .map(|p| planned(p, 0o755, Directory))
    .into();
    paths.extend([
        planned("tmp", 0o1777, Directory),
        planned("bin", 0o777, Symlink(b"usr/bin".into())),
        planned("dev/null", 0o666, Device(1, 3)),
        planned("proc/version", 0o444, File(b"not really".into())),
        planned("sys/kernel", 0o755, Directory),
        planned("srv/null", 0o640, Device(1, 3)),
        planned("srv/block", 0o600, Block(259, 300)),
        planned("srv/fifo", 0o600, Fifo),
        planned("srv/socket", 0o600, Socket),
        planned("srv/line\nbreak", 0o644, File(b"x".into())),
        planned("srv/no-access", 0, File(b"secret".into())),
        planned("srv/-leading dash and spaces\n\"", 0o644, File(b"x".into())),
        planned(b"srv/not-\xff\xfe-utf8", 0o644, File(b"bytes".into())),
        planned("srv/größe", 0o644, File(b"utf-8".into())),
        planned("srv/absolute", 0o777, Symlink(b"/etc/passwd".into())),
        planned("srv/long-link", 0o777, Symlink(vec![b't'; 300])),
        planned("srv/latin1-link", 0o777, Symlink(b"caf\xe9".to_vec())),
        planned(format!("srv/{long}"), 0o755, Directory),
        planned(format!("srv/{long}/{long}"), 0o644, File(b"long".into())),
        planned(format!("srv/z-{long}"), 0o644, File(vec![7; 1000])),
        planned(
            [b"srv/", &[0xe9; 120][..]].concat(),
            0o644,
            File(b"long bytes".into()),
        ),
        planned("usr/bin/perl", 0o755, File(vec![b'p'; 5000])),
        planned("usr/lib/perl5.36", 0o755, Link("usr/bin/perl")),
        planned("a-first", 0o755, Link("usr/bin/perl")),
        planned("var/a-link-to-a-link", 0o777, Link("srv/absolute")),
    ]);
    for size in [0, 511, 512, 513, (3 << 20) + 17] {
        let content = (0..size).map(|at| (at % 251) as u8).collect();
        paths.push(planned(format!("etc/size-{size}"), 0o644, File(content)));
    }
    for (name, modified) in [
        ("old", -86_400),
        ("zero", 0),
        ("at-epoch", epoch),
        ("new", epoch + 1000),
        ("far", 1 << 34),
    ] {
        paths.push(Planned {
            modified,
            ..planned(format!("etc/modified-{name}"), 0o644, File(name.into()))
        });
    }
    paths.push(Planned {
        owner: (0, 42),
        ..planned("usr/bin/su", 0o4755, File(b"su".into()))
    });
    paths.push(Planned {
        owner: (3_000_000, 4_000_000_000),
        ..planned("var/many-users", 0o2770, Directory)
    });
    let attributes = vec![
        ("security.capability", capability()),
        ("user.test", b"a\0=\n%".to_vec()),
    ];
    paths.push(Planned {
        attributes,
        ..planned("usr/bin/ping", 0o755, File(b"ping".into()))
    });
    let attributes = vec![
        ("system.posix_acl_access", access_list()),
        ("system.posix_acl_default", access_list()),
    ];
    paths.push(Planned {
        attributes,
        ..planned("var/journal", 0o755, Directory)
    });
    paths
}
