//! Enters a user namespace in which root is the caller and no other id exists, and starts the
//! supervisor that records owners.
//!
//! The host need only permit the namespace: a process may map its own id itself.
#![expect(unsafe_code, reason = "unshare needs a process with one thread")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::Arc;

use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};

use super::id_map::IdMap;
use super::{Error, PrivilegeKind, namespace, refusal};
use crate::ownership;

/// The ids of this process, read before it enters a namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnIds {
    uid: u32,
    gid: u32,
    /// Without it, root of a user namespace may not map itself into another (Linux 5.12 and later).
    has_setfcap: bool,
}

/// Becomes root of such a namespace. Only for a process with one thread.
pub(super) fn enter() -> Result<PrivilegeKind, Error> {
    let ids = OwnIds::read();
    // SAFETY: this process has one thread, and the namespace does not concern its descriptors.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
    unshared.map_err(refusal::of_namespace)?;
    ids.map()
}

impl OwnIds {
    pub(super) fn read() -> OwnIds {
        OwnIds {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            has_setfcap: capabilities(None)
                .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETFCAP)),
        }
    }

    /// Becomes root of the namespace that this process has entered. Its groups are not mapped yet.
    pub(super) fn map(self) -> Result<PrivilegeKind, Error> {
        let uid = self.uid;
        // Without rights outside, a process may map its group only after this.
        write("setgroups", "deny")?;
        // newuidmap may have succeeded before newgidmap failed.
        let mapped = fs::read_to_string("/proc/self/uid_map");
        if mapped.is_ok_and(|map| map.trim().is_empty()) {
            let written = write("uid_map", &IdMap::of_root(uid).to_string());
            written.map_err(|error| self.why_not_mapped(error))?;
        }
        write("gid_map", &IdMap::of_root(self.gid).to_string())?;
        namespace::has_rights()?;
        let supervisor = Arc::new(ownership::start()?);
        Ok(PrivilegeKind::SingleId { uid, supervisor })
    }

    fn why_not_mapped(self, error: Error) -> Error {
        match self.uid == 0 && !self.has_setfcap {
            true => Error::Capabilities {
                missing: vec!["SETFCAP"],
            },
            false => error,
        }
    }
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
