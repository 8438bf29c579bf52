//! Several images of one index: a run for each, one after the other, and one layout for all.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::lock::GivenLock;
use super::push::Destinations;
use super::request::{Goal, InventoryOutputs, Request};
use super::stages::RunStages;
use super::stores::Stores;
use super::{Done, Error};
use crate::pack::oci::IndexWriter;
use crate::pack::{Image, Publication};

/// What the runs of one request share.
#[derive(Debug, Default)]
pub(super) struct SharedByImages<'a> {
    /// Becomes true if something stays after a failure.
    pub(super) stays: Cell<bool>,
    /// Says what is installed, instead of the options.
    pub(super) lock: Option<GivenLock>,
    /// Takes the images, if there are several.
    pub(super) index: RefCell<Option<IndexWriter>>,
    /// What gets its name once all images are complete.
    pub(super) publication: RefCell<Publication>,
    /// Instead of a store of its own.
    pub(super) stores: Option<&'a Stores>,
    /// Which registries get what is made.
    pub(super) destinations: Option<&'a Destinations>,
    /// Whether the registries take it, once it is known.
    pub(super) tried: OnceCell<()>,
}

/// Makes all images of a request, then names them and the documents beside them, and pushes what was
/// made.
pub(super) fn make(stages: RunStages<'_>) -> Result<Vec<Done>, Error> {
    let RunStages {
        request,
        interrupt,
        report,
        shared,
    } = stages;
    let done = images(stages)?;
    shared.publication.take().publish(interrupt)?.keep();
    let outputs = &request.outputs;
    if outputs.directory.is_some()
        || outputs.lock.is_some()
        || outputs.checksums.is_some()
        || outputs.inventory != InventoryOutputs::default()
    {
        // A push that fails undoes none of these.
        shared.stays.set(true);
    }
    let path = outputs.image.as_ref().and_then(Image::path);
    if let (Some(destinations), Some(path)) = (shared.destinations, path) {
        destinations.push_written(path, interrupt, report)?;
    }
    Ok(done)
}

impl SharedByImages<'_> {
    /// Fails if a registry does not take the images. Each is asked once.
    pub(super) fn try_out_registries(&self) -> Result<(), Error> {
        if let Some(destinations) = self.destinations
            && self.tried.get().is_none()
        {
            destinations.try_out()?;
            self.tried.get_or_init(|| ());
        }
        Ok(())
    }
}

fn images(stages: RunStages<'_>) -> Result<Vec<Done>, Error> {
    let RunStages {
        request, shared, ..
    } = stages;
    if request.other_architectures.is_empty() {
        return Ok(vec![stages.run()?]);
    }
    refuse_pipes(request)?;
    if let (Goal::Make, Some(image)) = (request.goal, &request.outputs.image) {
        shared.index.replace(IndexWriter::open(image, None)?);
    }
    let mut done = vec![stages.run()?];
    for architectures in &request.other_architectures {
        let mut next = request.clone();
        next.system.architectures.clone_from(architectures);
        let stages = RunStages {
            request: &next,
            ..stages
        };
        done.push(stages.run()?);
    }
    if let Some(index) = shared.index.take() {
        let image = index.finish(stages.interrupt)?;
        shared.publication.borrow_mut().set_image(image);
    }
    Ok(done)
}

/// Fails if an input can be read only once, because every image reads it.
fn refuse_pipes(request: &Request) -> Result<(), Error> {
    let Request {
        system, sources, ..
    } = request;
    let lines = sources.extra_sources.iter();
    let extra: Vec<PathBuf> = lines.map(PathBuf::from).collect();
    let profile = system.profile.iter().flat_map(|choice| &choice.names);
    let profile: Vec<PathBuf> = profile.map(PathBuf::from).collect();
    let inputs = [
        ("--preseed", system.preseed.as_slice()),
        ("--keyring", sources.keyrings.as_slice()),
        ("--source", extra.as_slice()),
        ("--auth-conf", sources.auth_files.as_slice()),
        ("--profile", profile.as_slice()),
    ];
    for (option, paths) in inputs {
        if let Some(path) = paths.iter().find(|path| is_read_once(option, path)) {
            return Err(Error::ReadOnce {
                option,
                path: path.clone(),
            });
        }
    }
    Ok(())
}

/// Whether a second reader finds nothing: standard input, a pipe, a socket.
fn is_read_once(option: &str, path: &Path) -> bool {
    let is_stdin = option == "--preseed" && path.as_os_str() == "-";
    let kind = path.metadata().map(|found| found.file_type());
    is_stdin || kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
