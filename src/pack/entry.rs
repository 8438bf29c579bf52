//! One path as an archive has it: a pax header where the old one cannot say it, the header, the content.
//!
//! pax headers: POSIX.1-2024, pax, "pax Interchange Format"; extended attributes as star, GNU tar and Docker have them
//! (`SCHILY.xattr.NAME`).

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::tree::{self, Entry};
use super::{Chunks, Error, on_host};
use crate::report::{Report, Stage};
use crate::tree::rootfs::{RootPath, Rootfs};

/// The unit of an archive, in bytes.
pub(super) const BLOCK: usize = 512;

/// The name that pax headers have; nobody looks at it, so it is the same for all.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// Room for a name or a link's target in the old header.
const NAME_ROOM: usize = 100;

/// What fits into eleven octal digits: sizes and times.
const LARGEST_NUMBER: u64 = 0o77_777_777_777;

/// What fits into seven octal digits: owners.
const LARGEST_ID: u32 = 0o7_777_777;

/// Writes one path.
pub(super) fn write(
    root: &Rootfs,
    entry: &Entry,
    epoch: Option<i64>,
    output: &mut Chunks,
    report: &Report,
) -> Result<(), Error> {
    let opened = open(root, entry)?;
    let mut pax = Pax::default();
    let mut header = header(root, entry, epoch, &mut pax)?;
    if let Some(opened) = &opened {
        add_attributes(root, entry, opened, &mut pax)?;
    }
    let failed = |source| Error::Write { source };
    pax.write(output).map_err(failed)?;
    header.set_cksum();
    output.write_all(header.as_bytes()).map_err(failed)?;
    let Some(opened) = opened.filter(|_| entry.kind() == FileType::RegularFile) else {
        return Ok(());
    };
    copy(root, entry, opened, output)?;
    report.advanced(Stage::Pack, entry.content_size());
    Ok(())
}

/// Opens what has content or extended attributes: files and directories, but no further link of a file.
fn open(root: &Rootfs, entry: &Entry) -> Result<Option<OwnedFd>, Error> {
    if entry.link_to.is_some()
        || !matches!(entry.kind(), FileType::RegularFile | FileType::Directory)
    {
        return Ok(None);
    }
    // NONBLOCK: should a FIFO have taken the file's place, nobody waits for its writer.
    let opened = root.open_at(
        &entry.path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
        Mode::empty(),
    );
    let opened = opened.map_err(|e| root.error(&entry.path, "open it", e))?;
    let status = tree::status(&opened).map_err(|e| root.error(&entry.path, "look at it", e))?;
    if (status.stx_ino, status.stx_mode) != (entry.status.stx_ino, entry.status.stx_mode) {
        return Err(changed(root, entry));
    }
    Ok(Some(opened))
}

fn changed(root: &Rootfs, entry: &Entry) -> Error {
    Error::Changed {
        path: on_host(root, &entry.path),
    }
}

fn header(
    root: &Rootfs,
    entry: &Entry,
    epoch: Option<i64>,
    pax: &mut Pax,
) -> Result<Header, Error> {
    let status = &entry.status;
    let mut header = Header::new_ustar();
    let (kind, target) = kind_and_target(root, entry)?;
    header.set_entry_type(kind);
    header.set_mode(u32::from(status.stx_mode) & 0o7777);
    let name = archive_name(&entry.path, kind == EntryType::Directory);
    let fields = header.as_old_mut();
    pax.set_name("path", &name, &mut fields.name);
    pax.set_name("linkpath", &target, &mut fields.linkname);

    header.set_size(entry.content_size());
    if entry.content_size() > LARGEST_NUMBER {
        pax.add("size", entry.content_size().to_string().as_bytes());
    }
    header.set_uid(status.stx_uid.into());
    header.set_gid(status.stx_gid.into());
    for (keyword, id) in [("uid", status.stx_uid), ("gid", status.stx_gid)] {
        if id > LARGEST_ID {
            pax.add(keyword, id.to_string().as_bytes());
        }
    }
    let modified = epoch.map_or(status.stx_mtime.tv_sec, |epoch| {
        status.stx_mtime.tv_sec.min(epoch)
    });
    match u64::try_from(modified) {
        Ok(modified) if modified <= LARGEST_NUMBER => header.set_mtime(modified),
        _ => pax.add("mtime", modified.to_string().as_bytes()),
    }
    if matches!(kind, EntryType::Char | EntryType::Block) {
        let set = header
            .set_device_major(status.stx_rdev_major)
            .and_then(|()| header.set_device_minor(status.stx_rdev_minor));
        set.map_err(|e| root.error(&entry.path, "say which device it is", e))?;
    }
    Ok(header)
}

/// The type in the header, and where a link of either kind leads.
fn kind_and_target(root: &Rootfs, entry: &Entry) -> Result<(EntryType, Vec<u8>), Error> {
    if let Some(first) = &entry.link_to {
        return Ok((EntryType::Link, archive_name(first, false)));
    }
    let kind = match entry.kind() {
        FileType::Directory => EntryType::Directory,
        FileType::CharacterDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        FileType::Fifo => EntryType::Fifo,
        FileType::Symlink => {
            let target = root
                .read_link(&entry.path)?
                .ok_or_else(|| changed(root, entry))?;
            return Ok((EntryType::Symlink, target.into_bytes()));
        }
        _ => EntryType::Regular,
    };
    Ok((kind, Vec::new()))
}

/// The name as `tar -C TREE -c .` writes it.
fn archive_name(path: &RootPath, directory: bool) -> Vec<u8> {
    let slash: &[u8] = if directory && !path.is_root() {
        b"/"
    } else {
        b""
    };
    [b"./", path.as_bytes(), slash].concat()
}

/// Whether an extended attribute belongs to the tree. The others are the host's: its security modules' labels (selinux, ima, …)
/// and what its file systems keep for themselves (trusted).
fn belongs_to_tree(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || [
            &b"security.capability"[..],
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ]
        .contains(&name)
}

fn add_attributes(
    root: &Rootfs,
    entry: &Entry,
    opened: &OwnedFd,
    pax: &mut Pax,
) -> Result<(), Error> {
    let error = |e: Errno| Error::from(root.error(&entry.path, "read its extended attributes", e));
    let mut names = match attribute_bytes(|room| rustix::fs::flistxattr(opened, room)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(e) => return Err(error(e)),
    };
    if names.is_empty() {
        return Ok(());
    }
    names.pop();
    let mut names: Vec<&[u8]> = names
        .split(|&b| b == 0)
        .filter(|name| belongs_to_tree(name))
        .collect();
    names.sort_unstable();
    for name in names {
        let value =
            attribute_bytes(|room| rustix::fs::fgetxattr(opened, OsStr::from_bytes(name), room))
                .map_err(error)?;
        pax.add_attribute(name, &value);
    }
    Ok(())
}

/// What a call that fills a buffer gives, for which the kernel has a limit of 64 KiB.
fn attribute_bytes(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
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

/// Copies exactly as many bytes as the header says there are.
fn copy(root: &Rootfs, entry: &Entry, file: OwnedFd, output: &mut Chunks) -> Result<(), Error> {
    let failed = |source| Error::Write { source };
    let mut left = entry.content_size();
    loop {
        output.make_room().map_err(failed)?;
        let read = output
            .fill(&file)
            .map_err(|e| root.error(&entry.path, "read it", e))? as u64;
        match left.checked_sub(read) {
            Some(0) if read == 0 => break,
            Some(less) if read > 0 => left = less,
            _ => return Err(changed(root, entry)),
        }
    }
    output.pad(BLOCK).map_err(failed)
}

/// The records of an extended header.
#[derive(Default)]
struct Pax(Vec<u8>);

impl Pax {
    /// Adds `LENGTH KEYWORD=VALUE\n`, where LENGTH counts itself too.
    fn add(&mut self, keyword: &str, value: &[u8]) {
        self.add_record(keyword.as_bytes(), value);
    }

    fn add_record(&mut self, keyword: &[u8], value: &[u8]) {
        let rest = keyword.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        if rest + length.to_string().len() > length {
            length += 1;
        }
        self.0.extend_from_slice(length.to_string().as_bytes());
        self.0
            .extend_from_slice(&[b" ", keyword, b"=", value, b"\n"].concat());
    }

    /// Puts a name into its field of the old header, as much as fits. What does not fit is said here as well, and so is what is
    /// not ASCII, because pax names are UTF-8 by definition. A name that is not UTF-8 is only here when it has to be, as GNU tar grumbles about
    /// the `hdrcharset` that bsdtar then needs.
    fn set_name(&mut self, keyword: &str, name: &[u8], field: &mut [u8; NAME_ROOM]) {
        let room = name.len().min(NAME_ROOM);
        field[..room].copy_from_slice(&name[..room]);
        let is_utf8 = std::str::from_utf8(name).is_ok();
        let is_long = name.len() > NAME_ROOM;
        if is_long && !is_utf8 {
            self.add("hdrcharset", b"BINARY");
        }
        if is_long || is_utf8 && !name.is_ascii() {
            self.add(keyword, name);
        }
    }

    /// `=` ends a keyword, so GNU tar writes it, and its own escape, as `%3D` and `%25`.
    fn add_attribute(&mut self, name: &[u8], value: &[u8]) {
        let mut keyword = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            match byte {
                b'%' => keyword.extend_from_slice(b"%25"),
                b'=' => keyword.extend_from_slice(b"%3D"),
                _ => keyword.push(byte),
            }
        }
        self.add_record(&keyword, value);
    }

    fn write(&self, output: &mut Chunks) -> std::io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..PAX_NAME.len()].copy_from_slice(PAX_NAME);
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(self.0.len() as u64);
        header.set_cksum();
        output.write_all(header.as_bytes())?;
        output.write_all(&self.0)?;
        output.pad(BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, record) in [
            ("", "8 path=\n"),
            ("1", "9 path=1\n"),
            ("12", "11 path=12\n"),
        ] {
            let mut pax = Pax::default();
            pax.add("path", value.as_bytes());
            assert_eq!(String::from_utf8(pax.0).unwrap(), record);
        }
        for length in 0..2000 {
            let mut pax = Pax::default();
            pax.add("path", &vec![b'x'; length]);
            let written = String::from_utf8(pax.0).unwrap();
            assert_eq!(
                written.split(' ').next().unwrap(),
                written.len().to_string()
            );
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "tests make their own world, with every writer of the standard library"
    )]
    fn sizes_beyond_the_old_header_are_said() {
        const SIZE: u64 = 9 << 30;
        let tree = tempfile::tempdir().unwrap();
        std::fs::File::create(tree.path().join("sparse"))
            .unwrap()
            .set_len(SIZE)
            .unwrap();
        let root = Rootfs::open(tree.path()).unwrap();
        let entries = tree::list(&root, &Report::silent()).unwrap();
        let mut pax = Pax::default();
        let header = header(&root, &entries[1], Some(0), &mut pax).unwrap();
        assert_eq!(
            (
                pax.0.as_slice(),
                header.size().unwrap(),
                header.mtime().unwrap()
            ),
            (&b"19 size=9663676416\n"[..], SIZE, 0)
        );
    }
}
