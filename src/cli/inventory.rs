//! Options of the documents that say what is in an image, for `rbootstrap SUITE` and
//! `rbootstrap pack`.

use std::path::PathBuf;

use clap::Args;

use super::error::Error;
use super::target;
use crate::inventory::SbomFormat;
use crate::run::{ARCHITECTURE, InventoryOutputs, SbomOutput};

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Contents")]
pub(super) struct InventoryArgs {
    /// List the image's packages in a JSON file
    ///
    /// Each with its version, source, digest, URL and license. `{arch}` in the name stands for the
    /// architecture.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// Write a software bill of materials
    ///
    /// A name that ends in .cdx.json is CycloneDX 1.6, any other .json is SPDX 2.3. `{arch}` in it
    /// stands for the architecture. May be given more than once.
    #[arg(long, value_name = "FILE")]
    sbom: Vec<PathBuf>,
}

impl InventoryArgs {
    /// The documents. With several images, each needs a name of its own.
    pub(super) fn outputs(&self, has_several: bool) -> Result<InventoryOutputs, Error> {
        let mut sboms = Vec::new();
        for path in &self.sbom {
            let format =
                SbomFormat::of(path).ok_or_else(|| Error::UnknownSbom { path: path.clone() })?;
            sboms.push(SbomOutput {
                path: path.clone(),
                format,
            });
        }
        let named = self.manifest.iter().map(|path| ("--manifest", path));
        for (option, path) in named.chain(self.sbom.iter().map(|path| ("--sbom", path))) {
            target::require_file(option, path)?;
            if has_several && !path.to_string_lossy().contains(ARCHITECTURE) {
                return Err(Error::OneNameForSeveral {
                    option,
                    path: path.clone(),
                });
            }
        }
        Ok(InventoryOutputs {
            manifest: self.manifest.clone(),
            sboms,
        })
    }
}
