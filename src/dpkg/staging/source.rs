//! Opens a package's .deb as it arrives, and checks that it is the package that was promised.

use std::fs::File;
use std::sync::Arc;

use crate::dpkg::unpack::Error;
use crate::formats::deb::{self, CopyWriter, Deb};
use crate::formats::package::{BadStanza, Package};
use crate::store::downloads::Downloads;
use crate::store::{Encoding, Verified};

use super::{PackageFile, PackageSource};

/// The .debs that `fetch` brings.
pub(crate) fn downloads(fetch: Arc<Downloads>) -> Box<PackageSource> {
    Box::new(move |file| open(&fetch, file))
}

fn open(fetch: &Downloads, file: &PackageFile) -> Result<Deb, Error> {
    let verified = fetch.take(&file.deb);
    let mut verified = verified.map_err(|source| Error::Fetch { source })?;
    let mut opened = verified.open();
    if opened.is_err() {
        // The cache is shared: the file may have been replaced or removed since.
        let again = fetch.fetch_again(&file.deb);
        verified = Arc::new(again.map_err(|source| Error::Fetch {
            source: Arc::new(source),
        })?);
        opened = verified.open();
    }
    let deb = opened
        .map_err(deb::Error::Read)
        .and_then(|opened| read(fetch, file, &verified, opened));
    let deb = deb.map_err(|source| Error::Deb {
        package: file.key.name().to_owned(),
        source,
    })?;
    check_package(file, &deb)?;
    Ok(deb)
}

/// Reads a .deb or its decoded copy. The first time, a copy is written.
fn read(
    fetch: &Downloads,
    file: &PackageFile,
    verified: &Verified,
    opened: File,
) -> Result<Deb, deb::Error> {
    match verified.encoding() {
        Encoding::Decoded => Deb::open_copy(opened, verified.size()),
        Encoding::Original => {
            let writer = fetch.derived_writer(&file.deb);
            let writer = writer.map(|writer| Box::new(writer) as Box<dyn CopyWriter>);
            Deb::open(opened, writer)
        }
    }
}

/// Checks that a .deb is the package that its index names.
fn check_package(file: &PackageFile, deb: &Deb) -> Result<(), Error> {
    let malformed = |source: BadStanza| Error::Control {
        package: file.key.name().to_owned(),
        source: source.into(),
    };
    let found = Package::parse(&deb.stanza).map_err(malformed)?.key();
    if found == file.key {
        return Ok(());
    }
    Err(Error::OtherPackage {
        package: file.key.clone(),
        found,
    })
}
