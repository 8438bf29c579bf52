//! Why the program cannot be root, with a remedy.

use std::path::PathBuf;

use super::id_map::NOBODY;
use super::refusal::NamespaceRefusal;

/// Why this process may not make files of many owners.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--mode root and --mode container need root: a tree has files of many owners")]
    NotRoot,
    #[error("--mode single-id makes no directory: all of its files would belong to one user")]
    SingleIdDirectory,
    /// A tree whose programs use calls that the supervisor does not know.
    #[error("--mode single-id cannot make trees of {architecture} here")]
    OtherCalls { architecture: String },
    #[error("cannot start the process that remembers owners: {reason}")]
    Supervisor { reason: String },
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
        /// Whose image would have to give them.
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

/// The remedy that needs nothing.
const WITHOUT_IDS: &str = "an image (a tar, an OCI image) needs none: --mode single-id";

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
                "name an image (a tar, an OCI image), run it as root, or give subordinate ids: usermod \
                 --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
                    .into()
            }
            Error::OtherCalls { .. } => {
                "run it as root, or give subordinate ids: usermod --add-subuids 100000-165535 \
                 --add-subgids 100000-165535 USER"
                    .into()
            }
            Error::Supervisor { .. } => {
                "run it as root; a kernel before 5.19 or without seccomp filters cannot do this".into()
            }
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
            Error::Map { .. } => {
                "run it as root; `unshare --map-auto --map-root-user true` tries the same".into()
            }
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
