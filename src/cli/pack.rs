//! `rbootstrap pack`: writes an existing tree as a tar.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Session;
use super::error::Error;
use super::options::JobsArg;
use super::target;
use crate::pack;
use crate::report::{Event, Summary};
use crate::run;

#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// The tree
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// A file, compressed by its ending; `-` or none for standard output
    #[arg(value_name = "OUTPUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) jobs: JobsArg,
}

impl PackArgs {
    pub(super) fn title(&self) -> String {
        format!("rbootstrap pack {}", self.directory.display())
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        let output = self.output.as_deref().unwrap_or(Path::new("-"));
        let image = target::image(output)?;
        let options = pack::Options {
            epoch: session.environment.epoch()?,
            threads: u32::try_from(self.jobs.count()).unwrap_or(u32::MAX),
            compression: image.compression,
            interrupt: session.interrupt.clone(),
        };
        run::pack(&self.directory, &image, &options, &session.report)?;
        session.report.send(Event::Finished(Summary {
            name: self.directory.display().to_string(),
            packages: None,
        }));
        Ok(())
    }
}
