//! `rbootstrap join`: one OCI image of several platforms from images of one.

use std::path::PathBuf;

use clap::Args;

use super::Session;
use super::error::Error;
use super::image::{FormatName, ImageArgs};
use super::network::TransferArgs;
use super::registry::PushArgs;
use super::target;
use crate::pack::Content;
use crate::pack::oci::{self, JoinOptions, Pair, Reference};
use crate::report::{Event, Summary};
use crate::run::{self, JoinRequest};

#[derive(Debug, Args)]
pub(super) struct JoinArgs {
    /// A file *.oci.tar, or a directory; `-` for standard output
    #[arg(value_name = "OUTPUT")]
    output: PathBuf,

    /// OCI images: archives or directories, each of another platform
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,

    /// Check that the locks of the images are of the same releases
    ///
    /// Given once for each IMAGE.
    #[arg(long, value_name = "FILE")]
    lock: Vec<PathBuf>,

    /// Name the image [default: the name that all have]
    #[arg(long, value_name = "NAME[:TAG]", value_parser = Reference::parse)]
    tag: Option<Reference>,

    /// Add an annotation to the index
    #[arg(long, value_name = "KEY=VALUE", value_parser = Pair::parse)]
    annotation: Vec<Pair>,

    #[command(flatten)]
    push: PushArgs,
    #[command(flatten)]
    transfers: TransferArgs,
}

impl JoinArgs {
    pub(super) fn title(&self) -> String {
        format!("rbootstrap join {}", self.output.display())
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        let name = self.output.display().to_string();
        if !self.lock.is_empty() && self.lock.len() != self.images.len() {
            return Err(Error::LockForEachImage {
                locks: self.lock.len(),
                images: self.images.len(),
            });
        }
        run::require_same_releases(&self.lock)?;
        let push = self.push.outputs(None, &session.environment)?;
        let network = self.transfers.options();
        let request = JoinRequest {
            options: &self.options()?,
            push: &push,
            network: &network,
        };
        run::join(request, &session.interrupt, &session.report)?;
        session.report.send(Event::Finished(Summary {
            name,
            packages: None,
        }));
        Ok(())
    }

    pub(super) fn options(self) -> Result<JoinOptions, Error> {
        target::refuse_url("OUTPUT", &self.output)?;
        let image = ImageArgs::default().image(&self.output, Some(FormatName::Oci));
        let image = image.map_err(|error| error.of_output(None))?;
        let Some(mut image) = image else {
            return Err(Error::CompressedLayout {
                output: self.output,
            });
        };
        let first = self.push.first();
        if first.is_some() {
            target::require_pushable(&mut image)?;
        }
        let Content::Oci { layout, .. } = image.content else {
            return Err(Error::CompressedLayout {
                output: self.output,
            });
        };
        Ok(JoinOptions {
            images: self.images,
            output: layout,
            tag: self.tag.or(first.cloned()),
            annotations: oci::map(self.annotation),
        })
    }
}
