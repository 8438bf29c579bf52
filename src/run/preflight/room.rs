//! Compares the sizes of a plan with what is free on the file systems that it is written to.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fstat, fstatvfs};
use rustix::io::Errno;

use super::super::Error;
use super::super::claim::ClaimedOutputs;
use super::super::request::Request;
use super::image_place;
use crate::formats::compress::Compression;
use crate::install::InstallPlan;
use crate::pack::{Content, Image, Layout};
use crate::store::Store;

/// How many files and directories a package has at least: a payload, its documentation's directory
/// and copyright, and two of dpkg's.
const INODES_OF_PACKAGE: u64 = 5;
/// Files and directories that every tree has.
const INODES_OF_BASE: u64 = 60;

/// A file system, and what is free on it.
#[derive(Clone, Copy, Debug)]
pub(in crate::run) struct Disk {
    device: u64,
    /// In bytes. `u64::MAX` where the file system states no size.
    bytes: u64,
    /// `u64::MAX` where the file system has no fixed number.
    inodes: u64,
}

/// Space that a part of the run needs.
struct Need {
    /// `the packages`, …
    what: &'static str,
    path: PathBuf,
    disk: Disk,
    /// In bytes.
    bytes: u64,
    inodes: u64,
}

/// What is needed on one disk.
struct Total {
    /// `the packages and the image`
    what: String,
    bytes: u64,
    inodes: u64,
}

/// Fails when what the plan needs does not fit on the file systems of the target, the image and the
/// cache. Where only decoded copies in the cache are in the way, they give way.
pub(in crate::run) fn require_room(
    request: &Request,
    plan: &InstallPlan,
    claim: Option<&ClaimedOutputs<'_>>,
    store: &Store,
) -> Result<(), Error> {
    let installed = installed_size(plan);
    let mut needs = vec![downloads(plan, store)?];
    if let Some(claim) = claim {
        let mut tree = installed;
        if request.system.first_stage {
            let archives = plan.debs.iter().map(|deb| deb.size);
            tree = archives.fold(tree, u64::saturating_add);
        }
        needs.push(packages(plan, claim, tree));
        needs.extend(image(request.outputs.image.as_ref(), installed)?);
    }
    for need in &needs {
        let total = Total::on(&need.disk, &needs);
        let mut free = need.disk.bytes;
        let cache = Disk::at(store.directory()).ok();
        let is_cache = cache.is_some_and(|cache| cache.device == need.disk.device);
        while is_cache && free < total.bytes && store.make_room(total.bytes - free) {
            free = Disk::at(&need.path).map_or(free, |disk| disk.bytes);
        }
        if is_cache && free < total.bytes.saturating_add(installed) {
            store.keep_no_copies();
        }
        if free < total.bytes {
            return Err(Error::NoRoom {
                path: need.path.clone(),
                what: total.what,
                free,
                needed: total.bytes,
            });
        }
        if need.disk.inodes < total.inodes {
            return Err(Error::NoInodes {
                path: need.path.clone(),
                what: total.what,
                free: need.disk.inodes,
                needed: total.inodes,
            });
        }
    }
    Ok(())
}

/// In bytes.
fn installed_size(plan: &InstallPlan) -> u64 {
    let mut installed: u64 = 0;
    for chosen in plan.plan.packages() {
        let bytes = chosen.package().installed_size.saturating_mul(1024);
        installed = installed.saturating_add(bytes);
    }
    installed
}

fn packages(plan: &InstallPlan, claim: &ClaimedOutputs<'_>, installed: u64) -> Need {
    Need {
        what: "the packages",
        path: claim.root().path().to_owned(),
        // Part of what was free then is filled with the plan's own packages now.
        disk: claim.disk_before(),
        bytes: installed,
        inodes: INODES_OF_BASE + plan.debs.len() as u64 * INODES_OF_PACKAGE,
    }
}

fn image(image: Option<&Image>, installed: u64) -> Result<Option<Need>, Error> {
    let place = image_place(image)?.filter(|place| !place.is_special());
    let Some((place, image)) = place.zip(image) else {
        return Ok(None);
    };
    Ok(Some(Need {
        what: "the image",
        path: place.path().to_owned(),
        disk: measured(Disk::of(place.directory()), place.path())?,
        bytes: least_image(installed, image),
        inodes: 1,
    }))
}

fn downloads(plan: &InstallPlan, store: &Store) -> Result<Need, Error> {
    let missing = store.missing(&plan.debs);
    let cache = store.directory();
    Ok(Need {
        what: "the downloads",
        path: cache.to_owned(),
        disk: measured(Disk::at(cache), cache)?,
        bytes: missing.bytes,
        inodes: missing.files,
    })
}

fn measured(disk: Result<Disk, Errno>, path: &Path) -> Result<Disk, Error> {
    disk.map_err(|source| Error::Measure {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// The least space that an image needs, in bytes. The tar of a minimal system has some 0.85 of its
/// Installed-Size, compressed with xz 0.2; path rules may leave out half of it. A layer is a file
/// before it is in the archive of an OCI image.
fn least_image(installed: u64, image: &Image) -> u64 {
    let tar = match image.encoding.compression() {
        Compression::None => installed / 2,
        Compression::Gzip
        | Compression::Bzip2
        | Compression::Xz
        | Compression::Lzma
        | Compression::Zstd => installed / 10,
    };
    match &image.content {
        Content::Oci {
            layout: Layout::Archive(_),
            ..
        } => 2 * tar,
        // squashfs is compressed.
        Content::FileSystem { .. } => installed / 10,
        Content::Tar(_) | Content::Oci { .. } => tar,
    }
}

impl Disk {
    /// The file system of an open directory.
    pub(in crate::run) fn of(directory: impl AsFd) -> Result<Disk, Errno> {
        let device = fstat(&directory)?.st_dev;
        let found = fstatvfs(&directory)?;
        let mut disk = Disk {
            device,
            bytes: u64::MAX,
            inodes: u64::MAX,
        };
        if found.f_blocks > 0 {
            disk.bytes = found.f_bavail.saturating_mul(found.f_frsize);
        }
        if found.f_files > 0 {
            disk.inodes = found.f_favail;
        }
        Ok(disk)
    }

    fn at(path: &Path) -> Result<Disk, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Disk::of(opened)
    }
}

impl Total {
    fn on(disk: &Disk, needs: &[Need]) -> Total {
        let mut total = Total {
            what: String::new(),
            bytes: 0,
            inodes: 0,
        };
        for need in needs {
            if need.disk.device != disk.device || need.inodes == 0 {
                continue;
            }
            if !total.what.is_empty() {
                total.what.push_str(" and ");
            }
            total.what.push_str(need.what);
            total.bytes = total.bytes.saturating_add(need.bytes);
            total.inodes = total.inodes.saturating_add(need.inodes);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_on_one_disk_are_added() {
        let need = |what, device, bytes| Need {
            what,
            path: PathBuf::new(),
            disk: Disk {
                device,
                bytes: 0,
                inodes: 0,
            },
            bytes,
            inodes: 2,
        };
        let needs = [
            need("the packages", 1, u64::MAX),
            need("the image", 2, 5),
            need("the downloads", 1, 7),
        ];
        let total = Total::on(&needs[0].disk, &needs);
        assert_eq!(total.what, "the packages and the downloads");
        assert_eq!(total.bytes, u64::MAX);
        assert_eq!(total.inodes, 4);
        assert_eq!(Total::on(&needs[1].disk, &needs).what, "the image");
    }
}
