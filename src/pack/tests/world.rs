//! A tree with some of everything, and trees as text.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

use super::EPOCH;
use crate::formats::digest::{Algorithm, digest};
use crate::tree::rootfs;

/// A path, made in whichever order the world is made in.
enum Make {
    Directory,
    File(Vec<u8>),
    Link(&'static str),
    Symlink(Vec<u8>),
    Fifo,
    Device(u32, u32),
    Socket,
}

pub(super) struct Planned {
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

/// `cap_net_raw=ep` as the kernel stores it (capability.h, vfs_cap_data revision 2).
fn capability() -> Vec<u8> {
    let words = [0x0200_0001_u32, 1 << 13, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `user::rwx,user:33:r-x,group::r-x,mask::r-x,other::r-x` as the kernel stores it (posix_acl_xattr.h).
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
        bytes.extend_from_slice(
            &[
                &tag.to_le_bytes()[..],
                &permissions.to_le_bytes(),
                &id.to_le_bytes(),
            ]
            .concat(),
        );
    }
    bytes
}

/// Some of everything.
pub(super) fn world() -> Vec<Planned> {
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
        planned("srv/fifo", 0o600, Fifo),
        planned("srv/socket", 0o600, Socket),
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
        planned("var/a-link-to-a-link", 0o777, Link("srv/absolute")),
    ]);
    for size in [0, 511, 512, 513, (3 << 20) + 17] {
        paths.push(planned(
            format!("etc/size-{size}"),
            0o644,
            File((0..size).map(|at| (at % 251) as u8).collect()),
        ));
    }
    for (name, modified) in [
        ("old", -86_400),
        ("zero", 0),
        ("at-epoch", EPOCH),
        ("new", EPOCH + 1000),
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

/// Makes the world in a fresh directory: what depends on what in order, names otherwise as they come or backwards.
pub(super) fn make(paths: &[Planned], backwards: bool) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &[u8]| tree.path().join(OsStr::from_bytes(path));
    let mut order: Vec<&Planned> = paths.iter().collect();
    if backwards {
        order.reverse();
    }
    order.sort_by_key(|p| {
        (
            matches!(p.make, Make::Link(_)),
            !matches!(p.make, Make::Directory),
            if matches!(p.make, Make::Directory) {
                p.path.len()
            } else {
                0
            },
        )
    });
    for Planned { path, make, .. } in &order {
        let path = at(path);
        match make {
            Make::Directory => fs::create_dir(path).unwrap(),
            Make::File(content) => fs::write(path, content).unwrap(),
            Make::Link(target) => fs::hard_link(tree.path().join(target), path).unwrap(),
            Make::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Make::Fifo => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::empty(), 0).unwrap(),
            Make::Device(major, minor) => {
                rustix::fs::mknodat(
                    CWD,
                    path,
                    FileType::CharacterDevice,
                    Mode::empty(),
                    rustix::fs::makedev(*major, *minor),
                )
                .unwrap();
            }
            Make::Socket => drop(UnixListener::bind(path).unwrap()),
        }
    }
    for planned in order
        .iter()
        .rev()
        .filter(|p| !matches!(p.make, Make::Link(_)))
    {
        let path = at(&planned.path);
        std::os::unix::fs::lchown(&path, Some(planned.owner.0), Some(planned.owner.1)).unwrap();
        if !matches!(planned.make, Make::Symlink(_)) {
            fs::set_permissions(&path, PermissionsExt::from_mode(planned.mode)).unwrap();
        }
        for (name, value) in &planned.attributes {
            rustix::fs::setxattr(&path, *name, value, XattrFlags::empty()).unwrap();
        }
    }
    for planned in order.iter().rev() {
        rustix::fs::utimensat(
            CWD,
            at(&planned.path),
            &rootfs::modified_at(planned.modified),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
    }
    fs::set_permissions(tree.path(), PermissionsExt::from_mode(0o751)).unwrap();
    rustix::fs::utimensat(
        CWD,
        tree.path(),
        &rootfs::modified_at(1_500_000_000),
        AtFlags::empty(),
    )
    .unwrap();
    tree
}

/// A tree as text, a line a path.
pub(super) fn describe(tree: &Path) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut links: BTreeMap<u64, String> = BTreeMap::new();
    describe_below(tree, tree, &mut lines, &mut links);
    lines
}

fn describe_below(
    tree: &Path,
    path: &Path,
    lines: &mut BTreeMap<String, String>,
    links: &mut BTreeMap<u64, String>,
) {
    let found = fs::symlink_metadata(path).unwrap();
    let name = path
        .strip_prefix(tree)
        .unwrap()
        .as_os_str()
        .as_bytes()
        .escape_ascii()
        .to_string();
    let kind = found.file_type();
    let content = if kind.is_file() {
        digest(Algorithm::Sha256, &fs::read(path).unwrap()).hexadecimal()
    } else if kind.is_symlink() {
        fs::read_link(path)
            .unwrap()
            .into_os_string()
            .into_vec()
            .escape_ascii()
            .to_string()
    } else {
        found.rdev().to_string()
    };
    let first = if kind.is_dir() {
        String::new()
    } else {
        links
            .entry(found.ino())
            .or_insert_with(|| name.clone())
            .clone()
    };
    let line = format!(
        "{:o} {}:{} {} {first} {content}",
        found.mode(),
        found.uid(),
        found.gid(),
        found.mtime().min(EPOCH)
    );
    lines.insert(name, line + &attributes(path, kind.is_symlink()));
    if kind.is_dir() {
        let mut below: Vec<_> = path
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        below.sort();
        below
            .iter()
            .for_each(|path| describe_below(tree, path, lines, links));
    }
}

fn attributes(path: &Path, is_symlink: bool) -> String {
    let mut names = vec![0_u8; 4096];
    let length = if is_symlink {
        0
    } else {
        rustix::fs::listxattr(path, &mut names[..]).unwrap_or(0)
    };
    let mut names: Vec<&[u8]> = names[..length]
        .split(|&b| b == 0)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    let value = |name: &&[u8]| {
        let mut value = vec![0_u8; 4096];
        let length = rustix::fs::getxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        format!(
            " {}={}",
            name.escape_ascii(),
            value[..length].escape_ascii()
        )
    };
    names.iter().map(value).collect()
}

/// The same without what no archive of ours has.
pub(super) fn expected(tree: &Path) -> BTreeMap<String, String> {
    let mut lines = describe(tree);
    lines.retain(|name, _| {
        !["dev/", "proc/", "sys/"]
            .iter()
            .any(|above| name.starts_with(above))
            && name != "srv/socket"
    });
    lines
}

pub(super) fn assert_same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) {
    for (name, line) in expected {
        assert_eq!(found.get(name), Some(line), "`{name}`");
    }
    assert_eq!(found.len(), expected.len());
}
