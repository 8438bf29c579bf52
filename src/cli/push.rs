//! `rbootstrap push`: sends an OCI image that exists to registries.

use std::path::PathBuf;

use clap::Args;

use super::error::Error;
use super::network::TransferArgs;
use super::registry::{AccessArgs, require_refs_file};
use super::{Session, print_data, target};
use crate::pack::oci::Reference;
use crate::report::{Event, Summary};
use crate::run::{self, PushOutputs, PushRequest};

#[derive(Debug, Args)]
pub(super) struct PushCommandArgs {
    /// An OCI image: an archive or a directory
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// Where it goes [default: the name that it has]
    #[arg(value_name = "REGISTRY/NAME[:TAG]", value_parser = Reference::parse)]
    references: Vec<Reference>,

    /// Also write what was pushed into a file, as REGISTRY/NAME@DIGEST
    ///
    /// One line for each name, as on standard output.
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    refs: Option<PathBuf>,

    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    transfers: TransferArgs,
}

impl PushCommandArgs {
    pub(super) fn title(&self) -> String {
        format!("rbootstrap push {}", self.image.display())
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        target::refuse_url("IMAGE", &self.image)?;
        require_refs_file(self.refs.as_ref())?;
        let push = PushOutputs {
            references: self.references,
            refs: self.refs,
            access: self.access.access(&session.environment),
            unnamed: None,
        };
        let request = PushRequest {
            image: &self.image,
            push: &push,
            network: &self.transfers.options(),
        };
        let refs = run::push(request, &session.interrupt, &session.report)?;
        session.display.clear();
        print_data(&refs)?;
        session.report.send(Event::Finished(Summary {
            name: self.image.display().to_string(),
            packages: None,
        }));
        Ok(())
    }
}
