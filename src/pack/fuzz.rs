//! What must hold for any OCI image to join (see `testing::fuzz`).

#![expect(
    clippy::disallowed_methods,
    reason = "the input and the output are files of the check"
)]

use std::fs;
use std::path::PathBuf;

use super::form::{Layout, Sink};
use super::oci::{JoinOptions, join};
use crate::interrupt::Interrupt;

/// An archive: it is refused, and nothing is written; or the joined image, joined again, stays as
/// it is.
pub(crate) fn oci(data: &[u8]) {
    let Ok(directory) = tempfile::tempdir() else {
        return;
    };
    let [input, once, twice] = ["input", "once", "twice"].map(|name| directory.path().join(name));
    if fs::write(&input, data).is_err() {
        return;
    }
    if joined(input, once.clone()).is_err() {
        assert!(!once.exists());
        return;
    }
    if let Err(error) = joined(once.clone(), twice.clone()) {
        panic!("{error}");
    }
    assert_eq!(fs::read(once).ok(), fs::read(twice).ok());
}

fn joined(input: PathBuf, output: PathBuf) -> Result<(), super::Error> {
    let options = JoinOptions {
        images: vec![input],
        output: Layout::Archive(Sink::File(output)),
        tag: None,
        annotations: Default::default(),
    };
    join(&options, &Interrupt::default())
}
