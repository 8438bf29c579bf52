//! Remembers the owners of files where only one id is mapped.
//!
//! In a user namespace with one id, no file can belong to anybody else. So the calls that set, show
//! and inherit owners are answered by a supervisor, a process of its own: it remembers who owns
//! which inode, and what ids a process believes to have. Everything else is the kernel's: modes,
//! setuid bits, links, file capabilities. The filter that hands the calls over is inherited by all
//! processes of a run, so this program and maintainer scripts see the same owners. They are
//! forgotten when the last of these processes ends.
//!
//! `calls` says which calls, `filter` installs the filter, `listener` exchanges calls and answers,
//! `supervisor` decides, `files`, `lists` and `identity` answer. `table` and `credentials` are
//! pure.

mod acl;
mod caller;
mod calls;
mod credentials;
mod files;
mod filter;
mod identity;
mod listener;
mod lists;
mod process;
mod supervisor;
mod table;

use std::io;

/// Starts the supervisor of this process and its future children. Only for a process with one
/// thread that is root of its user namespace.
pub(crate) fn start() -> io::Result<()> {
    process::start()
}
