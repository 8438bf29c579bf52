//! Options of debootstrap that `rbootstrap SUITE` takes, too.
//!
//! Callers of debootstrap pass them. What they mean for the tree is decided by the stages.

use clap::Args;

/// Options that callers of debootstrap pass. Some have no effect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compatibility with debootstrap")]
pub(super) struct CompatibilityArgs {
    /// Make a first stage, which runs nothing of the tree
    ///
    /// Unpacks the essential packages and puts all .debs into the tree. There,
    /// `/debootstrap/debootstrap --second-stage` installs the packages with the tree's own dpkg: on
    /// a machine of its architecture, or in a chroot with an emulator.
    #[arg(long, hide_short_help = true)]
    foreign: bool,

    /// Merge /usr; fails if the suite does not support it
    #[arg(long, hide_short_help = true, conflicts_with = "no_merged_usr")]
    merged_usr: bool,

    /// Do not merge /usr; fails if the suite requires it
    #[arg(long, hide_short_help = true)]
    no_merged_usr: bool,

    /// No effect: dependencies are always resolved
    #[arg(long, hide_short_help = true)]
    resolve_deps: bool,

    /// No effect: signatures are checked unless --no-check-gpg is given
    #[arg(long, hide_short_help = true)]
    force_check_gpg: bool,

    /// No effect: give it to the second stage, /debootstrap/debootstrap --second-stage
    #[arg(long, hide_short_help = true)]
    keep_debootstrap_dir: bool,
}

impl CompatibilityArgs {
    pub(super) fn first_stage(&self) -> bool {
        self.foreign
    }

    /// `None` leaves it to the suite.
    pub(super) fn merged_usr(&self) -> Option<bool> {
        if self.merged_usr {
            Some(true)
        } else if self.no_merged_usr {
            Some(false)
        } else {
            None
        }
    }
}
