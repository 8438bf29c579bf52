//! `rbootstrap rm`: removes trees, also those whose owners only a user namespace has.

use std::path::PathBuf;

use clap::Args;

use super::Session;
use super::error::Error;
use crate::run;

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The trees
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
}

impl RmArgs {
    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        session.privilege.clone().map_err(run::Error::from)?;
        for directory in &self.directories {
            run::remove(directory, &session.interrupt)?;
        }
        Ok(())
    }
}
