//! Device nodes that packages ship: a loop device with a known content stands for the host's disk.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use rbootstrap::testing::tar::entry;

use super::table::{Case, run, tools};
use crate::context::outcome;

const SIZE: usize = 1 << 20;

/// A loop device over a file.
struct Disk {
    file: tempfile::NamedTempFile,
    device: PathBuf,
}

impl Disk {
    fn new() -> Disk {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [b'c'; SIZE]).unwrap();
        let mut losetup = Command::new("losetup");
        let attached = outcome(losetup.args(["--find", "--show"]).arg(file.path())).ok();
        Disk {
            file,
            device: attached.text().trim().into(),
        }
    }

    /// Major and minor number.
    fn numbers(&self) -> (u32, u32) {
        let device = fs::metadata(&self.device).unwrap().rdev();
        (rustix::fs::major(device), rustix::fs::minor(device))
    }

    fn assert_unchanged(&self) {
        let mut content = Vec::new();
        for path in [self.file.path(), &self.device] {
            content.clear();
            File::open(path).unwrap().read_to_end(&mut content).unwrap();
            let same = content.len() == SIZE && content.iter().all(|&byte| byte == b'c');
            assert!(same, "{} was written to", path.display());
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.device)
            .status();
    }
}

#[test]
#[ignore = "needs root, dpkg, perl, loop"]
fn nodes_of_packages() {
    let disk = Disk::new();
    let (major, minor) = disk.numbers();
    let node = |path: &str, flag, numbers| {
        let mut node = entry(path, flag, 0o666);
        node.device = numbers;
        node
    };
    let use_it = "perl -e 'open(my $d, \"+<\", \"/NODE\") or exit 0; sysread($d, my $x, 4); seek($d, 0, 0); syswrite($d, \"OVERWRITTEN\"); exit 5'";
    let case = |name: &str, path: &str, flag, numbers| {
        let deb = tools(name).script("postinst", &use_it.replace("NODE", path));
        Case::of(deb.entry(node(path, flag, numbers)))
    };
    let refused = |name: &str, path: &str, flag, numbers| {
        let says = &["cannot be unpacked", "device"];
        case(name, path, flag, numbers).fails(3, says)
    };
    let cases = vec![
        refused("block", "usr/lib/disk", b'4', (major, minor)),
        refused("block-in-dev", "dev/disk", b'4', (major, minor)),
        refused("memory", "usr/lib/memory", b'3', (1, 1)),
        refused("kernel-messages", "usr/lib/kmsg", b'3', (1, 11)),
        refused("loop-control", "usr/lib/loop", b'3', (10, 237)),
        // One of those that makedev makes; it does not open.
        case("zero", "usr/lib/zero", b'3', (1, 5)),
        Case::postinst(
            "mknod",
            &format!(
                "mknod /usr/lib/disk b {major} {minor} || exit 0; echo OVERWRITTEN >/usr/lib/disk; exit 5"
            ),
        ),
        Case::postinst(
            "mknod-in-dev",
            &format!(
                "mknod /dev/disk b {major} {minor} || exit 0; echo OVERWRITTEN >/dev/disk; exit 5"
            ),
        ),
    ];
    run("devices", cases);
    disk.assert_unchanged();
}
