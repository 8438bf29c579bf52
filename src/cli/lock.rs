//! The options on locks, and `rbootstrap diff`: what has changed between two of them.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::error::Error;
use super::print_data;
use crate::formats::lock::changes::PackageChange;
use crate::run;

#[derive(Debug, Args)]
#[command(next_help_heading = "Lock")]
pub(super) struct LockArgs {
    /// Write a lock file: what was chosen, from where
    ///
    /// It lists the sources, the options, and each package with its version, digest and URL.
    /// --locked builds the same image from it.
    #[arg(long, value_name = "FILE", conflicts_with = "keep_auth_conf")]
    pub(super) lock: Option<PathBuf>,

    /// Build the image that a lock file describes
    ///
    /// Resolves nothing and reads no index. Each package comes from the cache, from MIRROR or
    /// --snapshot, or from its URL in the lock, and must have the digest in the lock. SUITE must be
    /// the lock's. The options that the lock records, such as --include, cannot be given.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "lock",
            "variant",
            "include",
            "exclude",
            "arch",
            "path-exclude",
            "path-include",
            "components",
            "source",
            "keep_auth_conf",
            "no_pockets",
            "apt_sources",
            "profile",
            "slim",
            "keep_secrets",
            "foreign",
            "merged_usr",
            "no_merged_usr",
        ]
    )]
    pub(super) locked: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The older lock or manifest
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The newer lock or manifest
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The changes as JSON.
#[derive(Serialize)]
struct ChangesDocument {
    version: u32,
    changes: Vec<PackageChange>,
}

impl DiffArgs {
    pub(super) fn execute(&self) -> Result<(), Error> {
        let changes = run::changes(&self.old, &self.new)?;
        if self.json {
            let document = ChangesDocument {
                version: 1,
                changes,
            };
            let text = serde_json::to_string_pretty(&document);
            let text = text.map_err(|error| Error::Stdout(error.into()))?;
            return print_data(&format!("{text}\n"));
        }
        let mut lines = String::new();
        for change in changes {
            lines.push_str(&format!("{change}\n"));
        }
        print_data(&lines)
    }
}
