//! The ids of the sandbox's user namespace.
//!
//! Every id that exists here is mapped to itself, so files get the owners that scripts set, and the
//! tree needs no conversion. In a container that has a part of the host's ids, that part is mapped.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use nix::unistd::Pid;

/// A map as `/proc/PID/uid_map` has it (user_namespaces(7)).
#[derive(Debug, PartialEq, Eq)]
struct IdMap(Vec<Extent>);

/// A range of ids.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    /// The first id inside the namespace.
    inside: u32,
    /// The same id in the namespace around it.
    outside: u32,
    count: u32,
}

/// Gives a new process's user namespace the ids of this process's. Needs CAP_SETUID, CAP_SETGID and
/// CAP_SETFCAP.
pub(super) fn map_all(pid: Pid) -> io::Result<()> {
    for name in ["uid_map", "gid_map"] {
        let own = fs::read_to_string(format!("/proc/self/{name}"))?;
        let Some(map) = IdMap::identity(&own) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut file = OpenOptions::new()
            .write(true)
            .open(format!("/proc/{pid}/{name}"))?;
        // The kernel takes a map in one write only.
        file.write_all(map.to_string().as_bytes())?;
    }
    Ok(())
}

impl IdMap {
    /// Maps each id of the namespace with this map to itself.
    fn identity(own: &str) -> Option<IdMap> {
        let mut extents = Vec::new();
        for line in own.lines() {
            let mut numbers = line.split_ascii_whitespace();
            let first = numbers.next()?.parse().ok()?;
            let count = numbers.nth(1)?.parse().ok()?;
            extents.push(Extent {
                inside: first,
                outside: first,
                count,
            });
        }
        (!extents.is_empty()).then_some(IdMap(extents))
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for extent in &self.0 {
            writeln!(f, "{} {} {}", extent.inside, extent.outside, extent.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_mapped_to_itself() {
        let table = [
            ("         0          0 4294967295\n", "0 0 4294967295\n"),
            (
                "0 1000 1\n         1     100000      65536\n",
                "0 0 1\n1 1 65536\n",
            ),
        ];
        for (own, expected) in table {
            assert_eq!(IdMap::identity(own).unwrap().to_string(), expected);
        }
        for own in ["", "0 0", "0 0 x"] {
            assert_eq!(IdMap::identity(own), None, "{own}");
        }
    }
}
