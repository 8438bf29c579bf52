//! Writes one path of a tree into the archive: a pax header if the old header has no room, the
//! header, the content.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, OFlags};
use tar::{EntryType, Header};

use super::chunks::Chunks;
use super::listing::{self, TreeEntry};
use super::pax::Pax;
use super::{Error, on_host};
use crate::tree::rootfs::{self, RootPath, Rootfs};

/// The block size of tar, in bytes.
pub(super) const BLOCK: usize = 512;

/// The largest size or time in the old header, eleven octal digits.
const LARGEST_NUMBER: u64 = 0o77_777_777_777;

/// The largest owner in the old header, seven octal digits.
const LARGEST_ID: u32 = 0o7_777_777;

/// Writes one path.
pub(super) fn write(
    root: &Rootfs,
    entry: &TreeEntry,
    epoch: Option<i64>,
    output: &mut Chunks,
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
    copy(root, entry, opened, output)
}

/// Opens files and directories, which have content or extended attributes. `None` for other entries
/// and for further links of a file.
fn open(root: &Rootfs, entry: &TreeEntry) -> Result<Option<OwnedFd>, Error> {
    if entry.link_to.is_some()
        || !matches!(entry.kind(), FileType::RegularFile | FileType::Directory)
    {
        return Ok(None);
    }
    // NONBLOCK: do not wait for a writer if a FIFO has replaced the file.
    let opened = root.open_at(
        &entry.path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
    );
    let opened = opened.map_err(|e| root.error(&entry.path, "open it", e))?;
    let status = listing::status(&opened).map_err(|e| root.error(&entry.path, "look at it", e))?;
    if (status.stx_ino, status.stx_mode) != (entry.status.stx_ino, entry.status.stx_mode) {
        return Err(changed(root, entry));
    }
    Ok(Some(opened))
}

fn changed(root: &Rootfs, entry: &TreeEntry) -> Error {
    Error::Changed {
        path: on_host(root, &entry.path),
    }
}

fn header(
    root: &Rootfs,
    entry: &TreeEntry,
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
    let modified = entry.modified(epoch);
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

/// The type in the header, and the target of a link.
fn kind_and_target(root: &Rootfs, entry: &TreeEntry) -> Result<(EntryType, Vec<u8>), Error> {
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

fn add_attributes(
    root: &Rootfs,
    entry: &TreeEntry,
    opened: &OwnedFd,
    pax: &mut Pax,
) -> Result<(), Error> {
    let attributes = rootfs::attributes(opened);
    let attributes =
        attributes.map_err(|e| root.error(&entry.path, "read its extended attributes", e))?;
    for attribute in attributes {
        pax.add_attribute(&attribute.name, &attribute.value);
    }
    Ok(())
}

/// Copies the content, which must have exactly the size in the header.
fn copy(root: &Rootfs, entry: &TreeEntry, file: OwnedFd, output: &mut Chunks) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "tests write their files with the standard library"
    )]
    fn sizes_beyond_the_old_header_go_into_the_pax_header() {
        const SIZE: u64 = 9 << 30;
        let tree = tempfile::tempdir().unwrap();
        std::fs::File::create(tree.path().join("sparse"))
            .unwrap()
            .set_len(SIZE)
            .unwrap();
        let root = Rootfs::open(tree.path()).unwrap();
        let entries = listing::list(&root, &Report::silent()).unwrap();
        let mut pax = Pax::default();
        let header = header(&root, &entries[1], Some(0), &mut pax).unwrap();
        assert_eq!(pax.records(), "19 size=9663676416\n");
        assert_eq!(header.size().unwrap(), SIZE);
        assert_eq!(header.mtime().unwrap(), 0);
    }
}
