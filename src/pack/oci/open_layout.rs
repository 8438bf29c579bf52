//! An OCI image layout to read: an archive or a directory.
//!
//! Every document has a limit, and every blob is compared with its digest before it is used.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde::de::DeserializeOwned;

use super::blob::{Blob, FilePart};
use super::documents::{Descriptor, ImageIndex};
use super::read::Error;
use crate::formats::digest::{Algorithm, Hasher};
use crate::interrupt::Interrupt;
use crate::tree::rootfs::{RootPath, Rootfs};

/// The largest document, in bytes.
const DOCUMENT_LIMIT: u64 = 4 << 20;
/// The most entries of an archive, of any type.
const MEMBER_LIMIT: usize = 10_000;
/// The most bytes of all their headers.
const HEADER_LIMIT: u64 = 64 << 20;
/// How many links in a row are followed in an archive.
const LINK_LIMIT: usize = 4;

/// A layout to read.
pub(super) struct OpenLayout<'a> {
    path: PathBuf,
    kind: LayoutKind,
    interrupt: &'a Interrupt,
    /// The digests of verified blobs, so that each is read once.
    verified: HashMap<String, FilePart>,
}

enum LayoutKind {
    /// Symlinks in it do not lead out of it.
    Directory(Rootfs),
    /// The members of an archive, by their names.
    Archive(HashMap<String, FilePart>),
}

impl<'a> OpenLayout<'a> {
    pub(super) fn open(path: &Path, interrupt: &'a Interrupt) -> Result<OpenLayout<'a>, Error> {
        let unreadable = |source: io::Error| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::empty());
        let file: File = opened.map_err(|e| unreadable(e.into()))?.into();
        OpenLayout::of(path, file, interrupt)
    }

    /// A layout whose file or directory is open.
    pub(super) fn of(
        path: &Path,
        file: File,
        interrupt: &'a Interrupt,
    ) -> Result<OpenLayout<'a>, Error> {
        let unreadable = |source: io::Error| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        let status = rustix::fs::fstat(&file).map_err(|e| unreadable(e.into()))?;
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => LayoutKind::Directory(Rootfs::from_directory(file.into(), path)),
            FileType::RegularFile => LayoutKind::Archive(members(file).map_err(unreadable)?),
            _ => {
                return Err(unreadable(io::Error::other(
                    "neither a file nor a directory",
                )));
            }
        };
        Ok(OpenLayout {
            path: path.to_owned(),
            kind,
            interrupt,
            verified: HashMap::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The index of all images.
    pub(super) fn index(&self) -> Result<ImageIndex, Error> {
        let index = self.find("index.json")?;
        self.parse("index.json", &self.bytes("index.json", &index)?)
    }

    /// Whether the layout has a file. One that cannot be read is an error.
    pub(super) fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.look_up(name)?.is_some())
    }

    /// A document by its name, which has no digest.
    pub(super) fn named(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.bytes(name, &self.find(name)?)
    }

    /// A file of the layout.
    pub(super) fn find(&self, name: &str) -> Result<FilePart, Error> {
        let found = self.look_up(name)?;
        found.ok_or_else(|| Error::NoLayout {
            path: self.path.clone(),
            missing: name.to_owned(),
        })
    }

    /// A file of the layout; `None` if nothing has this name.
    fn look_up(&self, name: &str) -> Result<Option<FilePart>, Error> {
        let root = match &self.kind {
            LayoutKind::Archive(members) => return Ok(members.get(name).cloned()),
            LayoutKind::Directory(root) => root,
        };
        let Ok(path) = RootPath::parse(name) else {
            return Ok(None);
        };
        let Some(file) = root.open_file(&path)? else {
            self.refuse_dangling(root, &path)?;
            return Ok(None);
        };
        let metadata = file.metadata();
        Ok(Some(FilePart {
            size: metadata.map_err(|e| self.unreadable(name, e))?.len(),
            file: Arc::new(file),
            offset: 0,
        }))
    }

    /// Fails if a path is absent because of a symlink that leads out of the directory.
    fn refuse_dangling(&self, root: &Rootfs, path: &RootPath) -> Result<(), Error> {
        let mut way = RootPath::default();
        for name in path.as_bytes().split(|byte| *byte == b'/') {
            way = way.entry(name);
            let Some(found) = root.handle(&way)? else {
                return Ok(());
            };
            let is_link = found.kind() == FileType::Symlink;
            if is_link && root.open_at(&way, OFlags::PATH).is_err() {
                return Err(Error::DanglingLink {
                    path: self.path_of(&way.to_string()),
                });
            }
        }
        Ok(())
    }

    /// Where a file of the layout is on the host, for messages.
    fn path_of(&self, name: &str) -> PathBuf {
        match self.kind {
            LayoutKind::Archive(_) => self.path.clone(),
            LayoutKind::Directory(_) => self.path.join(name.trim_start_matches('/')),
        }
    }

    /// The content of a document.
    fn bytes(&self, name: &str, part: &FilePart) -> Result<Vec<u8>, Error> {
        if part.size > DOCUMENT_LIMIT {
            return Err(self.too_large(name));
        }
        let mut bytes = Vec::new();
        let copied = Blob::Part(part.clone()).copy(&mut bytes, self.interrupt);
        copied.map_err(|source| self.unreadable(name, source))?;
        Ok(bytes)
    }

    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        document: &str,
        bytes: &[u8],
    ) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
            path: self.path.clone(),
            document: document.to_owned(),
            source,
        })
    }

    /// The verified content of a document.
    pub(super) fn document(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let part = self.verified(descriptor)?;
        self.bytes(&path_of(descriptor), &part)
    }

    /// Compares a blob with its digest.
    pub(super) fn verified(&mut self, descriptor: &Descriptor) -> Result<FilePart, Error> {
        if let Some(part) = self.verified.get(&descriptor.digest) {
            return Ok(part.clone());
        }
        let name = path_of(descriptor);
        let part = self.find(&name)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let copied = Blob::Part(part.clone()).copy(&mut hasher as &mut dyn Write, self.interrupt);
        copied.map_err(|source| self.unreadable(&name, source))?;
        let found = format!("sha256:{}", hasher.finish().hexadecimal());
        if found != descriptor.digest || part.size != descriptor.size {
            return Err(Error::Digest {
                path: self.path.clone(),
                digest: descriptor.digest.clone(),
            });
        }
        self.verified.insert(found, part.clone());
        Ok(part)
    }

    fn unreadable(&self, name: &str, source: io::Error) -> Error {
        Error::Unreadable {
            path: self.path_of(name),
            source,
        }
    }

    pub(super) fn too_large(&self, what: &str) -> Error {
        Error::TooLarge {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }
}

/// The regular members of a tar archive without compression, and those that links lead to.
fn members(file: File) -> io::Result<HashMap<String, FilePart>> {
    let file = Arc::new(file);
    let headers = HeaderReader {
        file: &file,
        left: HEADER_LIMIT,
    };
    let mut archive = tar::Archive::new(headers);
    let mut found = Vec::new();
    let mut links = Vec::new();
    for (count, entry) in archive.entries_with_seek()?.enumerate() {
        let entry = entry?;
        if count == MEMBER_LIMIT {
            let text = format!("the archive has more than {MEMBER_LIMIT} entries");
            return Err(io::Error::other(text));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if let Some(target) = entry.link_name_bytes() {
            let target = String::from_utf8_lossy(&target).into_owned();
            // The target of a hard link is a path of the archive.
            let from = if kind.is_symlink() { name.as_str() } else { "" };
            links.push((plain(&name, "."), plain(from, &target)));
        } else if kind.is_file() {
            found.push((name, entry.raw_file_position(), entry.size()));
        }
    }
    let mut members = HashMap::new();
    for (name, offset, size) in found {
        let file = Arc::clone(&file);
        members.insert(plain(&name, "."), FilePart { file, offset, size });
    }
    // docker writes a layer once, and links to it.
    for _ in 0..LINK_LIMIT {
        for (name, target) in &links {
            if let (Some(part), false) = (members.get(target).cloned(), members.contains_key(name))
            {
                members.insert(name.clone(), part);
            }
        }
    }
    Ok(members)
}

/// Reads the headers of an archive, whose content is skipped by seeking: a name may be as long as
/// its header says, and is read at once.
struct HeaderReader<'a> {
    file: &'a File,
    /// How many bytes may still be read.
    left: u64,
}

impl Read for HeaderReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("the names of its members are too long")),
        }
        Ok(read)
    }
}

impl Seek for HeaderReader<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// The path of `target`, seen from the entry `from`, without `.` and `..`; `.` is the entry itself.
fn plain(from: &str, target: &str) -> String {
    let above = from.rsplit_once('/').map_or("", |(above, _)| above);
    let whole = match target {
        "." => from.to_owned(),
        _ if target.starts_with('/') => target.to_owned(),
        _ => format!("{above}/{target}"),
    };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The path of a blob in a layout. An invalid digest gives a path that no layout contains.
pub(super) fn path_of(descriptor: &Descriptor) -> String {
    let digest = descriptor.digest.strip_prefix("sha256:").unwrap_or("none");
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    format!("blobs/sha256/{}", if is_digest { digest } else { "none" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tar::{TarEntry, directory, entry, file, tar};

    /// The names of the members of a file with this content and this size.
    fn names(content: &[u8], size: u64) -> io::Result<Vec<String>> {
        let mut archive = tempfile::tempfile()?;
        archive.write_all(content)?;
        archive.set_len(size)?;
        archive.rewind()?;
        let mut names: Vec<String> = members(archive)?.into_keys().collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn large_members_are_skipped_and_long_names_refused() {
        let size = 1 << 30;
        let large = TarEntry {
            declared_size: Some(size),
            ..file("large", "")
        };
        let mut content = tar(&[file("small", "x"), large]);
        content.truncate(3 * 512);
        let found = names(&content, size + 5 * 512).unwrap();
        assert_eq!(found, ["large", "small"]);
        let long = TarEntry {
            declared_size: Some(size),
            ..entry("././@LongLink", b'L', 0o644)
        };
        let error = names(&tar(&[long]), size + 2048).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn every_entry_counts_towards_the_limit() {
        let names_of = |directories: usize| {
            let mut entries = vec![directory("blobs/"); directories];
            entries.push(file("index.json", "{}"));
            let content = tar(&entries);
            names(&content, content.len() as u64)
        };
        assert_eq!(names_of(MEMBER_LIMIT - 1).unwrap(), ["index.json"]);
        let error = names_of(MEMBER_LIMIT).unwrap_err();
        assert!(error.to_string().contains("10000 entries"), "{error}");
    }
}
