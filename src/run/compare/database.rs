//! dpkg's database in the layers of an image: the status, and the stanzas of status.d.
//!
//! Layers are read as engines stack them (OCI image-spec, layer.md): what a layer has replaces what
//! is below, `.wh.NAME` hides NAME, `.wh..wh..opq` all that is below a directory. Only these files
//! are kept, and the links on the way to them. Where a link leads elsewhere, the caller reads again
//! with the places that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Bound;

use crate::formats::deb::{Archive, Entry, Kind, TarError};
use crate::inventory::{self, PackageFileRecord, STATUS, STATUS_DIRECTORY};

/// The most bytes that are kept of an image's database, with the names of its files. A status of
/// 5,000 packages has 8 MB.
pub(super) const SIZE_LIMIT: u64 = 32 << 20;
/// What each entry counts for besides its bytes: about what it takes in memory.
const ENTRY_SIZE: usize = 128;
/// The prefix of a name that hides what is below.
const WHITEOUT: &[u8] = b".wh.";
/// The name that hides all of its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Where a tree has its database: paths without a slash at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    status: Vec<u8>,
    single: Vec<u8>,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            status: STATUS.into(),
            single: STATUS_DIRECTORY.into(),
        }
    }
}

/// What was read so far.
#[derive(Debug)]
pub(super) struct Database {
    places: Places,
    nodes: BTreeMap<Vec<u8>, DatabaseNode>,
    /// The directories whose content this layer has hidden. Nothing of lower layers gets there
    /// again, so once is enough, however often a layer says it.
    hidden: BTreeSet<Vec<u8>>,
    /// The number of the layer that is being read.
    layer: usize,
    /// The bytes that were kept.
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
    HardLink(Vec<u8>),
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
            nodes: BTreeMap::new(),
            hidden: BTreeSet::new(),
            layer: 0,
            size: 0,
        }
    }

    /// Begins the next layer.
    pub(super) fn begin_layer(&mut self) {
        self.layer += 1;
        self.hidden.clear();
    }

    /// Takes the next entry of the layer.
    pub(super) fn take<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), LayerFailure> {
        let path = normal(b"", &entry.path);
        let name = name(&path);
        if name == OPAQUE {
            return self.hide_content(parent(&path));
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.hide(parent(&path), hidden);
        }
        if !self.concerns(&path) {
            return Ok(());
        }
        let kind = match entry.kind {
            Kind::File if self.is_wanted(&path) => {
                DatabaseNodeKind::File(self.content(entry, archive)?)
            }
            Kind::Directory => DatabaseNodeKind::Directory,
            Kind::Symlink => DatabaseNodeKind::Symlink(entry.target.clone()),
            Kind::HardLink => DatabaseNodeKind::HardLink(normal(b"", &entry.target)),
            Kind::File | Kind::Character | Kind::Block | Kind::Fifo => DatabaseNodeKind::Other,
        };
        self.count((path.len() + entry.target.len() + ENTRY_SIZE) as u64)?;
        let was_directory = matches!(
            self.nodes.get(&path),
            None | Some(DatabaseNode {
                kind: DatabaseNodeKind::Directory,
                ..
            })
        );
        if !(was_directory && matches!(kind, DatabaseNodeKind::Directory)) {
            for _ in self.nodes.extract_if(below(&path), |_, _| true) {}
        }
        let layer = self.layer;
        self.nodes.insert(path, DatabaseNode { layer, kind });
        Ok(())
    }

    /// Removes what lower layers have at a name of a directory, and below it.
    fn hide(&mut self, directory: &[u8], name: &[u8]) -> Result<(), LayerFailure> {
        // Files of aufs's own, and what is no name.
        if name.starts_with(WHITEOUT) || matches!(name, b"" | b"." | b"..") {
            return Ok(());
        }
        let path = normal(directory, name);
        if self
            .nodes
            .get(&path)
            .is_some_and(|node| node.layer < self.layer)
        {
            self.nodes.remove(&path);
        }
        self.hide_content(&path)
    }

    /// Removes what lower layers have below a directory.
    fn hide_content(&mut self, directory: &[u8]) -> Result<(), LayerFailure> {
        if !self.concerns(directory) || self.hidden.contains(directory) {
            return Ok(());
        }
        self.count((directory.len() + ENTRY_SIZE) as u64)?;
        self.hidden.insert(directory.to_vec());
        let layer = self.layer;
        let lower = |_: &Vec<u8>, node: &mut DatabaseNode| node.layer < layer;
        for _ in self.nodes.extract_if(below(directory), lower) {}
        Ok(())
    }

    /// Whether a path is one of the places, above one, or a file of status.d.
    fn concerns(&self, path: &[u8]) -> bool {
        let above = |place: &[u8]| place == path || is_below(place, path);
        above(&self.places.status) || above(&self.places.single) || self.is_wanted(path)
    }

    /// Whether the content of a file is wanted.
    fn is_wanted(&self, path: &[u8]) -> bool {
        let is_single = parent(path) == self.places.single && !path.ends_with(b".md5sums");
        path == self.places.status || is_single && path != self.places.single
    }

    fn content<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<Vec<u8>, LayerFailure> {
        self.count(entry.size)?;
        let mut content = Vec::new();
        loop {
            let chunk = archive.chunk()?;
            if chunk.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(chunk);
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), LayerFailure> {
        self.size = self.size.saturating_add(bytes);
        match self.size > SIZE_LIMIT {
            true => Err(LayerFailure::TooLarge),
            false => Ok(()),
        }
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
    fn follow(&self, path: &[u8]) -> Vec<u8> {
        for end in ends(path) {
            let (way, rest) = path.split_at(end);
            let base = match self.nodes.get(way).map(|node| &node.kind) {
                Some(DatabaseNodeKind::Symlink(target)) => normal(parent(way), target),
                Some(DatabaseNodeKind::HardLink(target)) => target.clone(),
                _ => continue,
            };
            return normal(&base, rest.strip_prefix(b"/").unwrap_or(rest));
        }
        path.to_vec()
    }

    /// The packages; `None` if the tree has neither of the places.
    pub(super) fn packages(&self) -> Option<Vec<PackageFileRecord>> {
        let mut status = None;
        let mut single = Vec::new();
        for (path, node) in &self.nodes {
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

/// The path that `path` is, seen from the directory `from`, as a chain of names.
fn normal(from: &[u8], path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let start: &[u8] = if path.starts_with(b"/") { b"" } else { from };
    for name in [start, path]
        .into_iter()
        .flat_map(|part| part.split(|&byte| byte == b'/'))
    {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join(&b'/')
}

fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => &path[..at],
        None => b"",
    }
}

fn name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => &path[at + 1..],
        None => path,
    }
}

/// The paths below a directory, of which the empty one is the root.
fn below(directory: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    if directory.is_empty() {
        return (Bound::Unbounded, Bound::Unbounded);
    }
    // The byte after the slash.
    let [first, end] = [b"/", b"0"].map(|last| [directory, last].concat());
    (Bound::Included(first), Bound::Excluded(end))
}

/// Whether a path is below a directory, of which the empty one is the root.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => !rest.is_empty() && (directory.is_empty() || rest[0] == b'/'),
        None => false,
    }
}

/// Where the names of a path end, from the first to the last.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    let slashes = (0..path.len()).filter(|at| path[*at] == b'/');
    slashes.chain([path.len()])
}
