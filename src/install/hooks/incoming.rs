//! A tar archive on its way into the tree, where the host's tar unpacks it.
//!
//! That tar knows only the host's root, so a symlink of the tree that is absolute, or has too many `..`,
//! would lead it out of the tree. An archive with such a path is refused.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use crate::tree::rootfs::{self, RootPath, Rootfs};

const BLOCK: usize = 512;

/// Where the header of a sparse file says that its map goes on in the next block, and where that block
/// says it (GNU tar's old format).
const IS_EXTENDED: usize = 482;
const IS_CONTINUED: usize = 504;

/// The largest long name or pax header, in bytes.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// As many symlinks as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;

/// Where an archive is unpacked, and what of it.
pub(super) struct Incoming<'a> {
    pub(super) root: &'a Rootfs,
    pub(super) target: &'a RootPath,
    pub(super) without_devices: bool,
}

/// The names that extension headers give to the entry after them.
#[derive(Default)]
struct LongNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Incoming<'_> {
    /// Copies all entries that are to be unpacked. An archive that ends early ends the copy.
    ///
    /// # Errors
    ///
    /// If reading or writing fails, if it is not a tar archive, and if a path leads out of the tree.
    pub(super) fn copy(&self, archive: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut names = LongNames::default();
        let mut block = [0; BLOCK];
        while read_block(archive, &mut block)? {
            if block.iter().all(|byte| *byte == 0) {
                output.write_all(&block)?;
                continue;
            }
            let header = tar::Header::from_byte_slice(&block);
            let size = checked_size(header)?;
            let mut content = archive.take(size.next_multiple_of(BLOCK as u64));
            pending.extend_from_slice(&block);
            let kind = header.entry_type().as_byte();
            if matches!(kind, b'x' | b'L' | b'K') {
                // They belong to the entry that follows.
                if size > EXTENSION_LIMIT {
                    return Err(io::Error::other("a name in the archive is too long"));
                }
                let mut extension = Vec::new();
                content.read_to_end(&mut extension)?;
                pending.extend_from_slice(&extension);
                extension.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                names.read(kind, &extension);
                continue;
            }
            if kind == b'S' && block[IS_EXTENDED] != 0 {
                read_sparse_map(content.get_mut(), &mut pending)?;
            }
            let names = std::mem::take(&mut names);
            if self.without_devices && matches!(kind, b'3' | b'4') {
                io::copy(&mut content, &mut io::sink())?;
            } else {
                self.check(header, names)?;
                output.write_all(&pending)?;
                io::copy(&mut content, output)?;
            }
            pending.clear();
        }
        Ok(())
    }

    fn check(&self, header: &tar::Header, names: LongNames) -> io::Result<()> {
        let path = names
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        self.check_path(&path)?;
        if header.entry_type().is_hard_link() {
            let link = header.link_name_bytes().map(|name| name.into_owned());
            self.check_path(&names.link.or(link).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Fails if a symlink before the last component leads out of the tree. The last one is replaced and
    /// not followed.
    fn check_path(&self, path: &[u8]) -> io::Result<()> {
        let mut whole = self.target.as_bytes().to_vec();
        whole.push(b'/');
        whole.extend_from_slice(path);
        match stays_inside(self.root, &whole) {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::other(format!(
                "`{}`: a symlink on its way leads out of the tree; name the directory it stands for",
                String::from_utf8_lossy(path).escape_debug()
            ))),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl LongNames {
    /// Reads a header of GNU tar's or pax's.
    fn read(&mut self, kind: u8, content: &[u8]) {
        let name = content.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        match kind {
            b'L' => self.path = name,
            b'K' => self.link = name,
            _ => {
                for record in tar::PaxExtensions::new(content).flatten() {
                    match record.key_bytes() {
                        b"path" => self.path = Some(record.value_bytes().to_vec()),
                        b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Whether the kernel, for which the tree is an ordinary directory, stays in it on the way to the last
/// component of a path.
fn stays_inside(root: &Rootfs, path: &[u8]) -> Result<bool, rootfs::Error> {
    let mut left: VecDeque<Vec<u8>> = components(path).collect();
    let mut here: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while left.len() > 1 {
        let Some(next) = left.pop_front() else { break };
        if next == b".." {
            if here.pop().is_none() {
                return Ok(false);
            }
            continue;
        }
        here.push(next);
        let Ok(place) = RootPath::parse(here.join(&b'/')) else {
            return Ok(false);
        };
        if !root.exists(&place)? {
            // What is missing is made, without symlinks.
            return Ok(true);
        }
        let Some(target) = root.read_link(&place)? else {
            continue;
        };
        links += 1;
        if target.as_bytes().starts_with(b"/") || links > LINK_LIMIT {
            return Ok(false);
        }
        here.pop();
        for component in components(target.as_bytes()).rev() {
            left.push_front(component);
        }
    }
    Ok(true)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(<[u8]>::to_vec)
}

/// The size of what follows a header, whose checksum has to be right.
fn checked_size(header: &tar::Header) -> io::Result<u64> {
    let bytes = header.as_bytes();
    let sum = |block: &[u8]| block.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    // The checksum counts as eight blanks.
    let expected = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
    if header.cksum().ok() != Some(expected) {
        return Err(io::Error::other("it is not an uncompressed tar archive"));
    }
    header.entry_size()
}

/// Reads the blocks with the rest of a sparse file's map.
fn read_sparse_map(archive: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<()> {
    let mut block = [0; BLOCK];
    while read_block(archive, &mut block)? {
        pending.extend_from_slice(&block);
        if block[IS_CONTINUED] == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads a whole block. False at the end.
fn read_block(archive: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<bool> {
    match archive.read_exact(block) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
