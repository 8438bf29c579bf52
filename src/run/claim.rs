//! Claims what a run writes: the target directory, and the file or standard output that takes the
//! image.
//!
//! A claim that is dropped before [`ClaimedOutputs::finish`] undoes everything, unless the user
//! keeps failed trees.

use super::image_key::{self, ImageKey};
use super::inventory::{self, DescribedTree};
use super::preflight::Disk;
use super::request::{Limits, Outputs};
use super::several::SharedByImages;
use super::{Error, now};
use crate::install::Installed;
use crate::interrupt::Interrupt;
use crate::inventory::Provenance;
use crate::pack::{self, Publication};
use crate::report::Report;
use crate::tree::base;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::Rootfs;
use crate::tree::secrets::{self, FoundSecret};
use crate::tree::target::Target;

/// The claimed target of a run.
pub(super) struct ClaimedOutputs<'a> {
    target: Target,
    /// What was free before anything was written.
    disk: Disk,
    outputs: &'a Outputs,
    report: &'a Report,
    shared: &'a SharedByImages<'a>,
    interrupt: &'a Interrupt,
    /// What is later than this, in seconds since 1970, was written by the run.
    began: i64,
    finished: bool,
}

/// What an image is written of besides its tree.
pub(super) struct Packed<'a> {
    pub(super) installed: &'a Installed,
    pub(super) provenance: Option<Provenance>,
    pub(super) limits: Limits,
    /// The image's key.
    pub(super) key: &'a ImageKey,
}

impl<'a> ClaimedOutputs<'a> {
    /// Claims the target, which is checked by [`preflight`](super::preflight).
    pub(super) fn new(
        outputs: &'a Outputs,
        report: &'a Report,
        shared: &'a SharedByImages<'a>,
        interrupt: &'a Interrupt,
    ) -> Result<ClaimedOutputs<'a>, Error> {
        // A file system's clock may lag behind by a tick.
        let began = now() - 1;
        let target = match &outputs.directory {
            Some(directory) if outputs.takes_any_directory => Target::occupy(directory)?,
            Some(directory) => Target::claim(directory)?,
            None => Target::temporary(&outputs.temporary)?,
        };
        if let Some(process) = target.left_by() {
            report.warning(format!(
                "removed what a killed run had left in {} (process {process})",
                target.root().path().display()
            ));
        }
        let disk = Disk::of(target.directory()).map_err(|e| Error::Measure {
            path: target.root().path().to_owned(),
            source: e.into(),
        })?;
        Ok(ClaimedOutputs {
            target,
            disk,
            outputs,
            report,
            shared,
            interrupt,
            began,
            finished: false,
        })
    }

    pub(super) fn root(&self) -> &Rootfs {
        self.target.root()
    }

    /// Set if a list of the finished tree will do: only an image is made of it. The time after which
    /// the run writes files, in seconds since 1970.
    pub(super) fn listed_until(&self) -> Option<i64> {
        let Outputs {
            directory,
            image,
            keep_failed,
            ..
        } = self.outputs;
        // The tree of a failed run may be asked for.
        let is_packed = directory.is_none() && image.is_some() && !keep_failed;
        is_packed.then_some(self.began)
    }

    /// The target's file system as it was before anything was written.
    pub(super) fn disk_before(&self) -> Disk {
        self.disk
    }

    /// Finishes a tree: its secrets, its device nodes, its times, of which none is later than that
    /// of the image.
    pub(super) fn tidy(
        &self,
        installed: &mut Installed,
        removes_secrets: bool,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        self.tell_devices()?;
        // A snapshot has no secrets, and a list no package's file that is later than the run.
        if installed.listed.is_none() {
            self.look_for_secrets(removes_secrets, interrupt)?;
        }
        self.limit_times(installed, interrupt)
    }

    /// Removes the secrets that scripts have made, or warns of them.
    fn look_for_secrets(&self, removes: bool, interrupt: &Interrupt) -> Result<(), Error> {
        let found = secrets::find(self.root(), self.began, interrupt)?;
        let removable = |secret: &FoundSecret| removes && !secret.stays;
        let (removed, left): (Vec<_>, Vec<_>) = found.into_iter().partition(removable);
        if !removed.is_empty() {
            secrets::remove(self.root(), &removed)?;
            let shown = shown(&removed);
            self.report
                .note(format!("removed secrets made while building: {shown}"));
        }
        if !left.is_empty() {
            let shown = shown(&left);
            self.report.warning(format!(
                "the image contains secrets made while building, which every copy of it shares: {shown}"
            ));
        }
        Ok(())
    }

    /// Says so where the host permits no device nodes in a tree that stays. An image has none.
    fn tell_devices(&self) -> Result<(), Error> {
        if self.outputs.directory.is_some() && base::lacks_devices(self.root())? {
            let path = self.root().path().display();
            let text = format!("the host permits no device nodes, so {path}/dev has none");
            self.report.note(text);
        }
        Ok(())
    }

    /// Sets the times in a tree that are later than its epoch, and those of its making, to the
    /// epoch, as in an image. So an image that is made of the tree later, by whatever program, has
    /// the times of one made at once. A directory that had files of the user's keeps all times.
    fn limit_times(&self, installed: &mut Installed, interrupt: &Interrupt) -> Result<(), Error> {
        let stays = self.outputs.directory.is_some();
        if stays && self.outputs.takes_any_directory {
            return Ok(());
        }
        // An image limits the times itself. An epoch in the future limits nothing.
        let epoch = installed.epoch;
        let began = self.began.min(installed.began - 1);
        if stays || epoch > began {
            let since = epoch.min(began);
            match &mut installed.listed {
                Some(listed) => listed.set_times(since, epoch),
                None => self.root().set_times(since, epoch, interrupt)?,
            }
        }
        Ok(())
    }

    /// Writes the image, if one was asked for, and the documents about it, still without their
    /// names. Fails if the run was interrupted, even if nothing noticed so far.
    pub(super) fn pack(&self, packed: Packed<'_>) -> Result<(), Error> {
        let Packed {
            installed,
            provenance,
            limits,
            key,
        } = packed;
        let root = match &installed.listed {
            Some(listed) => ReadableTree::Listed(listed),
            None => self.root().into(),
        };
        let tree = DescribedTree {
            root,
            report: self.report,
        };
        let epoch = installed.epoch;
        let documents = inventory::write(tree, self.outputs, provenance, epoch)?;
        self.shared.publication.borrow_mut().add(documents.files);
        let says_key = self.outputs.says_key;
        let with_key = |image| image_key::with_key(image, key);
        let keyed = self
            .outputs
            .image
            .as_ref()
            .filter(|_| says_key)
            .map(with_key);
        if let Some(image) = keyed.as_ref().or(self.outputs.image.as_ref()) {
            let options = pack::Options {
                epoch: Some(epoch),
                threads: u32::try_from(limits.jobs).unwrap_or(u32::MAX),
                encoding: image.encoding,
                devices: self.outputs.devices,
                temporary: self.outputs.temporary.clone(),
                predicate: documents.predicate,
                interrupt: self.interrupt.clone(),
            };
            match &mut *self.shared.index.borrow_mut() {
                Some(index) => index.add(root, &options, self.report)?,
                None => {
                    let image = pack::write(root, image, &options, self.report)?;
                    self.shared.publication.borrow_mut().set_image(image);
                }
            }
        }
        match self.interrupt.cause() {
            Some(cause) => Err(Error::Interrupted {
                cause,
                kept: self.outputs.keeps_failed(),
            }),
            None => Ok(()),
        }
    }

    /// Keeps the tree that the user asked for, and names the image and the documents: all or none.
    /// Several images are named by [`several`](super::several). A tree that was made for an image
    /// only is removed. From here on, the run has succeeded.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let has_several = self.shared.index.borrow().is_some();
        let publication = match has_several {
            true => Publication::default(),
            false => self.shared.publication.take(),
        };
        let published = publication.publish(self.interrupt)?;
        if self.outputs.directory.is_some() {
            self.target.keep()?;
        }
        published.keep();
        self.finished = true;
        Ok(())
    }

    fn keep_failed(&mut self) {
        let path = self.target.root().path().display().to_string();
        match self.target.keep() {
            Ok(()) => self
                .report
                .warning(format!("the failed tree stays in {path}")),
            Err(error) => self.report.warning(format!(
                "the failed tree stays in {path}, but the next run there removes it: {error}"
            )),
        }
    }
}

/// How many secrets a message names.
const SHOWN: usize = 20;

/// `/etc/ssh/ssh_host_rsa_key (an ssh host key), … and 3 more`
fn shown(found: &[FoundSecret]) -> String {
    let mut shown = Vec::new();
    for FoundSecret { path, what, .. } in found.iter().take(SHOWN) {
        shown.push(format!("{path} ({what})"));
    }
    let shown = shown.join(", ");
    match found.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Drop for ClaimedOutputs<'_> {
    fn drop(&mut self) {
        if !self.finished && self.outputs.keep_failed {
            return self.keep_failed();
        }
        let path = self.target.root().path().display().to_string();
        // All other work has ended. Removing a large tree takes a while.
        if let Some(cause) = self.interrupt.cause() {
            self.report.note(format!("{cause}: removing {path}"));
        }
        if let Err(remains) = self.target.undo() {
            self.shared.stays.set(true);
            self.report
                .warning(format!("{path} could not be removed: {remains}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::rootfs::RootPath;

    #[test]
    fn a_message_names_some_of_many_secrets() {
        let secret = FoundSecret {
            path: RootPath::known("a"),
            what: "a key".to_owned(),
            stays: false,
        };
        let table = [
            (1, ""),
            (20, ""),
            (21, " and 1 more"),
            (1000, " and 980 more"),
        ];
        for (count, end) in table {
            let text = shown(&vec![secret.clone(); count]);
            let named = text.strip_suffix(end).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(named.matches("/a (a key)").count(), count.min(SHOWN));
            assert!(named.ends_with("/a (a key)"), "{count}: {text}");
        }
    }
}
