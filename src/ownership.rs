//! Records the owners of files where only one id is mapped.
//!
//! In a user namespace with one id, all files belong to root. So a supervisor, a process of its own,
//! answers the calls that set, show and inherit owners: it records who owns which inode, and which
//! ids a process is told it has. The kernel does everything else: modes, setuid bits, links, file
//! capabilities. All processes of a run inherit the filter that hands the calls over, so this program
//! and maintainer scripts see the same owners. The records end with the last of these processes.
//!
//! `calls` lists the calls, `filter` hands them over, `supervisor` receives them, `files`, `lists`,
//! `sockets` and `identity` answer them. `table` and `credentials` are pure.

mod acl;
mod caller;
mod calls;
mod credentials;
mod files;
mod filter;
mod identity;
mod lists;
mod process;
mod sockets;
mod supervisor;
mod table;

use std::io;

pub(crate) use process::RunningSupervisor;

/// Why owners cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The supervisor holds files open.
    #[error("the hard limit of open files is {limit}, but {needed} are needed")]
    OpenFiles { limit: u64, needed: u64 },
    /// A call that the supervisor needs, and that a container's list may lack.
    #[error("the system call {name} is needed")]
    Call {
        name: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Start(#[from] io::Error),
}

/// Starts the supervisor of this process and its future children. Only for a process with one
/// thread that is root of its user namespace.
pub(crate) fn start() -> Result<RunningSupervisor, Error> {
    process::start()
}
