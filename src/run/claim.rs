//! Claims what a run writes: the target directory, and the file or standard output that takes the
//! image.
//!
//! A claim that is dropped before [`ClaimedOutputs::finish`] undoes everything, unless the user
//! keeps failed trees.

use std::io::{self, Write};
use std::path::Path;

use super::Error;
use super::request::{Image, Limits, Outputs, Sink};
use crate::interrupt::Interrupt;
use crate::pack;
use crate::plan::Plan;
use crate::report::Report;
use crate::tree::rootfs::Rootfs;
use crate::tree::target::{self, Target};

/// The claimed target of a run.
pub(super) struct ClaimedOutputs<'a> {
    target: Target,
    outputs: &'a Outputs,
    report: &'a Report,
    finished: bool,
}

impl<'a> ClaimedOutputs<'a> {
    /// Claims the outputs before anything is fetched, so that a run that cannot end well fails at
    /// once.
    pub(super) fn new(
        outputs: &'a Outputs,
        report: &'a Report,
    ) -> Result<ClaimedOutputs<'a>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        if let Some(image) = &outputs.image
            && let Sink::File(file) = &image.sink
        {
            refuse_unwritable(file)?;
        }
        let target = match &outputs.directory {
            Some(directory) => Target::claim(directory)?,
            None => Target::temporary(&outputs.temporary)?,
        };
        Ok(ClaimedOutputs {
            target,
            outputs,
            report,
            finished: false,
        })
    }

    pub(super) fn root(&self) -> &Rootfs {
        self.target.root()
    }

    /// Fails when the plan's packages do not fit on the disk.
    pub(super) fn has_room_for(&self, plan: &Plan) -> Result<(), target::Error> {
        let mut needed: u64 = 0;
        for chosen in plan.packages() {
            let installed = chosen.package().installed_size.saturating_mul(1024);
            needed = needed.saturating_add(installed);
        }
        self.target.has_room_for(needed)
    }

    /// Writes the image, if one was asked for. Fails if the run was interrupted, even if nothing
    /// noticed so far.
    pub(super) fn pack(
        &self,
        epoch: i64,
        limits: &Limits,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        if let Some(image) = &self.outputs.image {
            let options = pack::Options {
                epoch: Some(epoch),
                threads: u32::try_from(limits.jobs).unwrap_or(u32::MAX),
                compression: image.compression,
                interrupt: interrupt.clone(),
            };
            write_image(self.root(), image, &options, self.report)?;
        }
        match interrupt.signal() {
            Some(signal) => Err(Error::Interrupted {
                signal,
                kept: self.outputs.keep_failed,
            }),
            None => Ok(()),
        }
    }

    /// Keeps the tree that the user asked for. A tree that was made for an image only is removed.
    pub(super) fn finish(mut self) {
        self.finished = true;
        if self.outputs.directory.is_some() {
            self.target.keep();
        }
    }
}

impl Drop for ClaimedOutputs<'_> {
    fn drop(&mut self) {
        if self.finished || !self.outputs.keep_failed {
            return;
        }
        let path = self.target.root().path().display();
        self.report
            .warning(format!("the failed tree stays in {path}"));
        self.target.keep();
    }
}

/// Writes a tree as an image.
pub(super) fn write_image(
    root: &Rootfs,
    image: &Image,
    options: &pack::Options,
    report: &Report,
) -> Result<(), Error> {
    match &image.sink {
        Sink::File(file) => Ok(pack::to_file(root, file, options, report)?),
        Sink::Stdout => {
            let mut output = pack::tar(root, io::stdout().lock(), options, report)?;
            output.flush().map_err(|source| Error::Stdout { source })
        }
    }
}

/// Finds out before minutes of work that an image cannot be written.
fn refuse_unwritable(file: &Path) -> Result<(), Error> {
    let error = |source| Error::Image {
        path: file.to_owned(),
        source,
    };
    if file.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory.into()));
    }
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::tempfile_in(parent).map_err(error)?;
    Ok(())
}
