//! Opens a package's .deb as it arrives, and checks that it is the package that was promised.

use std::fs::File;
use std::sync::Arc;

use crate::dpkg::unpack::Error;
use crate::formats::deb::{self, CopyWriter, Deb, DebLimits};
use crate::formats::package::{BadStanza, Package};
use crate::interrupt::Interrupt;
use crate::store::CacheForm;
use crate::store::downloads::Downloads;

use super::{PackageFile, PackageSource};

/// The .debs that `fetch` brings. An interrupt stops reading them.
pub(crate) fn downloads(fetch: Arc<Downloads>, interrupt: Interrupt) -> Box<PackageSource> {
    Box::new(move |file| {
        let limits = DebLimits::new(file.deb.size, file.installed_size, interrupt.clone());
        open(&fetch, file, limits)
    })
}

fn open(fetch: &Downloads, file: &PackageFile, limits: DebLimits) -> Result<Deb, Error> {
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
        .and_then(|opened| match verified.form() {
            CacheForm::Decoded => Deb::open_copy(opened, verified.size(), limits),
            CacheForm::Original => {
                Deb::open(opened, file.integrity, limits, copy_writer(fetch, file))
            }
        });
    let deb = deb.map_err(|source| Error::Deb {
        package: file.shown(),
        source,
    })?;
    check_package(file, &deb)?;
    Ok(deb)
}

/// A .deb as it was downloaded.
pub(crate) struct Original {
    /// At its beginning.
    pub(crate) file: File,
    /// When it was built, in seconds since the epoch; 0 if that is not known.
    pub(crate) built: i64,
}

/// The .deb that `fetch` brings, after a check that it is the package that was promised.
pub(crate) fn original(
    fetch: &Downloads,
    file: &PackageFile,
    interrupt: &Interrupt,
) -> Result<Original, Error> {
    let verified = fetch.original(&file.deb);
    let verified = verified.map_err(|source| Error::Fetch { source })?;
    let limits = DebLimits::new(file.deb.size, file.installed_size, interrupt.clone());
    let opened = verified.open().map_err(deb::Error::Read);
    let deb = opened.and_then(|opened| Deb::open(opened, file.integrity, limits, None));
    let deb = deb.map_err(|source| Error::Deb {
        package: file.shown(),
        source,
    })?;
    check_package(file, &deb)?;
    // Of its own: what reads control members moves the offset.
    let reopened = verified.open().map_err(|source| Error::Deb {
        package: file.shown(),
        source: deb::Error::Read(source),
    })?;
    Ok(Original {
        file: reopened,
        built: deb.built,
    })
}

/// Takes the decoded copy that is written the first time.
fn copy_writer(fetch: &Downloads, file: &PackageFile) -> Option<Box<dyn CopyWriter>> {
    let writer = fetch.derived_writer(&file.deb);
    writer.map(|writer| Box::new(writer) as Box<dyn CopyWriter>)
}

/// Checks that a .deb is the package that its index names.
fn check_package(file: &PackageFile, deb: &Deb) -> Result<(), Error> {
    let malformed = |source: BadStanza| Error::Control {
        package: file.shown(),
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
