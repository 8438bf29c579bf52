//! Why the program cannot be root, with a remedy.

use std::path::PathBuf;

use super::id_map::NOBODY;
use super::refusal::NamespaceRefusal;
use crate::ownership;

/// Why this process may not make files of many owners.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--mode root and --mode container need root: a tree has files of many owners")]
    NotRoot,
    #[error("--mode single-id makes no directory: all of its files would belong to one user")]
    SingleIdDirectory,
    /// The programs of the tree use system calls that the supervisor does not see.
    #[error("--mode single-id cannot make trees of {architecture} here")]
    OtherCalls { architecture: String },
    #[error("cannot start the process that records owners: {reason}")]
    Supervisor { reason: String },
    /// The process that records owners holds a file open for each record.
    #[error(
        "--mode single-id needs {needed} open files, but the hard limit of this process is {limit}"
    )]
    OpenFiles { limit: u64, needed: u64 },
    /// A user without subordinate ids, or with few of them.
    #[error(
        "without root, a user namespace needs {} subordinate ids, but {file} has {} for {user}",
        NOBODY,
        if *found == 0 { "none".into() } else { found.to_string() }
    )]
    Subordinate {
        user: String,
        file: &'static str,
        found: u64,
        /// Then the container's image would have to have them.
        is_in_container: bool,
    },
    #[error("cannot read {}: {reason}", path.display())]
    Read { path: PathBuf, reason: String },
    #[error("without root, a user namespace needs {program}, which is not installed")]
    NoHelper { program: &'static str },
    #[error(
        "{} may not map subordinate ids: it is neither setuid root nor has a file capability, or \
         its file system is mounted nosuid",
        path.display()
    )]
    HelperRights { path: PathBuf },
    #[error("{program} may not map subordinate ids: the program runs with no_new_privs")]
    NoNewPrivileges { program: &'static str },
    #[error("without root, a user namespace is needed, but {} ({reason})", refusal.cause())]
    Namespace {
        refusal: NamespaceRefusal,
        reason: String,
    },
    #[error("cannot start a process that maps the ids of a user namespace: {reason}")]
    Start { reason: String },
    #[error("the ids of a user namespace cannot be mapped: {reason}")]
    Map { reason: String },
    /// Root of a namespace that has only some ids.
    #[error("the ids 0 to {} must be mapped here, but {file} has {found}", NOBODY)]
    FewIds { file: &'static str, found: u64 },
    #[error("root lacks {}", shown(missing))]
    Capabilities {
        /// Names without `CAP_`.
        missing: Vec<&'static str>,
    },
}

impl From<ownership::Error> for Error {
    fn from(error: ownership::Error) -> Error {
        match error {
            ownership::Error::OpenFiles { limit, needed } => Error::OpenFiles { limit, needed },
            ownership::Error::Call { name, source } => Error::Supervisor {
                reason: format!("the system call {name} is needed: {source}"),
            },
            ownership::Error::Start(source) => Error::Supervisor {
                reason: source.to_string(),
            },
        }
    }
}

/// The remedy that needs no set-up of the host.
const WITHOUT_IDS: &str = "an image (a tar, an OCI image) needs none: --mode single-id";

const AS_ROOT_OR_WITH_IDS: &str = "run it as root, or give subordinate ids: usermod --add-subuids \
                                   100000-165535 --add-subgids 100000-165535 USER";

fn more_files(needed: u64) -> String {
    format!(
        "raise it: docker run --ulimit nofile={needed}, LimitNOFILE={needed} of a systemd unit, or \
         `ulimit -Hn {needed}` as root"
    )
}

/// `CAP_CHOWN, CAP_FOWNER`
fn shown(missing: &[&str]) -> String {
    format!("CAP_{}", missing.join(", CAP_"))
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Error::NotRoot => "run it as root, or with --mode userns".into(),
            Error::SingleIdDirectory => {
                format!("name an image (a tar, an OCI image), {AS_ROOT_OR_WITH_IDS}")
            }
            Error::OtherCalls { .. } => AS_ROOT_OR_WITH_IDS.into(),
            Error::Supervisor { .. } => {
                "run it as root; this needs Linux 5.19 or later, with seccomp filters, and all of its \
                 system calls in a container (docker run --security-opt seccomp=unconfined)"
                    .into()
            }
            Error::OpenFiles { needed, .. } => more_files(*needed),
            Error::Subordinate {
                is_in_container: true,
                ..
            } => "run the container as root: docker run --user 0, podman run --user 0; in \
                  Kubernetes runAsUser: 0 with the default capabilities"
                .into(),
            Error::Subordinate { user, .. } => format!(
                "run it as root, or give them: usermod --add-subuids 100000-165535 --add-subgids \
                 100000-165535 {user} (ranges that nobody else has); {WITHOUT_IDS}"
            ),
            Error::Read { .. } | Error::Start { .. } => "run it as root".into(),
            Error::NoHelper { .. } => {
                format!(
                    "run it as root, or install it: the package is uidmap or shadow-utils; \
                     {WITHOUT_IDS}"
                )
            }
            Error::HelperRights { path } => {
                format!(
                    "run it as root, or set the bit: chmod u+s {}; {WITHOUT_IDS}",
                    path.display()
                )
            }
            Error::NoNewPrivileges { .. } => format!(
                "run it as root, or allow privileges: docker without --security-opt \
                 no-new-privileges, Kubernetes with allowPrivilegeEscalation: true; {WITHOUT_IDS}"
            ),
            Error::Namespace { refusal, .. } => refusal.remedy().into(),
            Error::Map { .. } => format!(
                "run it as root; `unshare --map-auto --map-root-user true` tries the same; \
                 {WITHOUT_IDS}"
            ),
            Error::FewIds { .. } => {
                format!(
                    "map more: unshare --map-auto --map-root-user, or run it as the user itself; \
                     {WITHOUT_IDS}"
                )
            }
            Error::Capabilities { missing } => format!(
                "give them to the container: docker run --cap-add {}",
                missing.join(" --cap-add ")
            ),
        }
    }
}
