//! Joins images of different platforms, each made on its own machine, into one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::Error;
use super::super::form::Layout;
use super::super::publication::Publication;
use super::attestation::is_attestation;
use super::index::{Naming, contents};
use super::layout::LayoutDestination;
use super::read::{self, Error as ReadError};
use super::{JoinedImage, Reference};
use crate::interrupt::Interrupt;

/// What is joined, and how the whole is called.
#[derive(Clone, Debug)]
pub(crate) struct JoinOptions {
    /// Archives and directories.
    pub(crate) images: Vec<PathBuf>,
    pub(crate) output: Layout,
    /// By default the name that all images share.
    pub(crate) tag: Option<Reference>,
    /// For the whole, in addition to those that all images share.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Writes one layout with the images of several.
pub(crate) fn join(options: &JoinOptions, interrupt: &Interrupt) -> Result<(), Error> {
    let destination = LayoutDestination::open(&options.output, None)?;
    let mut parts: Vec<JoinedImage> = Vec::new();
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut tags = Vec::new();
    for path in &options.images {
        let read = read::images(path, interrupt)?;
        for part in read.parts {
            let platform = part.descriptor.platform.as_ref().map(ToString::to_string);
            let platform = platform.unwrap_or_default();
            // There may be an attestation for each image.
            if !is_attestation(&part.descriptor)
                && let Some(first) = places.insert(platform.clone(), path.clone())
            {
                return Err(Error::Read(ReadError::SamePlatform {
                    first,
                    second: path.clone(),
                    platform,
                }));
            }
            parts.push(part);
        }
        tags.push(read.tag);
    }
    tags.dedup();
    let mut naming = Naming {
        tag: options.tag.clone(),
        annotations: options.annotations.clone(),
    };
    if let (None, [shared]) = (&naming.tag, &tags[..]) {
        naming.tag.clone_from(shared);
    }
    let written = destination.write(contents(parts, &naming)?, interrupt)?;
    let mut publication = Publication::default();
    publication.set_image(written);
    publication.publish(interrupt)?.keep();
    Ok(())
}
