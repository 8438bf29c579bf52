//! Where the result goes: a directory, an image in a file or on standard output, or both.
//!
//! An image's file has its name only once it is whole; the directory of an image that goes elsewhere is temporary.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Error, Goal, Request};
use crate::formats::compress::Compression;
use crate::interrupt::Interrupt;
use crate::pack;
use crate::plan::Plan;
use crate::report::Report;
use crate::tree::rootfs::Rootfs;
use crate::tree::target::{self, Target};

/// An image to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Where to.
    pub(crate) sink: Sink,
    /// How compressed.
    pub(crate) compression: Compression,
}

/// Where an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// The claimed place of a result.
pub(super) struct Output<'a> {
    target: Target,
    image: Option<&'a Image>,
    /// Whether the tree is itself the result.
    is_result: bool,
    keep_failed: bool,
}

impl<'a> Output<'a> {
    /// Claims what the request needs before anything is fetched; `None` when it makes nothing.
    pub(super) fn claim(request: &'a Request) -> Result<Option<Output<'a>>, Error> {
        if request.goal != Goal::Make {
            return Ok(None);
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        if let Some(Image {
            sink: Sink::File(file),
            ..
        }) = &request.image
        {
            refuse_unwritable(file)?;
        }
        let target = match &request.directory {
            Some(directory) => Target::claim(directory)?,
            None => Target::temporary(&std::env::temp_dir())?,
        };
        let is_result = request.directory.is_some();
        Ok(Some(Output {
            target,
            image: request.image.as_ref(),
            is_result,
            keep_failed: request.keep,
        }))
    }

    pub(super) fn root(&self) -> &Rootfs {
        self.target.root()
    }

    /// That the plan's packages fit.
    pub(super) fn has_room_for(&self, plan: &Plan) -> Result<(), target::Error> {
        self.target.has_room_for(
            plan.packages()
                .iter()
                .map(|chosen| chosen.package().installed_size * 1024)
                .sum(),
        )
    }

    /// Has `work` make the tree, writes the image, and leaves a tree that was asked for in its place. `work` gives what it has to tell, and
    /// how the image is to be written.
    pub(super) fn make<T>(
        self,
        interrupt: &Interrupt,
        report: &Report,
        work: impl FnOnce(&Self) -> Result<(T, pack::Options), Error>,
    ) -> Result<T, Error> {
        let made = work(&self).and_then(|(told, options)| match self.image {
            Some(image) => write(self.root(), image, &options, report).map(|()| told),
            None => Ok(told),
        });
        // The last look: a signal that came while nothing listened still undoes everything.
        let made = made.and_then(|told| {
            interrupt
                .signal()
                .map_or(Ok(told), |signal| Err(Error::Interrupted { signal }))
        });
        match (&made, self.is_result, self.keep_failed) {
            (Ok(_), true, _) => self.target.keep(),
            (Err(_), _, true) => {
                report.warning(format!(
                    "the failed tree stays in {}",
                    self.root().path().display()
                ));
                self.target.keep();
            }
            _ => {}
        }
        made
    }
}

/// Writes a tree as an image, its times no later than `epoch`.
pub(super) fn write(
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

/// Finds out now, rather than after minutes of work, that an image cannot be written.
fn refuse_unwritable(file: &Path) -> Result<(), Error> {
    let error = |source| Error::Image {
        path: file.to_owned(),
        source,
    };
    if file.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory.into()));
    }
    let above = file
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    tempfile::tempfile_in(above).map(drop).map_err(error)
}
