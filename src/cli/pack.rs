//! `rbootstrap pack`: writes an existing tree as a tar or an OCI image.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Session;
use super::error::Error;
use super::image::{FormatName, ImageArgs};
use super::inventory::InventoryArgs;
use super::network::TransferArgs;
use super::options::JobsArg;
use super::registry::PushArgs;
use super::target;
use crate::formats::compress::Encoding;
use crate::pack::{self, Content, Devices, Image};
use crate::report::{Event, Summary};
use crate::run::{self, UnnamedImage};

/// For an OUTPUT with an unknown ending.
const ANY_NAME: &str = "--format tar writes a tar under any name";

#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// The tree
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,

    /// A file, whose ending names the form; `-` or none for standard output
    ///
    /// A name ending in .oci.tar is an OCI image; any other is a tar, compressed by its ending.
    #[arg(value_name = "OUTPUT")]
    output: Option<PathBuf>,

    /// Make a tar or an oci image, whatever OUTPUT's ending
    ///
    /// oci is a directory with an OCI image layout, or an archive of one if OUTPUT ends in .tar or
    /// is standard output.
    #[arg(long, value_name = "FORMAT", value_parser = packed_format)]
    #[arg(help_heading = "Image")]
    format: Option<FormatName>,

    /// Set the architecture of an OCI image [default: that of the tree's dpkg]
    #[arg(long, value_name = "ARCH", help_heading = "OCI image")]
    arch: Option<String>,

    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    push: PushArgs,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    transfers: TransferArgs,
    #[command(flatten)]
    pub(super) jobs: JobsArg,
}

impl PackArgs {
    pub(super) fn title(&self) -> String {
        format!("rbootstrap pack {}", self.directory.display())
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        let made = self.image()?;
        let options = pack::Options {
            epoch: session.environment.epoch()?,
            threads: u32::try_from(self.jobs.count()).unwrap_or(u32::MAX),
            encoding: made.encoding(),
            devices: Devices::None,
            temporary: session.environment.temporary(),
            predicate: None,
            interrupt: session.interrupt.clone(),
        };
        let inventory = self.inventory.outputs(false)?;
        let unnamed = made.unnamed().cloned();
        let push = self.push.outputs(unnamed, &session.environment)?;
        let request = run::PackRequest {
            image: made.written(),
            options,
            inventory: &inventory,
            push: &push,
            network: &self.transfers.options(),
        };
        session.privilege.clone().map_err(run::Error::from)?;
        run::pack(&self.directory, request, &session.report)?;
        session.report.send(Event::Finished(Summary {
            name: self.directory.display().to_string(),
            packages: None,
        }));
        Ok(())
    }

    /// The image to write.
    pub(super) fn image(&self) -> Result<PackedImage, Error> {
        target::refuse_url("DIR", &self.directory)?;
        let is_oci = matches!(self.format, None | Some(FormatName::Oci));
        if let (None, Some(name), true) = (&self.output, self.push.first(), is_oci) {
            let mut unnamed = self.image.unnamed()?;
            unnamed.settings.name_unless_named(name);
            unnamed.settings.architecture.clone_from(&self.arch);
            return Ok(PackedImage::Unnamed(unnamed));
        }
        let output = self.output.as_deref().unwrap_or(Path::new("-"));
        target::refuse_url("OUTPUT", output)?;
        let image = target::image_or_tar(&self.image, output, self.format);
        let mut image = image.map_err(|error| error.of_output(Some(ANY_NAME)))?;
        if let Some(name) = self.push.first() {
            target::require_pushable(&mut image)?.name_unless_named(name);
        }
        match &mut image.content {
            Content::Oci { settings, .. } => settings.architecture.clone_from(&self.arch),
            Content::Tar(_) | Content::FileSystem { .. } if self.arch.is_some() => {
                return Err(Error::NotOfImage {
                    option: "--arch",
                    output: output.to_owned(),
                    is: "no OCI image",
                });
            }
            Content::Tar(_) | Content::FileSystem { .. } => {}
        }
        Ok(PackedImage::Written(image))
    }
}

/// What `pack` makes.
#[derive(Debug)]
pub(super) enum PackedImage {
    Written(Image),
    /// Registries alone get it.
    Unnamed(UnnamedImage),
}

impl PackedImage {
    fn encoding(&self) -> Encoding {
        match self {
            PackedImage::Written(image) => image.encoding,
            PackedImage::Unnamed(unnamed) => unnamed.encoding,
        }
    }

    fn written(&self) -> Option<&Image> {
        match self {
            PackedImage::Written(image) => Some(image),
            PackedImage::Unnamed(_) => None,
        }
    }

    fn unnamed(&self) -> Option<&UnnamedImage> {
        match self {
            PackedImage::Written(_) => None,
            PackedImage::Unnamed(unnamed) => Some(unnamed),
        }
    }
}

/// The formats of `pack`: all but the tree itself.
fn packed_format(text: &str) -> Result<FormatName, String> {
    match text {
        "tar" => Ok(FormatName::Tar),
        "oci" => Ok(FormatName::Oci),
        "squashfs" | "sqfs" => Ok(FormatName::Squashfs),
        "ext2" => Ok(FormatName::Ext2),
        "ext4" => Ok(FormatName::Ext4),
        _ => Err("expected one of: tar, oci, squashfs, ext2, ext4".into()),
    }
}
