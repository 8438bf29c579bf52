//! Finds problems before anything is downloaded.
//!
//! In this order: removes leftovers of killed runs; checks for root, /proc and statx; that the image
//! can be written ([`pack::Place`]); that the target is free and its file system can hold a tree
//! ([`target`](crate::tree::target)); that there are keys for the sources (`run::sources`); that
//! the cache is safe to use ([`Store`](crate::store::Store)); that registries accept the image
//! (`run::push`); that the host permits a sandbox and can run the tree's programs
//! ([`Installation::begin`](crate::install::Installation::begin)). Once the plan is known,
//! [`require_room`] compares its sizes with the file systems.

mod room;

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::Error;
use super::claim::ClaimedOutputs;
use super::request::{Goal, Request};
use super::several::SharedByImages;
use crate::formats::arch;
use crate::interrupt::Interrupt;
use crate::pack::{self, Image, Place};
use crate::privilege::Privilege;
use crate::report::Report;
use crate::tree::target;

pub(super) use room::{Disk, require_room};

/// Removes what killed runs have left, and claims the outputs of a run that has any before anything
/// is fetched, so that a run that cannot end well fails at once.
pub(super) fn claim<'a>(
    request: &'a Request,
    report: &'a Report,
    shared: &'a SharedByImages<'a>,
    interrupt: &'a Interrupt,
) -> Result<Option<ClaimedOutputs<'a>>, Error> {
    remove_leftovers(&request.outputs.temporary, report);
    if request.goal != Goal::Make {
        return Ok(None);
    }
    let privilege = request.privilege.as_ref().map_err(Clone::clone)?;
    tell(privilege, report);
    let outputs = &request.outputs;
    if rustix::fs::stat(c"/proc/self/fd").is_err() {
        return Err(Error::NoProc);
    }
    let status = rustix::fs::statx(CWD, c"/", AtFlags::empty(), StatxFlags::BASIC_STATS);
    status.map_err(|error| Error::NoStatx(error.into()))?;
    // The place of several images is open already.
    let is_open = shared.index.borrow().is_some();
    let image = outputs.image.as_ref().filter(|_| !is_open);
    let place = image_place(image)?;
    let claimed = ClaimedOutputs::new(outputs, report, shared, interrupt)?;
    if let Some((place, image)) = place.zip(image) {
        pack::try_out(place, image, claimed.root())?;
    }
    Ok(Some(claimed))
}

/// Fails if the tree's programs set owners in a way that this mode does not see.
pub(super) fn require_known_calls(request: &Request, architecture: &str) -> Result<(), Error> {
    let Ok(privilege) = &request.privilege else {
        return Ok(());
    };
    let has_other_calls = arch::has_other_calls(architecture);
    Ok(privilege.require_known_calls(architecture, has_other_calls)?)
}

/// Says as whom the tree is made.
fn tell(privilege: &Privilege, report: &Report) {
    let text = format!("the tree is made as {privilege}");
    match privilege.is_in_user_namespace() {
        true => report.note(text),
        false => report.detail(text),
    }
}

/// Removes the temporary directories of runs that were killed.
fn remove_leftovers(temporary: &Path, report: &Report) {
    for leftover in target::sweep(temporary) {
        let path = leftover.path.display();
        let process = match leftover.process {
            Some(process) => format!(" (process {process})"),
            None => String::new(),
        };
        report.warning(match leftover.remains {
            None => format!("removed {path}, which a killed run had left{process}"),
            Some(remains) => {
                format!(
                    "{path} was left by a killed run{process} and could not be removed: {remains}"
                )
            }
        });
    }
}

/// The place of an image that does not go to standard output.
fn image_place(image: Option<&Image>) -> Result<Option<Place>, Error> {
    match image.and_then(Image::path) {
        Some(path) => Ok(Some(Place::find(path)?)),
        None => Ok(None),
    }
}
