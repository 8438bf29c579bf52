//! `rbootstrap diff`: what has changed between the packages of two images.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::error::Error;
use super::{Session, print_data};
use crate::formats::lock::changes::PackageChange;
use crate::run::{self, CompareRequest, PlatformChanges};

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The older lock, manifest or image
    ///
    /// An OCI image as an archive or a directory, an archive of `docker save`, a tar of a tree, all
    /// compressed or not, or a tree.
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The newer one
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Compare the images of one architecture
    ///
    /// Without it, images of several platforms are compared platform by platform.
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The changes as JSON.
#[derive(Serialize)]
struct ChangesDocument {
    version: u32,
    changes: Vec<ChangeRecord>,
}

#[derive(Serialize)]
struct ChangeRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(flatten)]
    change: PackageChange,
}

impl DiffArgs {
    pub(super) fn execute(&self, session: &Session) -> Result<(), Error> {
        let request = CompareRequest {
            old: &self.old,
            new: &self.new,
            architecture: self.arch.as_deref(),
            temporary: &session.environment.temporary(),
        };
        let changes = run::changes(request, &session.interrupt, &session.report)?;
        match self.json {
            true => print_data(&format!("{}\n", document(changes)?)),
            false => print_data(&lines(&changes)),
        }
    }
}

fn document(platforms: Vec<PlatformChanges>) -> Result<String, Error> {
    let mut records = Vec::new();
    for compared in platforms {
        for change in compared.changes {
            let platform = compared.platform.clone();
            records.push(ChangeRecord { platform, change });
        }
    }
    let document = ChangesDocument {
        version: 1,
        changes: records,
    };
    serde_json::to_string_pretty(&document).map_err(|error| Error::Stdout(error.into()))
}

/// A line for each package that differs, which ends in its platform if there are several.
fn lines(platforms: &[PlatformChanges]) -> String {
    let mut lines = String::new();
    for compared in platforms {
        let end = match &compared.platform {
            // An image may be anybody's: no control character gets to the terminal.
            Some(platform) => format!(" ({})", platform.escape_debug()),
            None => String::new(),
        };
        for change in &compared.changes {
            lines.push_str(&format!("{change}{end}\n"));
        }
    }
    lines
}
