//! Configures and removes packages by calls of the tree's own dpkg, which runs their maintainer
//! scripts.
//!
//! Holds the arguments of these calls, reads what dpkg prints while it works and when it fails, and
//! keeps services from starting meanwhile. Which packages, and in which order, is the steps'
//! business; where dpkg runs is the sandbox's.

mod listener;
mod perl_runs;
mod services;

use std::ffi::OsString;
use std::process::ExitStatus;

use crate::failure::Class;
use crate::report::Report;
use crate::sandbox::{self, Command, Exceeded, Hearing, PerlScript, Sandbox};
use crate::tree::rootfs;

use super::script_failure::{LastLines, ScriptFailure};
use listener::{BEGINNINGS, Listener};
pub(crate) use perl_runs::repeated_scripts;
pub(crate) use services::{SavedStandIn, Services};

/// One call of dpkg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DpkgCall {
    /// `--configure`, for packages whose dependencies are configured before them. Triggers wait for
    /// the end.
    Configure,
    /// `--configure --force-depends`, for packages that depend on each other in circles.
    ConfigureForced,
    /// `--remove --force-depends`, for packages that others replace.
    Remove,
    /// `--configure --pending`: what is unpacked and not configured, and every pending trigger.
    Pending,
}

impl DpkgCall {
    fn options(self) -> &'static [&'static str] {
        match self {
            DpkgCall::Configure => &["--no-triggers", "--configure"],
            DpkgCall::ConfigureForced => &["--force-depends", "--configure"],
            DpkgCall::Remove => &["--no-triggers", "--force-depends", "--remove"],
            DpkgCall::Pending => &["--configure", "--pending"],
        }
    }
}

/// Why packages could not be configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Script(#[from] ScriptFailure),
    /// dpkg could not configure a package for another reason than a script.
    #[error("dpkg could not configure {package}: {reason}")]
    Package {
        package: String,
        /// dpkg's own words.
        reason: String,
        #[source]
        output: Option<LastLines>,
    },
    /// dpkg itself failed.
    #[error("the tree's dpkg failed: {status}")]
    Dpkg {
        status: ExitStatus,
        #[source]
        output: Option<LastLines>,
    },
    /// dpkg was killed, and no script is known to be at fault.
    #[error("the tree's dpkg {limit}")]
    Exceeded {
        limit: Exceeded,
        #[source]
        output: Option<LastLines>,
    },
    /// dpkg could not be run.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// What keeps services from starting could not be put in place.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Script(_)
            | Error::Package { .. }
            | Error::Dpkg { .. }
            | Error::Exceeded { .. } => Class::Script,
            Error::Sandbox(error) => error.class(),
            Error::Rootfs(_) => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Sandbox(error) => error.hint(),
            Error::Script(failure) => failure.hint(),
            Error::Exceeded { limit, .. } => Some(limit.hint().to_owned()),
            Error::Package { .. } | Error::Dpkg { .. } | Error::Rootfs(_) => None,
        }
    }
}

/// The packages of a call, and what else it is made with.
#[derive(Clone, Debug)]
pub(crate) struct CallDetails {
    /// As dpkg takes them: `NAME` or `NAME:ARCHITECTURE`.
    pub(crate) names: Vec<String>,
    /// Whether a conffile may differ from a file that is there before. That file stays, and the
    /// package's is put beside it as `.dpkg-dist`; otherwise dpkg would ask, and fail. The scripts
    /// see this in `DPKG_FORCE`, and ucf does the same with its files.
    pub(crate) keeps_existing: bool,
    /// The whole environment of the scripts (`dpkg::script_environment`).
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The Perl scripts that run several times.
    pub(crate) repeated: Vec<PerlScript>,
}

/// Has the tree's dpkg configure or remove packages. Does nothing where no package is named, except
/// for `DpkgCall::Pending`.
pub(crate) fn configure(
    sandbox: &Sandbox,
    call: DpkgCall,
    details: CallDetails,
    report: &Report,
) -> Result<(), Error> {
    let CallDetails {
        names,
        keeps_existing,
        environment,
        repeated,
    } = details;
    if names.is_empty() && call != DpkgCall::Pending {
        return Ok(());
    }
    let mut options = call.options().to_vec();
    if keeps_existing {
        options.insert(0, "--force-confold");
    }
    let mut argv = vec![OsString::from("dpkg")];
    argv.extend(options.iter().map(OsString::from));
    argv.extend(names.iter().map(OsString::from));
    let command = Command {
        argv,
        env: environment,
    };
    report.detail(format!(
        "dpkg {} ({} packages)",
        options.join(" "),
        names.len()
    ));
    sandbox.start_zygotes(&repeated, &command.env)?;
    let mut listener = Listener::new(report, &names);
    let hearing = Hearing {
        on_line: &mut |line| listener.read_line(line),
        beginnings: &BEGINNINGS,
    };
    match sandbox.watch(&command, hearing) {
        Ok(finished) if finished.status.success() => {
            listener.finish();
            Ok(())
        }
        Ok(finished) => Err(listener.failure(finished.status)),
        Err(sandbox::Error::Exceeded { limit, .. }) => Err(listener.exceeded(limit)),
        Err(error) => Err(error.into()),
    }
}
