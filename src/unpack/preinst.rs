//! Running a preinst as dpkg runs it.

use std::ffi::OsString;

use crate::chroot::{self, Command, Finished};
use crate::dpkg::{SCRIPT_DIRECTORY, has_effect, script_environment};
use crate::rootfs::{RootPath, Rootfs};

use super::stage::Staged;
use super::{Error, Preinsts};

/// Runs a command inside the tree.
pub(super) type Run<'r> = &'r dyn Fn(&Command) -> Result<Finished, chroot::Error>;

/// What a preinst hears of the world around it.
pub(super) struct Surroundings<'a> {
    /// SOURCE_DATE_EPOCH, in seconds.
    pub(super) epoch: i64,
    /// The version of the tree's dpkg, where that is known.
    pub(super) dpkg: Option<&'a str>,
    /// How many packages of this name there are, itself counted.
    pub(super) instances: usize,
}

/// Whether a package's preinst has to run.
pub(super) fn has_to_run(staged: &Staged, preinsts: Preinsts) -> bool {
    let script = staged.members.iter().find(|m| m.name == "preinst");
    script.is_some_and(|script| preinsts == Preinsts::All || has_effect(&script.content))
}

/// Runs a package's preinst, its control members beside it. That it fails is an error.
pub(super) fn run(root: &Rootfs, staged: &Staged, surroundings: &Surroundings<'_>, run: Run<'_>) -> Result<(), Error> {
    let name = &staged.package.name;
    let directory = RootPath::known(SCRIPT_DIRECTORY);
    let tree = |e| Error::tree(name, e);
    root.remove_tree(&directory).map_err(tree)?;
    root.make_directory(&directory, 0o755).map_err(tree)?;
    let control = ("control", staged.stanza.as_bytes(), 0o644);
    for (member, content, mode) in staged.members.iter().map(|m| (m.name.as_str(), &m.content[..], m.mode)).chain([control]) {
        let path = RootPath::parse(member).map_err(|source| Error::Path { package: name.clone(), source })?;
        root.write(&directory.join(&path), content, mode).map_err(tree)?;
    }
    let script = format!("/{SCRIPT_DIRECTORY}/preinst");
    let command = Command { argv: vec![script.into(), "install".into()], env: environment(staged, surroundings) };
    let finished = run(&command).map_err(|source| Error::Box { package: name.clone(), source })?;
    if !finished.status.success() {
        let output = String::from_utf8_lossy(&finished.output).into_owned();
        return Err(Error::Preinst { package: name.clone(), status: finished.status, output });
    }
    root.remove_tree(&directory).map_err(tree)
}

fn environment(staged: &Staged, surroundings: &Surroundings<'_>) -> Vec<(OsString, OsString)> {
    let mut all = script_environment(surroundings.epoch);
    let own = [
        ("DPKG_MAINTSCRIPT_PACKAGE", staged.package.name.as_str()),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", &surroundings.instances.to_string()),
        ("DPKG_MAINTSCRIPT_ARCH", &staged.package.architecture),
        ("DPKG_MAINTSCRIPT_NAME", "preinst"),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
    ];
    all.extend(own.map(|(name, value)| (name.into(), value.into())));
    all.extend(surroundings.dpkg.map(|version| ("DPKG_RUNNING_VERSION".into(), version.into())));
    all
}
