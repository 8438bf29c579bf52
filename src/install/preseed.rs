//! Answers debconf's questions before packages are configured: the tree's own debconf reads them.

use std::ffi::OsString;

use crate::dpkg::script_failure::LastLines;
use crate::formats::selections::Selections;
use crate::sandbox::{Command, Sandbox};
use crate::tree::rootfs::{self, RootPath, Rootfs};

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

/// Has debconf-set-selections read the answers. They may be passwords: only root can read the
/// files, which are gone afterwards.
pub(super) fn set_selections(
    preseed: &Preseed,
    root: &Rootfs,
    sandbox: &Sandbox,
    environment: Vec<(OsString, OsString)>,
) -> Result<(), Error> {
    let directory = RootPath::known(DIRECTORY);
    root.make_new_directory(&directory, 0o700)?;
    let ended = match write_answers(preseed, root, &directory) {
        Ok(argv) => sandbox
            .run(&Command {
                argv,
                env: environment,
            })
            .map_err(Error::from),
        Err(error) => Err(error.into()),
    };
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

/// Writes the files. Returns the command that reads them.
fn write_answers(
    preseed: &Preseed,
    root: &Rootfs,
    directory: &RootPath,
) -> Result<Vec<OsString>, rootfs::Error> {
    let mut argv = vec!["debconf-set-selections".into()];
    for (number, file) in preseed.files.iter().enumerate() {
        let path = directory.entry(number.to_string().as_bytes());
        root.write(&path, file.content(), 0o600)?;
        argv.push(path.to_string().into());
    }
    Ok(argv)
}
