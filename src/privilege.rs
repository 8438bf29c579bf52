//! Who runs the program and what it may do: root, root of a container, or a user who becomes root
//! of a user namespace.
//!
//! [`obtain`] is called before the first thread, because only a process with one thread can enter a
//! user namespace. Everything after it is the same code in every mode: inside, the process is root.
//! `subordinate` reads which ids a user may map, `namespace` enters a namespace with them,
//! `single_id` one with a single id. `refusal` finds out why the host refuses one, `root` checks
//! what root may do.

mod error;
mod helper;
mod id_map;
mod namespace;
mod refusal;
mod root;
mod single_id;
mod subordinate;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use crate::ownership::RunningSupervisor;
use single_id::OwnIds;

pub(crate) use error::Error;
pub(crate) use id_map::IdMap;

/// How the program gets the right to make files of many owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Root if the caller is root, otherwise a user namespace
    #[default]
    Auto,
    /// Root of this host; the sandbox must hold
    Root,
    /// Root of a user namespace with the ids of /etc/subuid and /etc/subgid
    Userns,
    /// Root of a user namespace with one id, for images; owners are recorded in memory
    SingleId,
    /// Root of a container or a chroot, whose boundary stands in for what the sandbox lacks
    Container,
}

/// What a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Images alone: the owners in them need not be those of any file on the host.
    Images,
    /// A directory, whose files must have their owners.
    Directory,
}

/// What [`obtain`] needs of the host and of the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The directories of PATH.
    pub(crate) path: Vec<PathBuf>,
}

/// Proof that this process may make files of many owners.
#[derive(Clone, Debug)]
pub(crate) struct Privilege {
    kind: PrivilegeKind,
    /// Whether a weak sandbox is enough, because a container is around it.
    is_contained: bool,
}

#[derive(Clone, Debug)]
enum PrivilegeKind {
    /// The user who started the program. The command needs no further rights.
    Caller,
    Root,
    /// This process has entered a user namespace with one id, and a supervisor records owners.
    SingleId {
        /// The caller, who is root inside.
        uid: u32,
        supervisor: Arc<RunningSupervisor>,
    },
    /// This process has entered a user namespace.
    UserNamespace {
        /// The caller, who is root inside.
        uid: u32,
        /// How many user ids there are besides root.
        subordinate: u64,
    },
}

/// Makes this process root, if it is not, or finds out that it cannot be. Only for a process with
/// one thread.
pub(crate) fn obtain(mode: Mode, caller: &Caller, product: Product) -> Result<Privilege, Error> {
    let is_root = rustix::process::geteuid().is_root();
    let kind = match (mode, is_root) {
        (Mode::Root | Mode::Container, false) => return Err(Error::NotRoot),
        (Mode::Auto, false) => as_user(caller, product)?,
        (Mode::Userns, false) => namespace::enter_as_user(caller)?.map()?,
        (Mode::Userns, true) => namespace::enter_as_root()?.map()?,
        (Mode::SingleId, _) if product == Product::Directory => {
            return Err(Error::SingleIdDirectory);
        }
        (Mode::SingleId, _) => single_id::enter()?,
        (Mode::Auto, true) if product == Product::Images && root::check_ids().is_err() => {
            single_id::enter()?
        }
        (Mode::Auto | Mode::Root | Mode::Container, true) => PrivilegeKind::Root,
    };
    if !matches!(kind, PrivilegeKind::SingleId { .. }) {
        root::check_ids()?;
    }
    root::check_capabilities()?;
    let is_contained = match mode {
        Mode::Auto | Mode::Userns | Mode::SingleId => root::is_in_container(),
        Mode::Root => false,
        Mode::Container => true,
    };
    Ok(Privilege { kind, is_contained })
}

/// Becomes root of a namespace with the caller's subordinate ids. For images alone, one with a
/// single id will do where there are none, or where they cannot be mapped.
fn as_user(caller: &Caller, product: Product) -> Result<PrivilegeKind, Error> {
    let ids = match (namespace::user_ids(caller), product) {
        (Ok(ids), _) => ids,
        (Err(_), Product::Images) => return single_id::enter(),
        (Err(error), Product::Directory) => return Err(error),
    };
    let own = OwnIds::read();
    match (ids.enter()?.map(), product) {
        (Err(Error::Map { .. }), Product::Images) => own.map(),
        (mapped, _) => mapped,
    }
}

/// As [`obtain`], for a tree that exists. Where this process cannot become root, it works as the
/// caller, who may read and remove files of its own.
pub(crate) fn obtain_if_possible(mode: Mode, caller: &Caller) -> Result<Privilege, Error> {
    let is_root = rustix::process::geteuid().is_root();
    let kind = match (mode, is_root) {
        (Mode::Root | Mode::Container, false) => return Err(Error::NotRoot),
        (_, true) => PrivilegeKind::Root,
        (Mode::Userns, false) => namespace::enter_as_user(caller)?.map()?,
        (Mode::SingleId, false) => PrivilegeKind::Caller,
        (Mode::Auto, false) if !namespace::gives_rights() => PrivilegeKind::Caller,
        (Mode::Auto, false) => match namespace::enter_as_user(caller) {
            Ok(entered) => entered.map()?,
            Err(_) => PrivilegeKind::Caller,
        },
    };
    let is_contained = false;
    Ok(Privilege { kind, is_contained })
}

/// The maps of this process's user and group ids, on one line. Empty without /proc.
pub(crate) fn id_maps() -> String {
    let mut words = Vec::new();
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        words.extend(text.split_ascii_whitespace().map(str::to_owned));
    }
    words.join(" ")
}

impl Privilege {
    /// For what needs no rights.
    pub(crate) fn of_caller() -> Privilege {
        Privilege {
            kind: PrivilegeKind::Caller,
            is_contained: false,
        }
    }

    /// Whether a weak sandbox is enough.
    pub(crate) fn is_contained(&self) -> bool {
        self.is_contained
    }

    /// Calls these functions, from other threads, if a supervisor records owners and ends before this
    /// process. `note` must not touch files.
    pub(crate) fn watch_supervisor(
        &self,
        note: impl FnOnce() + Send + 'static,
        stop: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        match &self.kind {
            PrivilegeKind::SingleId { supervisor, .. } => supervisor.watch(note, stop),
            PrivilegeKind::Caller | PrivilegeKind::Root | PrivilegeKind::UserNamespace { .. } => {
                Ok(())
            }
        }
    }

    /// Whether a supervisor records the owners of files.
    pub(crate) fn records_owners(&self) -> bool {
        matches!(self.kind, PrivilegeKind::SingleId { .. })
    }

    /// Whether the ids of this process differ from those outside of its user namespace.
    pub(crate) fn is_in_user_namespace(&self) -> bool {
        matches!(
            self.kind,
            PrivilegeKind::UserNamespace { .. } | PrivilegeKind::SingleId { .. }
        )
    }

    /// Fails if a supervisor records owners and does not see the system calls of the tree's
    /// programs.
    pub(crate) fn require_known_calls(
        &self,
        architecture: &str,
        has_other_calls: bool,
    ) -> Result<(), Error> {
        match &self.kind {
            PrivilegeKind::SingleId { .. } if has_other_calls => Err(Error::OtherCalls {
                architecture: architecture.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// `root of a user namespace: uid 1000 with 65536 subordinate ids`
impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PrivilegeKind::Caller => write!(f, "the caller"),
            PrivilegeKind::Root if self.is_contained => write!(f, "root of a container"),
            PrivilegeKind::Root => write!(f, "root"),
            PrivilegeKind::SingleId { uid, .. } => write!(
                f,
                "root of a user namespace with one id: uid {uid}; owners are recorded in memory"
            ),
            PrivilegeKind::UserNamespace { uid, subordinate } => write!(
                f,
                "root of a user namespace: uid {uid} with {subordinate} subordinate ids"
            ),
        }
    }
}
