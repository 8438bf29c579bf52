//! `rbootstrap pack` and `rbootstrap join`: makes images from existing trees and images.

use std::path::{Path, PathBuf};

use super::Error;
use super::inventory::{self, DescribedTree};
use super::push::{Destinations, SpooledImage, require_own_refs};
use super::request::{InventoryOutputs, NetworkOptions, PushOutputs};
use crate::interrupt::Interrupt;
use crate::pack::oci::{self, JoinOptions};
use crate::pack::{self, Image, Place, Publication};
use crate::report::Report;
use crate::tree::rootfs::Rootfs;

/// What `rbootstrap pack` makes of a tree.
pub(crate) struct PackRequest<'a> {
    /// `None` if the image is only pushed.
    pub(crate) image: Option<&'a Image>,
    pub(crate) options: pack::Options,
    pub(crate) inventory: &'a InventoryOutputs,
    pub(crate) push: &'a PushOutputs,
    pub(crate) network: &'a NetworkOptions,
}

/// What `rbootstrap join` makes of images.
pub(crate) struct JoinRequest<'a> {
    pub(crate) options: &'a JoinOptions,
    pub(crate) push: &'a PushOutputs,
    pub(crate) network: &'a NetworkOptions,
}

/// Writes one OCI image of several platforms from images of one.
pub(crate) fn join(
    request: JoinRequest<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<(), Error> {
    let joined = join_images(request, interrupt, report);
    joined.map_err(|error| error.or_interrupted(interrupt, false))
}

fn join_images(
    request: JoinRequest<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<(), Error> {
    let JoinRequest {
        options,
        push,
        network,
    } = request;
    require_own_refs(push, &options.images)?;
    let outputs: Vec<&Path> = options
        .output
        .path()
        .into_iter()
        .chain(push.refs.as_deref())
        .collect();
    Place::require_distinct(&outputs)?;
    let destinations = Destinations::open(push, network, interrupt, report)?;
    if let Some(destinations) = &destinations {
        destinations.try_out()?;
    }
    oci::join(options, interrupt)?;
    match (destinations, options.output.path()) {
        (Some(destinations), Some(path)) => destinations.push_written(path, interrupt, report),
        (Some(_) | None, _) => Ok(()),
    }
}

/// Writes an existing tree as an image, with the documents that say what is in it.
pub(crate) fn pack(
    directory: &Path,
    request: PackRequest<'_>,
    report: &Report,
) -> Result<(), Error> {
    let interrupt = request.options.interrupt.clone();
    let packed = Rootfs::open(directory).map_err(Error::from);
    let packed = packed.and_then(|root| pack_tree(&root, request, report));
    packed.map_err(|error| error.or_interrupted(&interrupt, false))
}

fn pack_tree(root: &Rootfs, request: PackRequest<'_>, report: &Report) -> Result<(), Error> {
    let PackRequest {
        image,
        mut options,
        inventory,
        push,
        network,
    } = request;
    let interrupt = options.interrupt.clone();
    let spooled = SpooledImage::new(push, &options.temporary)?;
    let spooled_image = spooled.as_ref().map(SpooledImage::image);
    let Some(image) = spooled_image.or(image) else {
        return Ok(());
    };
    inventory::require_distinct_of_tree(root, image, inventory, push.refs.as_deref())?;
    let destinations = Destinations::open(push, network, &interrupt, report)?;
    if let Some(destinations) = &destinations {
        destinations.try_out()?;
    }
    let tree = DescribedTree {
        root: root.into(),
        report,
    };
    let documents = inventory::of_tree(tree, image, inventory, &options)?;
    options.predicate = documents.predicate;
    let mut publication = Publication::default();
    publication.add(documents.files);
    publication.set_image(pack::write(root.into(), image, &options, report)?);
    publication.publish(&options.interrupt)?.keep();
    let path = image.path().map(PathBuf::from);
    match (destinations, path) {
        (Some(destinations), Some(path)) => {
            let pushed = destinations.push_written(&path, &interrupt, report);
            let stays = *inventory != InventoryOutputs::default();
            pushed.map_err(|error| error.or_interrupted(&interrupt, stays))
        }
        (Some(_) | None, _) => Ok(()),
    }
}
