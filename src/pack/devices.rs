//! The entries of /dev in an archive: device nodes, symlinks and mount points, as debootstrap makes
//! them.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::Options;
use super::chunks::Chunks;

/// The path of the directory in the tree.
pub(super) const DIRECTORY: &[u8] = b"dev";

/// What /dev has in an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Devices {
    /// Nothing: the kernel (devtmpfs) or the container runtime fills it.
    #[default]
    None,
    /// Symlinks and directories.
    Links,
    /// Device nodes too.
    Nodes,
}

/// One entry.
enum DeviceEntry {
    /// A character device, by major and minor number.
    Node(u32, u32),
    Link(&'static str),
    Directory,
}

/// In the order of their names.
const ENTRIES: [(&str, DeviceEntry); 14] = [
    ("console", DeviceEntry::Node(5, 1)),
    ("fd", DeviceEntry::Link("/proc/self/fd")),
    ("full", DeviceEntry::Node(1, 7)),
    ("null", DeviceEntry::Node(1, 3)),
    ("ptmx", DeviceEntry::Node(5, 2)),
    ("pts/", DeviceEntry::Directory),
    ("random", DeviceEntry::Node(1, 8)),
    ("shm/", DeviceEntry::Directory),
    ("stderr", DeviceEntry::Link("/proc/self/fd/2")),
    ("stdin", DeviceEntry::Link("/proc/self/fd/0")),
    ("stdout", DeviceEntry::Link("/proc/self/fd/1")),
    ("tty", DeviceEntry::Node(5, 0)),
    ("urandom", DeviceEntry::Node(1, 9)),
    ("zero", DeviceEntry::Node(1, 5)),
];

/// Writes what the options say.
pub(super) fn write(options: &Options, output: &mut Chunks) -> io::Result<()> {
    if options.devices == Devices::None {
        return Ok(());
    }
    for (name, entry) in ENTRIES {
        let mut header = Header::new_ustar();
        // The header's own method leaves out the ./ of the archive's names.
        let path = format!("./dev/{name}");
        let field = &mut header.as_old_mut().name;
        field[..path.len()].copy_from_slice(path.as_bytes());
        match entry {
            DeviceEntry::Node(major, minor) => {
                if options.devices == Devices::Links {
                    continue;
                }
                header.set_entry_type(EntryType::Char);
                header.set_mode(0o666);
                header.set_device_major(major)?;
                header.set_device_minor(minor)?;
            }
            DeviceEntry::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_link_name(target)?;
            }
            DeviceEntry::Directory => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
            }
        }
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        let modified = options.epoch.unwrap_or_default();
        header.set_mtime(u64::try_from(modified).unwrap_or_default());
        header.set_cksum();
        output.write_all(header.as_bytes())?;
    }
    Ok(())
}
