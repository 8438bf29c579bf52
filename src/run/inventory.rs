//! The documents that say what is in an image: reads the tree, adds where its packages are from,
//! and writes what was asked for.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::request::{InventoryOutputs, Outputs, Request};
use super::sources::Sources;
use super::{Error, local};
use crate::formats::compress::Integrity;
use crate::formats::deb::{Deb, DebLimits};
use crate::formats::suite::Variant;
use crate::install::InstallPlan;
use crate::interrupt::Interrupt;
use crate::inventory::{
    Inventory, PREDICATE_TYPE, PackageFileRecord, Provenance, ReleaseName, SbomFormat,
};
use crate::pack::oci::Predicate;
use crate::pack::{self, Content, Image, Place, WrittenDocument};
use crate::report::Report;
use crate::store::downloads::Downloads;
use crate::store::{self, RemoteFile};
use crate::tree::identity;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::Rootfs;

/// What stands for the native architecture in a path.
pub(crate) const ARCHITECTURE: &str = "{arch}";

/// Used if the tree does not reveal its architecture.
const UNKNOWN: &str = "unknown";

/// The documents of an image, still without their names.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) files: Vec<WrittenDocument>,
    /// What the image attests.
    pub(super) predicate: Option<Predicate>,
}

/// Fails if two outputs of a run have the same path.
pub(super) fn require_distinct(request: &Request, architecture: &str) -> Result<(), Error> {
    let outputs = &request.outputs;
    let documents = outputs.inventory.of_architecture(architecture);
    let mut all = paths(&documents);
    all.extend(outputs.lock.as_deref());
    all.extend(outputs.checksums.as_deref());
    all.extend(outputs.push.refs.as_deref());
    all.extend(outputs.image.as_ref().and_then(Image::path));
    Ok(Place::require_distinct(&all)?)
}

/// Fails if two outputs of a packed tree are one.
pub(super) fn require_distinct_of_tree(
    root: &Rootfs,
    image: &Image,
    outputs: &InventoryOutputs,
    refs: Option<&Path>,
) -> Result<(), Error> {
    let architecture = identity::architecture(root.into(), &Report::silent());
    let named = outputs.of_architecture(architecture.as_deref().unwrap_or(UNKNOWN));
    let mut all = paths(&named);
    all.extend(refs);
    all.extend(image.path());
    Ok(Place::require_distinct(&all)?)
}

/// Fails if a document, the lock or the checksums cannot be written at its place.
pub(super) fn try_out(
    request: &Request,
    architecture: &str,
    root: Option<&Rootfs>,
) -> Result<(), Error> {
    let documents = request.outputs.inventory.of_architecture(architecture);
    for path in paths(&documents) {
        WrittenDocument::try_out(path, root)?;
    }
    let Outputs {
        lock, checksums, ..
    } = &request.outputs;
    for path in [lock, checksums].into_iter().flatten() {
        WrittenDocument::try_out(path, root)?;
    }
    Ok(())
}

fn paths(outputs: &InventoryOutputs) -> Vec<&Path> {
    let mut paths: Vec<&Path> = Vec::new();
    paths.extend(outputs.manifest.as_deref());
    for sbom in &outputs.sboms {
        paths.push(&sbom.path);
    }
    paths
}

/// Where the packages of a run are from; `None` if nothing was asked for that says it.
pub(super) fn provenance(
    request: &Request,
    sources: &Sources,
    plan: &InstallPlan,
    fetch: &Arc<Downloads>,
) -> Result<Option<Provenance>, Error> {
    let outputs = &request.outputs;
    if paths(&outputs.inventory).is_empty() && !attests(outputs.image.as_ref()) {
        return Ok(None);
    }
    let mut files = Vec::new();
    let mut unregistered = Vec::new();
    // dpkg's status has no packages that were only unpacked.
    let is_only_unpacked = request.system.variant == Variant::Extract || request.system.first_stage;
    for (chosen, deb) in plan.plan.packages().iter().zip(&plan.debs) {
        let package = chosen.package();
        let uri = chosen
            .release()
            .and_then(|release| sources.public_uri(release));
        files.push(PackageFileRecord {
            name: package.name.clone(),
            version: package.version.as_str().to_owned(),
            architecture: package.architecture.clone(),
            digest: Some(PackageFileRecord::shown_digest(&deb.digest)),
            size: Some(deb.size),
            url: uri.map(|uri| format!("{uri}/{}", store::encode(&package.filename))),
        });
        if is_only_unpacked {
            unregistered.push(control(deb, fetch)?);
        }
    }
    let suite = &sources.suite;
    Ok(Some(Provenance {
        name: None,
        created: 0,
        release: ReleaseName {
            id: suite.distribution.clone(),
            name: suite.distribution.clone(),
            version: suite.codename.clone(),
        },
        architecture: sources.architectures.first().cloned(),
        files,
        unregistered,
    }))
}

/// The control file of a package.
fn control(deb: &RemoteFile, fetch: &Downloads) -> Result<String, Error> {
    let verified = fetch.original(deb).map_err(Error::Fetch)?;
    let file = verified.open().map_err(|source| local::Error::Read {
        word: deb.name.clone(),
        source,
    })?;
    let limits = DebLimits::new(deb.size, 0, Interrupt::default());
    let opened = Deb::open(file, Integrity::Known, limits, None);
    let opened = opened.map_err(|source| local::Error::Deb {
        word: deb.name.clone(),
        source,
    })?;
    Ok(opened.stanza)
}

/// A tree that documents describe, and the report for what cannot be read in it.
#[derive(Clone, Copy)]
pub(super) struct DescribedTree<'a> {
    pub(super) root: ReadableTree<'a>,
    pub(super) report: &'a Report,
}

/// Writes the documents of a run's tree.
pub(super) fn write(
    tree: DescribedTree<'_>,
    outputs: &Outputs,
    provenance: Option<Provenance>,
    epoch: i64,
) -> Result<Documents, Error> {
    let Some(mut provenance) = provenance else {
        return Ok(Documents::default());
    };
    provenance.created = epoch;
    provenance.name = tag(outputs.image.as_ref());
    let attests = attests(outputs.image.as_ref());
    documents(tree, &provenance, &outputs.inventory, attests)
}

/// Writes the documents of a tree of which nothing else is known.
pub(super) fn of_tree(
    tree: DescribedTree<'_>,
    image: &Image,
    outputs: &InventoryOutputs,
    options: &pack::Options,
) -> Result<Documents, Error> {
    if paths(outputs).is_empty() && !attests(Some(image)) {
        return Ok(Documents::default());
    }
    let root = tree.root;
    let created = match options.epoch {
        Some(epoch) => epoch,
        None => pack::newest(root, &options.interrupt)?,
    };
    let provenance = Provenance {
        name: tag(Some(image)),
        created,
        ..Provenance::default()
    };
    documents(tree, &provenance, outputs, attests(Some(image)))
}

fn documents(
    tree: DescribedTree<'_>,
    provenance: &Provenance,
    outputs: &InventoryOutputs,
    attests: bool,
) -> Result<Documents, Error> {
    let root = tree.root;
    let inventory = Inventory::read(root, provenance, tree.report)?;
    let architecture = inventory.architecture.as_deref().unwrap_or(UNKNOWN);
    let outputs = outputs.of_architecture(architecture);
    let mut documents = Documents::default();
    if let Some(path) = &outputs.manifest {
        let bytes = inventory.manifest().map_err(unwritten)?;
        let written = WrittenDocument::write(path, &bytes, root.directory())?;
        documents.files.push(written);
    }
    for sbom in &outputs.sboms {
        let bytes = match sbom.format {
            SbomFormat::Spdx => inventory.spdx(),
            SbomFormat::CycloneDx => inventory.cyclonedx(),
        };
        let bytes = bytes.map_err(unwritten)?;
        let written = WrittenDocument::write(&sbom.path, &bytes, root.directory())?;
        documents.files.push(written);
    }
    if attests {
        documents.predicate = Some(Predicate {
            kind: PREDICATE_TYPE,
            document: inventory.spdx_value().map_err(unwritten)?,
        });
    }
    Ok(documents)
}

fn unwritten(error: serde_json::Error) -> pack::Error {
    pack::Error::Write {
        source: error.into(),
    }
}

impl InventoryOutputs {
    /// The documents of an image of one architecture.
    fn of_architecture(&self, architecture: &str) -> InventoryOutputs {
        let mut outputs = self.clone();
        if let Some(path) = &mut outputs.manifest {
            *path = with_architecture(path, architecture);
        }
        for sbom in &mut outputs.sboms {
            sbom.path = with_architecture(&sbom.path, architecture);
        }
        outputs
    }
}

/// The path for images of one architecture.
fn with_architecture(path: &Path, architecture: &str) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, ARCHITECTURE.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(architecture.as_bytes());
        rest = &rest[at + ARCHITECTURE.len()..];
    }
    replaced.extend_from_slice(rest);
    PathBuf::from(OsString::from_vec(replaced))
}

/// Whether the image attests what is in it.
pub(super) fn attests(image: Option<&Image>) -> bool {
    let content = image.map(|image| &image.content);
    matches!(content, Some(Content::Oci { settings, .. }) if settings.attest)
}

fn tag(image: Option<&Image>) -> Option<String> {
    match image.map(|image| &image.content) {
        Some(Content::Oci { settings, .. }) => settings.tag.as_ref().map(ToString::to_string),
        Some(Content::Tar(_) | Content::FileSystem { .. }) | None => None,
    }
}
