//! Snapshots of the installation: the state of a tree after a step, kept in the cache under the
//! step's key.
//!
//! A snapshot lists the whole tree. A file that a package ships unchanged is named by its package
//! and its entry there, and is taken from the decoded package; the content of all others is in the
//! snapshot. `points` decides after which steps one may be kept, `capture` writes it, `restore`
//! makes the tree again, `list` lists it for an image, `encoding` is the list's format. Continuing
//! the run is left to `execute`.

mod capture;
mod encoding;
mod list;
mod points;
mod restore;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;

use clap::ValueEnum;

use crate::dpkg;
use crate::dpkg::StagedOrigin;
use crate::dpkg::configure::{SavedStandIn, Services};
use crate::dpkg::staging::StagingDirectory;
use crate::failure::Class;
use crate::formats::deb::ExtendedAttribute;
use crate::formats::digest::Digest;
use crate::formats::key::KeyHasher;
use crate::formats::package_key::PackageKey;
use crate::store::{DerivedKind, Store, Verified};
use crate::tree::STAGING;
use crate::tree::base;
use crate::tree::listed::ContentFile;
use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::install_plan::InstallPlan;
use super::key::StepKey;
use super::steps::{Options, Step};

pub(super) use capture::{Capture, NotKept};
pub(super) use list::{NotListed, TreeLister};
pub(super) use points::SnapshotPoints;
pub(super) use restore::{Existing, Restoration, existing, require_files};

const PURPOSE: &str = "rbootstrap snapshot 2";

/// At the end of a snapshot, after the offset of its list.
const MAGIC: &[u8; 16] = b"rbootstrap-snap2";
/// The length of what follows the list, in bytes.
const TRAILER: u64 = 8 + MAGIC.len() as u64;

/// Which installations the cache keeps snapshots of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Snapshots {
    /// After the essential packages are configured, and of a finished system if no package was
    /// named
    #[default]
    Base,
    /// Also of every finished system
    All,
    /// Keep none, and start from none
    None,
    /// After every step, for tests
    #[value(hide = true)]
    EveryStep,
}

/// Which snapshots an installation uses.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotOptions {
    pub(crate) kept: Snapshots,
    /// The maps of user and group ids that the program works with.
    pub(crate) id_maps: String,
}

/// What a snapshot records about a tree as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotHeader {
    /// The packages that files come from.
    pub(super) packages: Vec<PackageKey>,
    /// SOURCE_DATE_EPOCH of the scripts, in seconds, if one has run.
    pub(super) script_epoch: Option<i64>,
    /// What keeps services from starting; None where nothing does.
    pub(super) stand_ins: Option<Vec<SavedStandIn>>,
    /// The newest build date of the packages in the tree, in seconds since the epoch.
    pub(super) newest: i64,
    /// The time of the run that made the tree, in nanoseconds since the epoch.
    pub(super) made_from: i64,
    pub(super) made_until: i64,
}

/// A path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SavedEntry {
    pub(super) path: RootPath,
    pub(super) kind: SavedKind,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    pub(super) modified: SavedTime,
    pub(super) attributes: Vec<ExtendedAttribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SavedKind {
    Directory,
    /// A file that its package ships unchanged.
    Placed(StagedOrigin),
    /// A file whose content is in the snapshot.
    Stored {
        at: u64,
        size: u64,
    },
    Symlink {
        target: Vec<u8>,
    },
    /// Another name of an earlier entry, by its position.
    Link {
        to: usize,
    },
    /// A device or a FIFO, by the format bits of its mode.
    Node {
        format: u32,
        major: u32,
        minor: u32,
    },
}

/// A modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SavedTime {
    /// Since the epoch.
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    /// Whether it is a time of the run itself, which differs from run to run.
    pub(super) is_made: bool,
}

/// Why the tree of a snapshot could not be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the snapshot of the installation cannot be read")]
    Read(#[source] io::Error),
    #[error("the snapshot of the installation is malformed")]
    Malformed,
    #[error("the snapshot of the installation names {package}, which is not in the plan")]
    Package { package: PackageKey },
    #[error(
        "the snapshot of the installation has {path} from a package, which does not contain it"
    )]
    File { path: RootPath },
    #[error(transparent)]
    Unpack(#[from] dpkg::unpack::Error),
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Read(_)
            | Error::Malformed
            | Error::Package { .. }
            | Error::File { .. }
            | Error::Rootfs(_) => Class::Target,
            Error::Unpack(error) => error.class(),
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Read(_)
            | Error::Malformed
            | Error::Package { .. }
            | Error::File { .. }
            | Error::Rootfs(_) => Some("--snapshots none starts from the beginning".to_owned()),
            Error::Unpack(error) => error.hint(),
        }
    }
}

/// The key of the snapshot after a step: the step's key, and what else of the host the tree may
/// depend on.
pub(super) fn snapshot_key(step: &StepKey, host: &SnapshotHost) -> Digest {
    let SnapshotHost {
        id_maps,
        kernel,
        has_devices,
        attributes,
    } = host;
    let mut key = KeyHasher::new(PURPOSE);
    key.text(&step.hexadecimal());
    key.text(id_maps);
    key.text(kernel);
    key.flag(*has_devices);
    key.number(attributes.len() as u64);
    for name in attributes {
        key.text(name);
    }
    key.finish()
}

impl InstallPlan {
    /// The number of the step after which a run would start, by the snapshots in the cache. Assumes
    /// root, a host that refuses nothing, and a file system that keeps all attributes.
    pub(crate) fn known_start(
        &self,
        options: &Options,
        snapshots: &SnapshotOptions,
        store: &Store,
    ) -> Option<usize> {
        let steps = self.steps(options);
        let (keys, steps): (Vec<StepKey>, Vec<Step>) = steps.into_iter().unzip();
        let points = SnapshotPoints::new(&steps, self, snapshots.kept);
        let host = SnapshotHost::usual(&snapshots.id_maps);
        let mut possible = points.possible.into_iter().rev();
        let found = possible.find(|at| {
            let key = snapshot_key(&keys[*at], &host);
            store.derived(DerivedKind::Snapshot, &key).is_some()
        });
        found.map(|at| at + 1)
    }
}

/// What a tree may depend on besides its steps.
#[derive(Clone, Debug)]
pub(super) struct SnapshotHost {
    /// The maps of user and group ids.
    id_maps: String,
    /// The kernel's release, which scripts see.
    kernel: String,
    /// Whether the host permits device nodes.
    has_devices: bool,
    /// Which extended attributes the tree's file system keeps.
    attributes: Vec<String>,
}

impl SnapshotHost {
    /// This host, with a tree whose base has been made.
    pub(super) fn of(
        root: &Rootfs,
        staging: &StagingDirectory,
        id_maps: &str,
    ) -> Result<SnapshotHost, rootfs::Error> {
        let attributes = staging.kept_attributes();
        let staging = RootPath::known(STAGING);
        Ok(SnapshotHost {
            has_devices: base::has_devices(root)?,
            attributes: attributes.map_err(|e| root.error(&staging, "try attributes in it", e))?,
            ..SnapshotHost::usual(id_maps)
        })
    }

    /// This host, if the program is root and refused nothing.
    fn usual(id_maps: &str) -> SnapshotHost {
        let system = rustix::system::uname();
        SnapshotHost {
            id_maps: id_maps.to_owned(),
            kernel: system.release().to_string_lossy().into_owned(),
            has_devices: true,
            attributes: rootfs::all_attributes(),
        }
    }
}

/// A snapshot that was found.
pub(super) struct Snapshot {
    content: ContentFile,
    pub(super) header: SnapshotHeader,
    /// Each directory before what is in it; the root is the first.
    entries: Vec<SavedEntry>,
}

impl Snapshot {
    /// Reads everything but the content of files. The seal has been verified.
    pub(super) fn open(found: &Verified) -> io::Result<Snapshot> {
        let malformed = || io::Error::from(io::ErrorKind::InvalidData);
        let file = found.open()?;
        let end = found.size().checked_sub(TRAILER).ok_or_else(malformed)?;
        let mut trailer = [0; TRAILER as usize];
        file.read_exact_at(&mut trailer, end)?;
        let (offset, magic) = trailer.split_at(8);
        let offset = u64::from_le_bytes(offset.try_into().unwrap_or_default());
        let length = end.checked_sub(offset).ok_or_else(malformed)?;
        if magic != MAGIC {
            return Err(malformed());
        }
        let mut list = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut list, offset)?;
        let (header, entries) = encoding::decode(&list).ok_or_else(malformed)?;
        let snapshot = Snapshot {
            content: ContentFile {
                file,
                path: found.path().to_owned(),
                package: None,
            },
            header,
            entries,
        };
        match snapshot.is_consistent(offset) {
            true => Ok(snapshot),
            false => Err(malformed()),
        }
    }

    /// Whether everything that entries refer to exists. `content` is the size of all content, in
    /// bytes.
    fn is_consistent(&self, content: u64) -> bool {
        let stand_ins = self.header.stand_ins.iter().flatten();
        let is_known = Services::is_stand_in;
        let staging = RootPath::known(STAGING);
        // Whether each is a directory.
        let mut paths: HashMap<&RootPath, bool> = HashMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let SavedEntry { path, kind, .. } = entry;
            let is_below = match path.is_root() {
                true => at == 0,
                false => paths.get(&path.parent()) == Some(&true) && !path.is_within(&staging),
            };
            let is_directory = *kind == SavedKind::Directory;
            let is_new = paths.insert(path, is_directory).is_none();
            let is_time = entry.modified.nanoseconds < 1_000_000_000;
            if !is_below || !is_new || !is_time || !self.is_possible(at, content) {
                return false;
            }
        }
        let root = self.entries.first();
        let has_root = root.is_some_and(|root| root.kind == SavedKind::Directory);
        has_root && stand_ins.map(|saved| &saved.path).all(is_known)
    }

    /// Whether what an entry refers to exists.
    fn is_possible(&self, at: usize, content: u64) -> bool {
        match &self.entries[at].kind {
            SavedKind::Directory | SavedKind::Symlink { .. } | SavedKind::Node { .. } => true,
            SavedKind::Placed(origin) => (origin.package as usize) < self.header.packages.len(),
            SavedKind::Stored { at, size } => {
                let end = at.checked_add(*size);
                end.is_some_and(|end| end <= content)
            }
            SavedKind::Link { to } => {
                let first = self.entries[..at].get(*to).map(|first| &first.kind);
                !matches!(
                    first,
                    None | Some(SavedKind::Directory | SavedKind::Link { .. })
                )
            }
        }
    }
}
