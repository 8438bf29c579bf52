//! Pushes the image of a run, or an existing image, to registries.
//!
//! The registries are tested before anything is downloaded. The image is pushed from the layout
//! that was written; if no file was requested, the layout is in a temporary directory.

use std::path::{Path, PathBuf};

use super::Error;
use super::request::{Goal, NetworkOptions, PushOutputs, Request};
use crate::failure::with_causes;
use crate::interrupt::Interrupt;
use crate::pack::oci::StoredImage;
use crate::pack::{self, Content, Image, Layout, Place, Publication, WrittenDocument};
use crate::registry::{self, Client, Destination, Pushed};
use crate::report::Report;
use crate::tree::target::Target;

/// The name of the layout in a temporary directory.
const LAYOUT: &str = "image";

/// Where an image goes besides its file.
#[derive(Debug)]
pub(super) struct Destinations {
    list: Vec<Destination>,
    /// The file that gets a line NAME@DIGEST for each destination.
    refs: Option<PathBuf>,
    /// Whether the image is only pushed, not kept in a file.
    is_spooled: bool,
}

/// A request to push an image that exists.
#[derive(Debug)]
pub(crate) struct PushRequest<'a> {
    /// An archive or a directory.
    pub(crate) image: &'a Path,
    pub(crate) push: &'a PushOutputs,
    pub(crate) network: &'a NetworkOptions,
}

/// An image that is only pushed, in a temporary directory until then.
#[derive(Debug)]
pub(super) struct SpooledImage {
    image: Image,
    /// Removed when it is dropped.
    _directory: Target,
}

impl SpooledImage {
    /// A place for the image of a run, if no file gets it.
    pub(super) fn of(request: &Request) -> Result<Option<SpooledImage>, Error> {
        if request.goal != Goal::Make || request.outputs.push.unnamed.is_none() {
            return Ok(None);
        }
        request.privilege.as_ref().map_err(Clone::clone)?;
        SpooledImage::new(&request.outputs.push, &request.outputs.temporary)
    }

    /// A place below `temporary` for the image, if no file gets it.
    pub(super) fn new(push: &PushOutputs, temporary: &Path) -> Result<Option<SpooledImage>, Error> {
        let Some(unnamed) = &push.unnamed else {
            return Ok(None);
        };
        let directory = Target::temporary(temporary)?;
        let path = directory.root().path().join(LAYOUT);
        Ok(Some(SpooledImage {
            image: Image {
                content: Content::Oci {
                    layout: Layout::Directory(path),
                    settings: unnamed.settings.clone(),
                },
                encoding: unnamed.encoding,
            },
            _directory: directory,
        }))
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    /// The request that makes this image.
    pub(super) fn adapt(&self, request: &Request) -> Request {
        let mut request = request.clone();
        request.outputs.image = Some(self.image.clone());
        request
    }
}

impl Destinations {
    /// The destinations of a run that makes an image.
    pub(super) fn of(
        request: &Request,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<Option<Destinations>, Error> {
        match request.goal {
            Goal::Make => {
                Destinations::open(&request.outputs.push, &request.network, interrupt, report)
            }
            Goal::PrintDebs | Goal::Simulate | Goal::Download => Ok(None),
        }
    }

    /// Sets up a client, if there are destinations. It asks no registry yet.
    pub(super) fn open(
        push: &PushOutputs,
        network: &NetworkOptions,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<Option<Destinations>, Error> {
        if push.references.is_empty() {
            return Ok(None);
        }
        let options = registry::Options {
            access: push.access.clone(),
            limits: network.transfers,
            tries: network.tries,
            proxies: network.proxies.clone(),
        };
        let client = Client::open(options, interrupt, report)?;
        let mut list = Vec::new();
        for reference in &push.references {
            list.push(client.destination(reference));
        }
        Ok(Some(Destinations {
            list,
            refs: push.refs.clone(),
            is_spooled: push.unnamed.is_some(),
        }))
    }

    /// Pushes the image of a layout that was just written. The layout is kept if pushing fails.
    pub(super) fn push_written(
        &self,
        layout: &Path,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<(), Error> {
        let image = StoredImage::read(layout, interrupt);
        let image = image.map_err(|error| pack::Error::from(error).into());
        let pushed = image.and_then(|image| self.push(&image, interrupt, report));
        if pushed.is_err() && !self.is_spooled {
            report.note(format!(
                "the image stays in {0}: `rbootstrap push {0} NAME` pushes it",
                layout.display()
            ));
        }
        let stays = !self.is_spooled;
        pushed.map_err(|error| error.or_interrupted(interrupt, stays))?;
        Ok(())
    }

    /// Fails if nothing can be pushed to one of them, or the file of references cannot be written.
    pub(super) fn try_out(&self) -> Result<(), Error> {
        self.try_out_refs()?;
        for destination in &self.list {
            destination.try_out()?;
        }
        Ok(())
    }

    fn try_out_refs(&self) -> Result<(), Error> {
        match &self.refs {
            Some(path) => Ok(WrittenDocument::try_out(path, None)?),
            None => Ok(()),
        }
    }

    /// Pushes an image to all of them, and writes the file of references. If one destination fails,
    /// the others still get the image.
    fn push(
        &self,
        image: &StoredImage,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<Vec<Pushed>, Error> {
        let mut all = Vec::new();
        let mut failures = Vec::new();
        let mut before = None;
        let mut stopped = None;
        for destination in &self.list {
            if let Some(cause) = interrupt.cause() {
                stopped = Some(Error::Interrupted { cause, kept: false });
                break;
            }
            match destination.push(image, before) {
                Ok(pushed) => {
                    report.note(told(&pushed));
                    all.push(pushed);
                    before = Some(destination);
                }
                Err(failure) => failures.push(failure),
            }
        }
        let has_pushed = !all.is_empty();
        let written = match has_pushed {
            true => self.write_refs(&all),
            false => Ok(()),
        };
        let result = match (Error::of_pushes(failures).or(stopped), written) {
            (None, Ok(())) => Ok(all),
            (None, Err(error)) | (Some(error), Ok(())) => Err(error),
            (Some(error), Err(unwritten)) => {
                report.warning(with_causes(&unwritten));
                Err(error)
            }
        };
        result.map_err(|error| error.or_interrupted(interrupt, has_pushed))
    }

    /// Writes the file of references, also after an interrupt: it says what registries have.
    fn write_refs(&self, all: &[Pushed]) -> Result<(), Error> {
        if let Some(path) = &self.refs {
            let document = WrittenDocument::write(path, refs(all).as_bytes(), None)?;
            let mut publication = Publication::default();
            publication.add([document]);
            publication.publish(&Interrupt::default())?.keep();
        }
        Ok(())
    }
}

/// Fails if the file of references would replace one of the images that are read, or be in its
/// directory.
pub(super) fn require_own_refs(push: &PushOutputs, images: &[PathBuf]) -> Result<(), Error> {
    let Some(refs) = &push.refs else {
        return Ok(());
    };
    for image in images {
        // An image that is absent fails when it is read. `/` has no place that a file could take.
        if let Ok(path) = image.canonicalize()
            && path.file_name().is_some()
        {
            Place::require_distinct(&[&path, refs])?;
        }
    }
    Ok(())
}

/// Pushes an image that exists. Returns a line NAME@DIGEST for each name.
pub(crate) fn push(
    request: PushRequest<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<String, Error> {
    let pushed = push_existing(request, interrupt, report);
    let pushed = pushed.map_err(|error| error.or_interrupted(interrupt, true))?;
    Ok(refs(&pushed))
}

fn push_existing(
    request: PushRequest<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<Pushed>, Error> {
    let image = StoredImage::read(request.image, interrupt).map_err(pack::Error::from)?;
    let mut push = request.push.clone();
    if push.references.is_empty() {
        let name = image.name.clone().ok_or_else(|| Error::NoName {
            path: request.image.to_owned(),
        });
        push.references.push(name?);
    }
    require_own_refs(&push, &[request.image.to_owned()])?;
    let Some(destinations) = Destinations::open(&push, request.network, interrupt, report)? else {
        return Ok(Vec::new());
    };
    match destinations.list.len() {
        // With one destination, the push itself shows whether it is possible.
        1 => destinations.try_out_refs()?,
        _ => destinations.try_out()?,
    }
    destinations.push(&image, interrupt, report)
}

fn told(pushed: &Pushed) -> String {
    let Pushed {
        reference,
        digest,
        is_unchanged,
        sent,
    } = pushed;
    match is_unchanged {
        true => format!("{reference} is unchanged: {digest}"),
        false => {
            let megabytes = *sent as f64 / 1e6;
            format!("pushed {reference}, {megabytes:.1} MB sent: {digest}")
        }
    }
}

/// A line NAME@DIGEST for each name.
fn refs(all: &[Pushed]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for pushed in all {
        let line = format!("{}\n", pushed.by_digest());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}
