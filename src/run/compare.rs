//! What has changed between the packages of two images, each given as a lock, a manifest, an image,
//! an archive of a tree or a tree.
//!
//! `contents` and `archives` read what is given, and `database` finds dpkg's database in layers.
//! Images of several platforms are compared platform by platform.

mod archives;
mod contents;
mod database;
mod error;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::path::Path;

use super::Error as RunError;
use crate::formats::lock::changes::{PackageChange, PackageList};
use crate::interrupt::Interrupt;
use crate::pack::oci::Platform;
use crate::report::Report;
use archives::DECODED_LIMIT;
use contents::{ComparedImages, ImageReader};
pub(crate) use error::Error;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompareRequest<'a> {
    pub(crate) old: &'a Path,
    pub(crate) new: &'a Path,
    /// The Debian architecture of the images that are compared; `None` for all.
    pub(crate) architecture: Option<&'a str>,
    /// Where a compressed archive of an image is decompressed.
    pub(crate) temporary: &'a Path,
}

/// What has changed on one platform.
#[derive(Debug)]
pub(crate) struct PlatformChanges {
    /// `linux/arm64/v8`; only if several are compared.
    pub(crate) platform: Option<String>,
    pub(crate) changes: Vec<PackageChange>,
}

/// What differs between the packages of two images.
pub(crate) fn changes(
    request: CompareRequest<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<PlatformChanges>, RunError> {
    let reader = ImageReader {
        architecture: request.architecture,
        temporary: request.temporary,
        interrupt,
        report,
        left: Cell::new(DECODED_LIMIT),
    };
    compare(request, &reader)
        .map_err(|error| RunError::from(error).or_interrupted(interrupt, false))
}

fn compare(
    request: CompareRequest<'_>,
    reader: &ImageReader<'_>,
) -> Result<Vec<PlatformChanges>, Error> {
    let old = reader.read(request.old)?;
    let new = reader.read(request.new)?;
    match (&old.lists[..], &new.lists[..]) {
        ([before], [after]) => Ok(vec![PlatformChanges {
            platform: None,
            changes: after.packages.changes_since(&before.packages),
        }]),
        ([_], _) => Err(several(&new, &old)),
        (_, [_]) => Err(several(&old, &new)),
        _ => Ok(by_platform(&old, &new)),
    }
}

/// An index cannot be compared with one image.
fn several(index: &ComparedImages, other: &ComparedImages) -> Error {
    Error::SeveralPlatforms {
        path: index.path.clone(),
        platforms: index.platforms(),
        other: other.path.clone(),
    }
}

/// Compares platform by platform. A platform that one of both lacks has no packages there.
fn by_platform(old: &ComparedImages, new: &ComparedImages) -> Vec<PlatformChanges> {
    let nothing = PackageList::default();
    let mut all: Vec<&Platform> = Vec::new();
    for list in new.lists.iter().chain(&old.lists) {
        if let Some(platform) = &list.platform
            && !all.iter().any(|known| known.is_as(platform))
        {
            all.push(platform);
        }
    }
    all.sort_by_key(|platform| platform.to_string());
    let mut compared = Vec::new();
    for platform in all {
        let before = old.of_platform(platform).unwrap_or(&nothing);
        let after = new.of_platform(platform).unwrap_or(&nothing);
        compared.push(PlatformChanges {
            platform: Some(platform.to_string()),
            changes: after.changes_since(before),
        });
    }
    compared
}

impl ComparedImages {
    fn of_platform(&self, platform: &Platform) -> Option<&PackageList> {
        for list in &self.lists {
            if list.is_for(platform) {
                return Some(&list.packages);
            }
        }
        None
    }

    fn platforms(&self) -> Vec<String> {
        let mut names = Vec::new();
        for list in &self.lists {
            names.extend(list.platform.as_ref().map(Platform::to_string));
        }
        names
    }
}
