//! `--skip`: which of mmdebstrap's steps and checks are left out.

use crate::pack::Devices;
use crate::tree::tidy::Kept;

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skips {
    /// The check that a directory is empty.
    pub(super) empty: bool,
    pub(super) kept: Kept,
    /// The removal of the .debs of essential packages.
    pub(super) unlink: bool,
    without_dev: bool,
    without_nodes: bool,
    /// The copying of device nodes into the tree by helpers.
    pub(super) copied_nodes: bool,
}

/// Steps and checks that this program does not have.
const WITHOUT_EFFECT: [&str; 13] = [
    "check/qemu",
    "check/chrootless",
    "check/signed-by",
    "chroot/mount",
    "chroot/mount/dev",
    "chroot/mount/proc",
    "chroot/mount/sys",
    "chroot/policy-rc.d",
    "chroot/start-stop-daemon",
    "zombie-reaping",
    "cleanup/mmdebstrap",
    "cleanup/dev",
    "check",
];

/// Steps that cannot be skipped, with what to do instead.
const REFUSED: [(&str, &str); 4] = [
    ("setup", "a setup hook can change what was set up"),
    ("update", "packages are chosen from the indexes of a mirror"),
    ("download", "a file: mirror needs no download"),
    ("essential", "--variant=extract configures nothing"),
];

impl Skips {
    /// Adds a name. Notes say which have no effect.
    pub(super) fn add(&mut self, name: &str, notes: &mut Vec<String>) -> Result<(), String> {
        match name {
            "check/empty" => self.empty = true,
            "essential/unlink" => self.unlink = true,
            "output/dev" => self.without_dev = true,
            "output/mknod" => self.without_nodes = true,
            "tar-in/mknod" | "copy-in/mknod" | "sync-in/mknod" => self.copied_nodes = true,
            "cleanup" => {
                self.kept = Kept {
                    lists: true,
                    auxfiles: true,
                    archives: true,
                    logs: true,
                    machine_id: true,
                    run: true,
                    tmp: true,
                };
            }
            "cleanup/apt" => {
                self.kept.lists = true;
                self.kept.auxfiles = true;
                self.kept.archives = true;
            }
            "cleanup/apt/lists" => self.kept.lists = true,
            "cleanup/apt/cache" => self.kept.archives = true,
            "cleanup/reproducible" => self.kept.logs = true,
            "cleanup/reproducible/machine-id" => self.kept.machine_id = true,
            "cleanup/run" => self.kept.run = true,
            "cleanup/tmp" => self.kept.tmp = true,
            _ => return self.refuse(name, notes),
        }
        Ok(())
    }

    fn refuse(&self, name: &str, notes: &mut Vec<String>) -> Result<(), String> {
        if let Some((_, way)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(format!("--skip={name} is not supported: {way}"));
        }
        notes.push(match WITHOUT_EFFECT.contains(&name) {
            true => format!("--skip={name} has no effect here"),
            false => format!("--skip={name}: there is no such step"),
        });
        Ok(())
    }

    /// What /dev has in an image.
    pub(super) fn devices(self) -> Devices {
        match (self.without_dev, self.without_nodes) {
            (true, _) => Devices::None,
            (false, true) => Devices::Links,
            (false, false) => Devices::Nodes,
        }
    }
}
