//! Raw system calls that several rooms share: those that no crate offers, or not in the form that a
//! process without memory of its own needs.
//!
//! `caller` reads and writes the memory of a process that waits for an answer, `descriptors` closes
//! inherited descriptors and passes others through sockets, `filter` builds and installs seccomp
//! filters, `listener` receives the calls that a filter hands over, `shared` shares a number with
//! children, `wait` waits for processes. Callers decide what a filter denies and how a call is
//! answered.

pub(crate) mod caller;
pub(crate) mod descriptors;
pub(crate) mod filter;
pub(crate) mod listener;
pub(crate) mod shared;
pub(crate) mod wait;
