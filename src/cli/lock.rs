//! The options on locks.

use std::path::PathBuf;

use clap::Args;

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
