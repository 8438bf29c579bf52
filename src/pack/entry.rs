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
use crate::tree::listed::{ListedEntry, ListedKind, ListedTree};
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::{self, RootPath};

/// The block size of tar, in bytes.
pub(super) const BLOCK: usize = 512;

/// The largest size or time in the old header, eleven octal digits.
const LARGEST_NUMBER: u64 = 0o77_777_777_777;

/// The largest owner in the old header, seven octal digits.
const LARGEST_ID: u32 = 0o7_777_777;

/// What an entry has besides its header.
enum Opened<'t> {
    Nothing,
    /// A file or directory of the host.
    Found(OwnedFd),
    Listed(&'t ListedTree, &'t ListedEntry),
}

/// Writes one path.
pub(super) fn write(
    tree: ReadableTree<'_>,
    entry: &TreeEntry,
    epoch: Option<i64>,
    output: &mut Chunks,
) -> Result<(), Error> {
    let opened = open(tree, entry)?;
    let mut pax = Pax::default();
    let mut header = header(tree, entry, epoch, &mut pax)?;
    add_attributes(tree, entry, &opened, &mut pax)?;
    let failed = |source| Error::Write { source };
    pax.write(output).map_err(failed)?;
    header.set_cksum();
    output.write_all(header.as_bytes()).map_err(failed)?;
    match opened {
        Opened::Found(file) if entry.kind == FileType::RegularFile => {
            copy(tree, entry, file, output)
        }
        Opened::Listed(list, listed) => copy_listed(list, listed, output),
        Opened::Found(_) | Opened::Nothing => Ok(()),
    }
}

/// Opens files and directories, which have content or extended attributes, but not further links
/// of a file.
fn open<'t>(tree: ReadableTree<'t>, entry: &TreeEntry) -> Result<Opened<'t>, Error> {
    if entry.link_to.is_some() || !matches!(entry.kind, FileType::RegularFile | FileType::Directory)
    {
        return Ok(Opened::Nothing);
    }
    let root = match tree {
        ReadableTree::Directory(root) => root,
        ReadableTree::Listed(list) => {
            let listed = list.entry(&entry.path).ok_or_else(|| changed(tree, entry));
            return Ok(Opened::Listed(list, listed?));
        }
    };
    // NONBLOCK: do not wait for a writer if a FIFO has replaced the file.
    let opened = root.open_at(
        &entry.path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
    );
    let opened = opened.map_err(|e| root.error(&entry.path, "open it", e))?;
    let status = listing::status(&opened).map_err(|e| root.error(&entry.path, "look at it", e))?;
    let mode = u32::from(status.stx_mode);
    if status.stx_ino != entry.inode
        || FileType::from_raw_mode(mode) != entry.kind
        || mode & 0o7777 != entry.mode
    {
        return Err(changed(tree, entry));
    }
    Ok(Opened::Found(opened))
}

fn changed(tree: ReadableTree<'_>, entry: &TreeEntry) -> Error {
    Error::Changed {
        path: on_host(tree, &entry.path),
    }
}

fn header(
    tree: ReadableTree<'_>,
    entry: &TreeEntry,
    epoch: Option<i64>,
    pax: &mut Pax,
) -> Result<Header, Error> {
    let mut header = Header::new_ustar();
    let (kind, target) = kind_and_target(tree, entry)?;
    header.set_entry_type(kind);
    header.set_mode(entry.mode);
    let name = archive_name(&entry.path, kind == EntryType::Directory);
    let fields = header.as_old_mut();
    pax.set_name("path", &name, &mut fields.name);
    pax.set_name("linkpath", &target, &mut fields.linkname);

    header.set_size(entry.content_size());
    if entry.content_size() > LARGEST_NUMBER {
        pax.add("size", entry.content_size().to_string().as_bytes());
    }
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    for (keyword, id) in [("uid", entry.uid), ("gid", entry.gid)] {
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
        let (major, minor) = entry.device;
        let set = header
            .set_device_major(major)
            .and_then(|()| header.set_device_minor(minor));
        set.map_err(|e| tree.error(&entry.path, "say which device it is", e))?;
    }
    Ok(header)
}

/// The type in the header, and the target of a link.
fn kind_and_target(
    tree: ReadableTree<'_>,
    entry: &TreeEntry,
) -> Result<(EntryType, Vec<u8>), Error> {
    if let Some(first) = &entry.link_to {
        return Ok((EntryType::Link, archive_name(first, false)));
    }
    let kind = match entry.kind {
        FileType::Directory => EntryType::Directory,
        FileType::CharacterDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        FileType::Fifo => EntryType::Fifo,
        FileType::Symlink => {
            let target = tree.read_link(&entry.path)?;
            let target = target.ok_or_else(|| changed(tree, entry))?;
            return Ok((EntryType::Symlink, target));
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
    tree: ReadableTree<'_>,
    entry: &TreeEntry,
    opened: &Opened<'_>,
    pax: &mut Pax,
) -> Result<(), Error> {
    let attributes = match opened {
        Opened::Nothing => return Ok(()),
        Opened::Found(opened) => rootfs::attributes(opened),
        Opened::Listed(_, listed) => Ok(listed.attributes.clone()),
    };
    let attributes =
        attributes.map_err(|e| tree.error(&entry.path, "read its extended attributes", e))?;
    for attribute in attributes {
        pax.add_attribute(&attribute.name, &attribute.value);
    }
    Ok(())
}

/// Copies the content, which must have exactly the size in the header.
fn copy(
    tree: ReadableTree<'_>,
    entry: &TreeEntry,
    file: OwnedFd,
    output: &mut Chunks,
) -> Result<(), Error> {
    let failed = |source| Error::Write { source };
    let mut left = entry.content_size();
    loop {
        output.make_room().map_err(failed)?;
        let read = output
            .fill(&file)
            .map_err(|e| tree.error(&entry.path, "read it", e))? as u64;
        match left.checked_sub(read) {
            Some(0) if read == 0 => break,
            Some(less) if read > 0 => left = less,
            _ => return Err(changed(tree, entry)),
        }
    }
    output.pad(BLOCK).map_err(failed)
}

/// Copies the content of a file from where it is.
fn copy_listed(list: &ListedTree, listed: &ListedEntry, output: &mut Chunks) -> Result<(), Error> {
    let ListedKind::File(range) = listed.kind else {
        return Ok(());
    };
    let lost = |source| Error::LostContent(list.lost(listed, range, source));
    let failed = |source| Error::Write { source };
    let file = list.content(range).map_err(lost)?;
    let mut at = range.at;
    let mut left = range.size;
    while left > 0 {
        output.make_room().map_err(failed)?;
        let read = output.fill_from(file, at, left).map_err(lost)?;
        at += read;
        left -= read;
    }
    output.pad(BLOCK).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::tree::rootfs::Rootfs;

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
        let header = header((&root).into(), &entries[1], Some(0), &mut pax).unwrap();
        assert_eq!(pax.records(), "19 size=9663676416\n");
        assert_eq!(header.size().unwrap(), SIZE);
        assert_eq!(header.mtime().unwrap(), 0);
    }
}
