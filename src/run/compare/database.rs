//! dpkg's database in the layers of an image: the status, and the stanzas of status.d.
//!
//! Layers are read as engines stack them (OCI image-spec, layer.md): what a layer has replaces what
//! is below, `.wh.NAME` hides NAME, `.wh..wh..opq` all that is below a directory. Only these files
//! are kept, and the links on the way to them. Where a link leads elsewhere, the caller reads again
//! with the places that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::formats::deb::{Archive, Entry, Kind, TarError};
use crate::inventory::{self, PackageFileRecord, STATUS, STATUS_DIRECTORY};
use crate::tree::rootfs::RootPath;

/// The most bytes of an image's database that are in memory at once, with the names of its files. A
/// status of 5,000 packages has 8 MB.
pub(super) const SIZE_LIMIT: u64 = 32 << 20;
/// What each entry counts for besides its bytes: about what it takes in memory.
const ENTRY_SIZE: usize = 128;
/// The prefix of a name that hides what is below.
const WHITEOUT: &[u8] = b".wh.";
/// The name that hides all of its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Where a tree has its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    status: RootPath,
    single: RootPath,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            status: RootPath::known(STATUS),
            single: RootPath::known(STATUS_DIRECTORY),
        }
    }
}

/// What was read so far.
#[derive(Debug)]
pub(super) struct Database {
    places: Places,
    kept: KeptNodes,
    /// The directories whose content this layer has hidden. Lower layers have been read, so a
    /// second whiteout of the same directory has no effect.
    hidden: BTreeSet<RootPath>,
    /// The number of the layer that is being read.
    layer: usize,
}

/// What is kept of the layers so far.
#[derive(Debug, Default)]
struct KeptNodes {
    nodes: BTreeMap<RootPath, DatabaseNode>,
    /// What the nodes and the hidden directories count for, in bytes.
    size: u64,
}

/// Something at one of the places, or above it.
#[derive(Debug)]
struct DatabaseNode {
    layer: usize,
    kind: DatabaseNodeKind,
}

#[derive(Debug)]
enum DatabaseNodeKind {
    File(Vec<u8>),
    Directory,
    /// The target.
    Symlink(Vec<u8>),
    /// The path of another entry.
    HardLink(RootPath),
    Other,
}

/// More than [`SIZE_LIMIT`], or a tar that cannot be read.
#[derive(Debug)]
pub(super) enum LayerFailure {
    TooLarge,
    Tar(TarError),
}

impl From<TarError> for LayerFailure {
    fn from(error: TarError) -> LayerFailure {
        LayerFailure::Tar(error)
    }
}

impl Database {
    pub(super) fn new(places: Places) -> Database {
        Database {
            places,
            kept: KeptNodes::default(),
            hidden: BTreeSet::new(),
            layer: 0,
        }
    }

    /// Begins the next layer.
    pub(super) fn begin_layer(&mut self) {
        self.layer += 1;
        for directory in std::mem::take(&mut self.hidden) {
            self.kept.size -= size_of_path(&directory);
        }
    }

    /// Takes the next entry of the layer.
    pub(super) fn take<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), LayerFailure> {
        let path = RootPath::default().target(&entry.path);
        if path.name() == OPAQUE {
            return self.hide_content(&path.parent());
        }
        if let Some(hidden) = path.name().strip_prefix(WHITEOUT) {
            return self.hide(&path.parent(), hidden);
        }
        if !self.concerns(&path) {
            return Ok(());
        }
        // What is replaced goes first, so that it does not count beside what replaces it.
        if !(entry.kind == Kind::Directory && self.kept.may_be_directory(&path)) {
            self.kept.remove_below(&path, self.layer + 1);
        }
        self.kept.remove(&path);
        let kind = match entry.kind {
            Kind::File if self.is_wanted(&path) => {
                self.kept.require_room(entry.size)?;
                DatabaseNodeKind::File(archive.content()?)
            }
            Kind::Directory => DatabaseNodeKind::Directory,
            Kind::Symlink => DatabaseNodeKind::Symlink(entry.target.clone()),
            Kind::HardLink => DatabaseNodeKind::HardLink(RootPath::default().target(&entry.target)),
            Kind::File | Kind::Character | Kind::Block | Kind::Fifo => DatabaseNodeKind::Other,
        };
        let layer = self.layer;
        self.kept.insert(path, DatabaseNode { layer, kind })
    }

    /// Removes what lower layers have at a name of a directory, and below it.
    fn hide(&mut self, directory: &RootPath, name: &[u8]) -> Result<(), LayerFailure> {
        // Internal files of aufs, and invalid names.
        if name.starts_with(WHITEOUT) || matches!(name, b"" | b"." | b"..") {
            return Ok(());
        }
        let path = directory.entry(name);
        let node = self.kept.nodes.get(&path);
        if node.is_some_and(|node| node.layer < self.layer) {
            self.kept.remove(&path);
        }
        self.hide_content(&path)
    }

    /// Removes what lower layers have below a directory.
    fn hide_content(&mut self, directory: &RootPath) -> Result<(), LayerFailure> {
        if !self.concerns(directory) || self.hidden.contains(directory) {
            return Ok(());
        }
        self.kept.remove_below(directory, self.layer);
        self.kept.count(size_of_path(directory))?;
        self.hidden.insert(directory.clone());
        Ok(())
    }

    /// Whether a path is one of the places, above one, or a file of status.d.
    fn concerns(&self, path: &RootPath) -> bool {
        let Places { status, single } = &self.places;
        status.is_within(path) || single.is_within(path) || self.is_wanted(path)
    }

    /// Whether the content of a file is wanted.
    fn is_wanted(&self, path: &RootPath) -> bool {
        let Places { status, single } = &self.places;
        path == status
            || path != single && path.parent() == *single && !path.name().ends_with(b".md5sums")
    }

    /// The places that links lead to, if they are others.
    pub(super) fn led_to(&self) -> Option<Places> {
        let places = Places {
            status: self.follow(&self.places.status),
            single: self.follow(&self.places.single),
        };
        (places != self.places).then_some(places)
    }

    /// Follows the first link on the way to a path.
    fn follow(&self, path: &RootPath) -> RootPath {
        let mut way = RootPath::default();
        let mut names = path.as_bytes().split(|byte| *byte == b'/');
        while let Some(name) = names.next() {
            way = way.entry(name);
            let base = match self.kept.nodes.get(&way).map(|node| &node.kind) {
                Some(DatabaseNodeKind::Symlink(target)) => way.parent().target(target),
                Some(DatabaseNodeKind::HardLink(target)) => target.clone(),
                _ => continue,
            };
            return names.fold(base, |base, name| base.entry(name));
        }
        path.clone()
    }

    /// The packages; `None` if the tree has neither of the places.
    pub(super) fn packages(&self) -> Option<Vec<PackageFileRecord>> {
        let mut status = None;
        let mut single = Vec::new();
        for (path, node) in &self.kept.nodes {
            let DatabaseNodeKind::File(content) = &node.kind else {
                continue;
            };
            let text = String::from_utf8_lossy(content);
            match *path == self.places.status {
                true => status = Some(text),
                false => single.push(text),
            }
        }
        if status.is_none() && single.is_empty() {
            return None;
        }
        let status = status.unwrap_or_default();
        let single = single.iter().map(|text| text.as_ref());
        Some(inventory::installed(&status, single))
    }
}

impl KeptNodes {
    fn insert(&mut self, path: RootPath, node: DatabaseNode) -> Result<(), LayerFailure> {
        self.count(node.size(&path))?;
        self.nodes.insert(path, node);
        Ok(())
    }

    fn remove(&mut self, path: &RootPath) {
        if let Some(node) = self.nodes.remove(path) {
            self.size -= node.size(path);
        }
    }

    /// Removes what lower layers than this one have below a path.
    fn remove_below(&mut self, path: &RootPath, layer: usize) {
        let is_lower = |_: &RootPath, node: &mut DatabaseNode| node.layer < layer;
        for (path, node) in self.nodes.extract_if(path.range_below(), is_lower) {
            self.size -= node.size(&path);
        }
    }

    /// Whether a path is a directory, or not known.
    fn may_be_directory(&self, path: &RootPath) -> bool {
        match self.nodes.get(path).map(|node| &node.kind) {
            None | Some(DatabaseNodeKind::Directory) => true,
            Some(_) => false,
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), LayerFailure> {
        self.require_room(bytes)?;
        self.size += bytes;
        Ok(())
    }

    fn require_room(&self, bytes: u64) -> Result<(), LayerFailure> {
        match self.size.saturating_add(bytes) > SIZE_LIMIT {
            true => Err(LayerFailure::TooLarge),
            false => Ok(()),
        }
    }
}

impl DatabaseNode {
    /// What it counts for, in bytes.
    fn size(&self, path: &RootPath) -> u64 {
        let content = match &self.kind {
            DatabaseNodeKind::File(content) => content.len(),
            DatabaseNodeKind::Symlink(target) => target.len(),
            DatabaseNodeKind::HardLink(target) => target.as_bytes().len(),
            DatabaseNodeKind::Directory | DatabaseNodeKind::Other => 0,
        };
        size_of_path(path) + content as u64
    }
}

/// What a path counts for, in bytes.
fn size_of_path(path: &RootPath) -> u64 {
    (path.as_bytes().len() + ENTRY_SIZE) as u64
}
