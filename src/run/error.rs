//! The error of a run, over the errors of its stages, with its exit class and its hint.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{compare, local, lock, preseed, profile, target_debs};
use crate::failure::{Class, with_causes};
use crate::formats::suite;
use crate::interrupt::{Interrupt, StopCause};
use crate::tree::{rootfs, target};
use crate::{archive, install, pack, plan, privilege, registry, store};

/// Why a run failed. A stage's own error says what happened; the variant says in which stage.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Suites(#[from] suite::Error),
    #[error("unknown suite `{name}`")]
    UnknownSuite {
        name: String,
        /// Known names that may be meant.
        similar: Vec<String>,
    },
    /// A suite that no file lists needs a mirror and a keyring.
    #[error("no suite file lists `{name}`, so it needs {needs}")]
    UnlistedSuite { name: String, needs: &'static str },
    #[error("`{suite}` has no mirror for the architecture `{architecture}`")]
    Architecture { suite: String, architecture: String },
    /// A word that no archive calls an architecture.
    #[error("`{name}` is not the name of an architecture")]
    NotAnArchitecture {
        name: String,
        /// Debian's name for it.
        meant: Option<&'static str>,
    },
    #[error("no archive with snapshots of `{suite}` is known")]
    NoSnapshots { suite: String },
    #[error("--snapshot needs `{{time}}` in the URL of each mirror, which {mirror} does not have")]
    NoTimeInMirror { mirror: String },
    #[error("the host's architecture `{found}` has no Debian name")]
    HostArchitecture { found: String },
    #[error("`{suite}` does not support --{option}")]
    MergedUsr { suite: String, option: &'static str },
    /// A keyring, or a file of logins.
    #[error("cannot read {}{}", path.display(), value_of(option))]
    Read {
        path: PathBuf,
        /// What names the file, if the user does.
        option: Option<&'static str>,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Keyring(#[from] archive::KeyringError),
    #[error(transparent)]
    Source(#[from] archive::BadSource),
    #[error(transparent)]
    Local(#[from] local::Error),
    #[error(transparent)]
    TargetDebs(#[from] target_debs::Error),
    #[error(transparent)]
    Preseed(#[from] preseed::Error),
    #[error(transparent)]
    Profile(#[from] profile::Error),
    #[error(transparent)]
    Lock(#[from] lock::Error),
    #[error(transparent)]
    Compare(#[from] compare::Error),
    /// Where a build writes a file of an image.
    #[error("{} exists and is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// An input of a run that makes several images.
    #[error(
        "{option} {} can be read only once, but each --arch is an image that reads it",
        path.display()
    )]
    ReadOnce { option: &'static str, path: PathBuf },
    #[error(transparent)]
    Pin(#[from] archive::Indistinguishable),
    /// The tree's sources are written without quotes.
    #[error("the source {entry} has a name that the tree's sources could hold only in quotes")]
    Unwritable { entry: String },
    #[error(transparent)]
    Privilege(#[from] privilege::Error),
    /// Owners, modes and files are set and opened through /proc/self/fd.
    #[error("/proc is not mounted here")]
    NoProc,
    /// Without it, a tree is neither listed nor removed.
    #[error("the system call statx is refused here")]
    NoStatx(#[source] io::Error),
    #[error(transparent)]
    Target(#[from] target::Error),
    #[error(
        "{} has {} MB free, but {what} need about {} MB",
        path.display(),
        free / 1_000_000,
        needed.div_ceil(1_000_000)
    )]
    NoRoom {
        path: PathBuf,
        /// `the packages and the downloads`
        what: String,
        /// In bytes.
        free: u64,
        /// In bytes.
        needed: u64,
    },
    #[error(
        "{} has room for {free} more files, but {what} need at least {needed}",
        path.display()
    )]
    NoInodes {
        path: PathBuf,
        what: String,
        free: u64,
        needed: u64,
    },
    /// How much is free on a file system.
    #[error("cannot find out how much is free in {}", path.display())]
    Measure {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Archive(#[from] archive::Error),
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error("the index has no digest for `{package}`, so its .deb cannot be verified")]
    Unverifiable { package: String },
    #[error("the index has no {field} of `{package}`, so its .deb cannot be downloaded")]
    Unfetchable {
        package: String,
        field: &'static str,
    },
    /// A .deb for `--download-only`.
    #[error(transparent)]
    Fetch(Arc<store::Error>),
    #[error(transparent)]
    Install(#[from] install::Error),
    #[error(transparent)]
    Pack(#[from] pack::Error),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Several names failed.
    #[error("{}", listed(failures))]
    Pushes { failures: Vec<registry::Error> },
    /// An image to push.
    #[error("{} has no name under which it could be pushed", path.display())]
    NoName { path: PathBuf },
    /// The tree of `rbootstrap pack`.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    #[error("{cause}{}", if *kept { "" } else { "; everything is undone" })]
    Interrupted {
        cause: StopCause,
        /// Something stays: a failed tree, which a warning has reported, or what was written or pushed
        /// before.
        kept: bool,
    },
}

impl Error {
    /// The interrupt, if there was one: it is the reason for every failure that follows.
    pub(super) fn or_interrupted(self, interrupt: &Interrupt, kept: bool) -> Error {
        let kept = kept || matches!(self, Error::Interrupted { kept: true, .. });
        match interrupt.cause() {
            Some(cause) => Error::Interrupted { cause, kept },
            None => self,
        }
    }

    /// The failure of pushes to several names; `None` if none failed.
    pub(super) fn of_pushes(mut failures: Vec<registry::Error>) -> Option<Error> {
        match failures.len() {
            0 | 1 => failures.pop().map(Error::Registry),
            _ => Some(Error::Pushes { failures }),
        }
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Suites(_)
            | Error::UnknownSuite { .. }
            | Error::UnlistedSuite { .. }
            | Error::Architecture { .. }
            | Error::NotAnArchitecture { .. }
            | Error::NoSnapshots { .. }
            | Error::NoTimeInMirror { .. }
            | Error::MergedUsr { .. }
            | Error::Read { .. }
            | Error::Unwritable { .. }
            | Error::ReadOnce { .. } => Class::Usage,
            Error::Keyring(error) => error.class(),
            Error::Source(error) => error.class(),
            Error::Pin(error) => error.class(),
            Error::HostArchitecture { .. } => Class::Other,
            Error::Privilege(_)
            | Error::NoProc
            | Error::NoStatx(_)
            | Error::NotAFile { .. }
            | Error::Target(_)
            | Error::NoRoom { .. }
            | Error::NoInodes { .. }
            | Error::Measure { .. }
            | Error::Rootfs(_) => Class::Target,
            Error::Pack(error) => error.class(),
            Error::Registry(error) => error.class(),
            Error::Pushes { failures } => {
                let first = failures.first();
                first.map_or(Class::Network, registry::Error::class)
            }
            Error::NoName { .. } => Class::Usage,
            Error::Unverifiable { .. } | Error::Unfetchable { .. } => Class::Trust,
            Error::Local(error) => error.class(),
            Error::TargetDebs(error) => error.class(),
            Error::Preseed(error) => error.class(),
            Error::Profile(_) => Class::Usage,
            Error::Lock(error) => error.class(),
            Error::Compare(error) => error.class(),
            Error::Store(error) => error.class(),
            Error::Fetch(error) => error.class(),
            Error::Archive(error) => error.class(),
            Error::Plan(error) => error.class(),
            Error::Install(error) => error.class(),
            Error::Interrupted { cause, .. } => match cause {
                StopCause::Signal(signal) => Class::Interrupted { signal: *signal },
                StopCause::SupervisorEnded => Class::Other,
            },
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownSuite { similar, .. } => Some(known_suite(similar)),
            Error::UnlistedSuite { .. } => {
                Some("rbootstrap --keyring FILE SUITE TARGET MIRROR".into())
            }
            Error::NotAnArchitecture { meant, .. } => Some(known_architecture(*meant)),
            Error::Privilege(error) => Some(error.hint()),
            Error::NoSnapshots { .. } | Error::NoTimeInMirror { .. } => {
                Some("http://mirror.example/snapshots/{time} is such a MIRROR".into())
            }
            Error::Interrupted {
                cause: StopCause::SupervisorEnded,
                ..
            } => Some(
                "run the command again; if memory was short, `dmesg` has a line about the killed \
                 process"
                    .into(),
            ),
            Error::NoStatx(_) => Some(
                "it needs Linux 4.11 or later, and a container that permits it: docker run \
                 --security-opt seccomp=unconfined"
                    .into(),
            ),
            Error::NoProc => Some("mount it: mount -t proc proc /proc".into()),
            Error::NoRoom { .. } | Error::NoInodes { .. } => Some(
                "free some space there, or choose other places: TARGET, --cache-dir, and TMPDIR \
                 for the tree of an image"
                    .into(),
            ),
            Error::ReadOnce { .. } => Some("name a regular file".into()),
            Error::NotAFile { .. } => {
                Some("remove it, or choose another directory with --output-dir".into())
            }
            Error::Keyring(error) => error.hint(),
            Error::Source(error) => error.hint(),
            Error::Pin(error) => Some(error.hint()),
            Error::Local(error) => error.hint(),
            Error::TargetDebs(error) => error.hint(),
            Error::Preseed(error) => error.hint(),
            Error::Profile(error) => error.hint(),
            Error::Lock(error) => error.hint(),
            Error::Compare(error) => error.hint(),
            Error::Pack(error) => error.hint(),
            Error::Registry(error) => error.hint(),
            Error::Pushes { failures } => failures.first().and_then(registry::Error::hint),
            Error::NoName { .. } => Some("name it: rbootstrap push IMAGE REGISTRY/NAME:TAG".into()),
            Error::Store(error) => error.hint(),
            Error::Fetch(error) => error.hint(),
            Error::Archive(error) => error.hint(),
            Error::Target(error) => error.hint(),
            Error::Plan(error) => error.hint(),
            Error::Install(error) => error.hint(),
            Error::Suites(_)
            | Error::Architecture { .. }
            | Error::HostArchitecture { .. }
            | Error::MergedUsr { .. }
            | Error::Read { .. }
            | Error::Unwritable { .. }
            | Error::Measure { .. }
            | Error::Unverifiable { .. }
            | Error::Unfetchable { .. }
            | Error::Rootfs(_)
            | Error::Interrupted {
                cause: StopCause::Signal(_),
                ..
            } => None,
        }
    }
}

/// What helps against an unknown suite.
fn known_suite(similar: &[String]) -> String {
    match similar {
        [] => "`rbootstrap suites` lists the known suites; any other needs a MIRROR and --keyring"
            .into(),
        similar => format!("did you mean {}?", similar.join(" or ")),
    }
}

/// What helps against a name that no architecture has.
fn known_architecture(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => "--arch takes Debian's names: amd64, arm64, i386; packages for `all` come with any"
            .into(),
    }
}

/// ", the value of `--keyring`"
fn value_of(option: &Option<&'static str>) -> String {
    match option {
        Some(option) => format!(", the value of {option}"),
        None => String::new(),
    }
}

/// Failures with their causes on one line.
fn listed(failures: &[registry::Error]) -> String {
    let mut texts = Vec::new();
    for failure in failures {
        texts.push(with_causes(failure));
    }
    texts.join("; ")
}
