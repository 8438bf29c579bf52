//! What must hold for any releases, keyrings, indexes and sources (see `testing::fuzz`).

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

mod preferences;
mod signed;
mod sources;

use std::cell::RefCell;

pub(crate) use preferences::preferences;
pub(crate) use signed::{clearsigned, keyring};
pub(crate) use sources::sources;

use super::index::decode::{DecodeError, DecodeOptions, decode_stream};
use super::release::UtcTime;
use super::{Exemptions, Expiry, Leniency, Release, Source, Trust};
use crate::formats::compress::Compression;
use crate::formats::fields::{Field, PackageFields};
use crate::formats::package::Package;
use crate::formats::stanza::stanzas;
use crate::store::Stop;
use crate::testing::archive::{DATE, date};

const URI: &str = "http://ftp.debian.org/debian";

fn source(suite: &str) -> Source {
    Source {
        uris: vec![URI.to_owned()],
        suite: suite.to_owned(),
        components: vec!["main".to_owned()],
        architectures: vec!["amd64".to_owned()],
        trust: Trust::Unchecked,
        expiry: Expiry::Check,
        tree_keys: crate::archive::TreeKeys::default(),
        packaged: None,
        pin: None,
        exemptions: Exemptions::default(),
        archive: URI.to_owned(),
        leniency: Leniency::default(),
    }
}

/// A Release file of trixie: it is refused unless it says so, and its files are below its suite.
pub(crate) fn release(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(release) = Release::parse(&text, &source("trixie"), DATE) else {
        return;
    };
    assert!(release.is_requested());
    let date = release.date().unwrap();
    assert!(date <= DATE + super::CLOCK_TOLERANCE);
    check_date(date);
    let base = format!("{URI}/dists/trixie/");
    for component in release.offered_components() {
        let Some(path) = release.index_path(&component, "amd64") else {
            continue;
        };
        for compression in release.compressions(&path) {
            let path = super::release::with_extension(&path, compression);
            for url in release.urls(&path, &release.files[&path].digest) {
                assert!(url.starts_with(&base), "{url}");
            }
        }
    }
}

/// A date in the years that Release files can have prints as it is read.
fn check_date(seconds: i64) {
    if seconds < 0 {
        return;
    }
    let file = format!("{} 1 main/binary-amd64/Packages", "0".repeat(64));
    let date = date(seconds);
    let text = format!("Date: {date}\nCodename: trixie\nSHA256:\n {file}\n");
    let again = Release::parse(&text, &source("trixie"), DATE).unwrap();
    assert_eq!(again.date(), Some(seconds), "{}", UtcTime(seconds));
}

/// A Packages file: what is reported while it is decoded is what it has, and only that.
pub(crate) fn packages(data: &[u8]) {
    let seen = RefCell::new(Vec::new());
    let observe = |stanza: &str| seen.borrow_mut().push(stanza.to_owned());
    let stop = Stop::new();
    let options = DecodeOptions {
        compression: Compression::None,
        expected: 0,
        limit: 1 << 20,
        stop: &stop,
        for_patterns: false,
        observe: &observe,
    };
    let text = match decode_stream(data, options) {
        Ok(text) => text,
        Err(DecodeError::Limit { .. } | DecodeError::Unnamed) => return,
        Err(DecodeError::Stopped(error)) => panic!("{error}"),
        Err(DecodeError::Io(error)) => panic!("{error}"),
    };
    let all: Vec<&str> = stanzas(&text).collect();
    assert_eq!(*seen.borrow(), all);
    // A second pass drops nothing more.
    let again = decode_stream(
        text.as_bytes(),
        DecodeOptions {
            observe: &|_| {},
            ..options
        },
    );
    assert_eq!(again.unwrap(), text);
    for fields in PackageFields::all(&text) {
        let Ok(package) = Package::parse(fields.text()) else {
            continue;
        };
        assert!(
            package
                .name
                .eq_ignore_ascii_case(fields.get(Field::Package))
        );
        assert!(!package.name.is_empty() && !package.architecture.is_empty());
        assert_eq!(package.version.as_str(), fields.get(Field::Version));
        assert_eq!(package.essential, fields.essential());
        assert_eq!(package.filename, fields.get(Field::Filename));
        let key = package.key();
        assert_eq!(key, Package::parse(fields.text()).unwrap().key());
    }
}
