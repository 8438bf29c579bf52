//! Enters a user namespace in which root is the caller and nobody else exists, and has owners
//! remembered.
//!
//! That needs nothing of the host but the namespace: a process may map its own id itself.
#![expect(unsafe_code, reason = "unshare needs a process with one thread")]

use std::fs::OpenOptions;
use std::io::Write;

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::id_map::IdMap;
use super::{Error, PrivilegeKind, namespace, refusal};
use crate::ownership;

/// Becomes root of such a namespace. Only for a process with one thread.
pub(super) fn enter() -> Result<PrivilegeKind, Error> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    // SAFETY: this process has one thread, and the namespace does not concern its descriptors.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
    unshared.map_err(refusal::of_namespace)?;
    // The kernel lets a process without rights outside map its group only after this.
    write("setgroups", "deny")?;
    write("uid_map", &IdMap::of_root(uid).to_string())?;
    write("gid_map", &IdMap::of_root(gid).to_string())?;
    namespace::has_rights()?;
    let started = ownership::start();
    started.map_err(|error| Error::Supervisor {
        reason: error.to_string(),
    })?;
    Ok(PrivilegeKind::SingleId { uid })
}

fn write(file: &str, text: &str) -> Result<(), Error> {
    let path = format!("/proc/self/{file}");
    let opened = OpenOptions::new().write(true).open(&path);
    // The kernel takes a map in one write only.
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::Map {
        reason: format!("{path}: {error}"),
    })
}
