//! Maintainer scripts, through the tree's own dpkg.
//!
//! Knows the calls of dpkg that configure packages, what dpkg says while it works and when it fails, and how services are kept
//! from starting meanwhile. Which packages, and in which order, is for the plan; where it runs is for the box.

mod listener;
mod services;

use std::ffi::OsString;
use std::process::ExitStatus;

use crate::failure::Class;
use crate::report::Report;
use crate::sandbox::{self, Command, Sandbox};
use crate::tree::rootfs;

use listener::Listener;
pub(crate) use services::Services;

/// What to configure, or to remove, in one call of dpkg. Names as dpkg takes them: `NAME` or `NAME:ARCHITECTURE`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Batch<'a> {
    /// The essential packages, which depend on each other in circles that only force breaks.
    Essentials(&'a [String]),
    /// One of apt's lists. Triggers wait for the end.
    Listed(&'a [String]),
    /// Packages that others take the place of, in spite of what still depends on them.
    Removed(&'a [String]),
    /// Whatever is unpacked and not configured, and every trigger that waits.
    Pending,
}

/// Why packages could not be configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A maintainer script failed.
    #[error("the {script} script of {package} failed with {ended}")]
    Script {
        /// The package.
        package: String,
        /// `postinst`, …
        script: &'static str,
        /// `exit status 1`, `signal (Killed)`
        ended: String,
        /// What it wrote last.
        #[source]
        output: LastWords,
    },
    /// dpkg could not configure a package for another reason.
    #[error("dpkg could not configure {package}: {reason}")]
    Package {
        /// The package.
        package: String,
        /// dpkg's own words.
        reason: String,
        /// What was written last.
        #[source]
        output: LastWords,
    },
    /// dpkg itself failed.
    #[error("the tree's dpkg failed: {status}")]
    Dpkg {
        /// How.
        status: ExitStatus,
        /// What it wrote last.
        #[source]
        output: LastWords,
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
            Error::Script { .. } | Error::Package { .. } | Error::Dpkg { .. } => Class::Script,
            Error::Sandbox(error) => error.class(),
            Error::Rootfs(_) => Class::Target,
        }
    }
}

/// The last lines of a failed command's output, as the cause of its failing.
#[derive(Debug, thiserror::Error)]
#[error("its output ended with\n{}", .0.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))]
pub(crate) struct LastWords(pub(crate) Vec<String>);

/// Has the tree's dpkg configure a batch. The environment is the whole of it (`dpkg::script_environment`).
pub(crate) fn configure(
    chroot: &Sandbox,
    batch: Batch<'_>,
    environment: &[(OsString, OsString)],
    report: &Report,
) -> Result<(), Error> {
    let (options, names): (&[&str], &[String]) = match batch {
        Batch::Essentials([]) | Batch::Listed([]) | Batch::Removed([]) => return Ok(()),
        Batch::Essentials(names) => (&["--force-depends", "--configure"], names),
        Batch::Listed(names) => (&["--no-triggers", "--configure"], names),
        Batch::Removed(names) => (&["--no-triggers", "--force-depends", "--remove"], names),
        Batch::Pending => (&["--configure", "--pending"], &[]),
    };
    let words = ["dpkg"]
        .iter()
        .chain(options)
        .copied()
        .chain(names.iter().map(String::as_str));
    let command = Command {
        argv: words.map(OsString::from).collect(),
        env: environment.to_vec(),
    };
    report.detail(format!(
        "dpkg {} ({} packages)",
        options.join(" "),
        names.len()
    ));
    let mut listener = Listener::new(report);
    let finished = chroot.watch(&command, &mut |line| listener.hear(line))?;
    match finished.status.success() {
        true => listener.finish(),
        false => return Err(listener.failure(finished.status)),
    }
    Ok(())
}
