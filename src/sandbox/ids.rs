//! The ids of the sandbox's user namespace.
//!
//! Every id that exists here is mapped to itself, so files get the owners that scripts set, and the
//! tree needs no conversion. Where this process has a part of the host's ids, that part is mapped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use nix::unistd::Pid;

use crate::privilege::IdMap;

/// Gives a new process's user namespace the ids of this process's. Needs CAP_SETUID, CAP_SETGID and
/// CAP_SETFCAP.
pub(super) fn map_all(pid: Pid) -> io::Result<()> {
    for name in ["uid_map", "gid_map"] {
        let own = fs::read_to_string(format!("/proc/self/{name}"))?;
        let Some(map) = IdMap::parse(&own) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut file = OpenOptions::new()
            .write(true)
            .open(format!("/proc/{pid}/{name}"))?;
        // The kernel takes a map in one write only.
        file.write_all(map.identity().to_string().as_bytes())?;
    }
    Ok(())
}
