//! Answers debconf's questions before packages are configured: the tree's own debconf reads them.

use std::ffi::OsString;

use crate::dpkg::script_failure::LastLines;
use crate::formats::selections::Selections;
use crate::sandbox::{Command, Sandbox};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;

/// Where the answers are while debconf reads them.
const DIRECTORY: &str = "var/lib/dpkg/rbootstrap-preseed";

/// Files of answers, in the user's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preseed {
    pub(crate) files: Vec<Selections>,
}

impl Preseed {
    /// How many values and flags are set.
    pub(super) fn count(&self) -> usize {
        self.files.iter().map(Selections::count).sum()
    }
}

/// Has debconf-set-selections read the answers. They may be passwords: only root can read the files,
/// which are gone afterwards.
pub(super) fn set_selections(
    preseed: &Preseed,
    root: &Rootfs,
    sandbox: &Sandbox,
    environment: Vec<(OsString, OsString)>,
) -> Result<(), Error> {
    let directory = RootPath::known(DIRECTORY);
    root.make_directory(&directory, 0o700)?;
    let mut argv = vec!["debconf-set-selections".into()];
    for (number, file) in preseed.files.iter().enumerate() {
        let path = RootPath::parse(format!("{DIRECTORY}/{number}")).unwrap_or_default();
        root.write(&path, file.content(), 0o600)?;
        argv.push(path.to_string().into());
    }
    let ended = sandbox.run(&Command {
        argv,
        env: environment,
    });
    root.remove_tree(&directory)?;
    let ended = ended?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Error::Preseed {
        status: ended.status,
        output: LastLines::of_output(&ended.output),
    })
}
