//! The options on sources: where packages come from, and what the system's own apt reads.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::environment::Environment;
use super::trust::TrustArgs;
use super::values::{self, MirrorOrigin};
use crate::formats::snapshot_time::SnapshotTime;
use crate::run::{ListedSources, SourceOptions};

#[derive(Debug, Args)]
#[command(next_help_heading = "Sources")]
pub(super) struct SourceArgs {
    /// Set the archive's components [default: those of the suite]
    #[arg(long, value_name = "C[,C…]", env = "RBOOTSTRAP_COMPONENTS")]
    components: Vec<String>,

    /// Add an apt source
    ///
    /// A line `deb …`, or the path of a .list or .sources file. `[pin-priority=N]` in a line, or a
    /// field Pin-Priority in a .sources file, sets the priority of its versions as in
    /// apt_preferences(5). May be given more than once.
    #[arg(long, value_name = "LINE|FILE")]
    source: Vec<String>,

    /// Read user names and passwords from this file
    ///
    /// In the format of apt's auth.conf, apt_auth.conf(5): `machine HOST login USER password WORD`.
    /// The host's own /etc/apt/auth.conf and auth.conf.d are read after it. May be given more than
    /// once.
    #[arg(long, value_name = "FILE", env = "RBOOTSTRAP_AUTH_CONF")]
    auth_conf: Vec<PathBuf>,

    /// Write the user names and passwords for the system's sources into the system
    ///
    /// They go to its /etc/apt/auth.conf.d/rbootstrap.conf, which only root can read there. Whoever
    /// has the image has them too. Without this option no password is written to the system, not
    /// even that of a URL.
    #[arg(long)]
    keep_auth_conf: bool,

    /// Add a mirror, tried when another fails
    ///
    /// It serves the same archive as the suite's release pocket. May be given more than once.
    #[arg(long = "mirror", id = "further-mirror", value_name = "URL")]
    mirrors: Vec<String>,

    /// Read the suite as it was at this time
    ///
    /// From the archive of snapshots that the suite's file names, or from a MIRROR with `{time}` in
    /// its URL. TIME is a date (2026-09-12, at midnight) or a time in UTC (20260912T075541Z). A
    /// Valid-Until is compared with TIME. --source is not affected.
    #[arg(long, value_name = "TIME", value_parser = values::snapshot_time)]
    #[arg(env = "RBOOTSTRAP_SNAPSHOT")]
    snapshot: Option<SnapshotTime>,

    /// Use the release pocket only, without updates and security
    #[arg(long)]
    no_pockets: bool,

    /// Choose the sources of the system's own apt
    ///
    /// - suite: the suite's public archive, whichever mirror served the packages, and
    ///   the sources of --source
    /// - used: the sources that this run uses
    /// - none: no sources
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "WHICH",
        default_value = "suite"
    )]
    #[arg(hide_possible_values = true, env = "RBOOTSTRAP_APT_SOURCES")]
    apt_sources: AptSources,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AptSources {
    Suite,
    Used,
    None,
}

impl SourceArgs {
    /// The sources, with the positional MIRROR.
    pub(super) fn options(
        self,
        trust: TrustArgs,
        mirror: Option<String>,
        environment: &Environment,
    ) -> Result<SourceOptions, values::NotAMirror> {
        if let Some(mirror) = &mirror {
            let origin = match environment.is_mirror(mirror) {
                true => MirrorOrigin::Variable,
                false => MirrorOrigin::Argument,
            };
            values::check_mirror(mirror, origin)?;
        }
        for mirror in &self.mirrors {
            values::check_mirror(mirror, MirrorOrigin::Option)?;
        }
        Ok(SourceOptions {
            suite_directories: environment.configuration_directories("suites"),
            components: values::distinct(&self.components),
            mirror,
            further_mirrors: self.mirrors,
            snapshot: self.snapshot,
            extra_sources: self.source,
            only: None,
            further_keyrings: Vec::new(),
            auth_files: self.auth_conf,
            keeps_logins: self.keep_auth_conf,
            keyrings: trust.keyring,
            check_signatures: !trust.no_check_gpg,
            accept_expired: trust.no_check_valid_until,
            accept_older: trust.allow_rollback,
            accept_other_suite: trust.allow_other_suite,
            pockets: !self.no_pockets,
            listed: match self.apt_sources {
                AptSources::Suite => ListedSources::Suite,
                AptSources::Used => ListedSources::Used,
                AptSources::None => ListedSources::Nothing,
            },
        })
    }
}
