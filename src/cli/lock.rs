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
    /// Write a lock of what was chosen to this file
    ///
    /// It has the sources, the options, and every package with its version, digest and URL.
    /// --locked makes the same image of it.
    #[arg(long, value_name = "FILE", conflicts_with = "keep_auth_conf")]
    pub(super) lock: Option<PathBuf>,

    /// Install exactly what a lock has
    ///
    /// Nothing is resolved and no index is read. A package is looked for in the cache, at MIRROR or
    /// --snapshot, and at the URL in the lock; its digest must be that of the lock. SUITE is that
    /// of the lock, and the options that choose packages are not given.
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
    /// A lock or a manifest
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// A later one
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
