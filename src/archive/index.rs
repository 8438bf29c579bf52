//! The indexes of one release: which of them a source asks for, and each fetched, decoded and
//! reported stanza by stanza.
//!
//! `decode` decodes an index. Reading one again because the mirror changed is left to `reader`.

pub(super) mod decode;

use std::io::{self, BufReader};
use std::sync::Arc;
use std::time::Instant;

use self::decode::{DecodeError, DecodeOptions, decode};
use super::release::{PromisedFile, is_flat, with_extension};
use super::{Error, IndexEvent, Listing, Release};
use crate::bounded;
use crate::formats::compress::{Compression, Integrity, decoder};
use crate::formats::key::KeyHasher;
use crate::formats::stanza;
use crate::report::{Event, Report, Stage};
use crate::store::{self, DerivedKind, RemoteFile, Stop, Store, Verified};

/// The largest index, decoded, in bytes. Debian's largest has 60 MB.
const INDEX_LIMIT: u64 = 1 << 30;
/// How large any index may be, decoded, in bytes.
const FREE_BYTES: u64 = 32 << 20;
/// How much larger than this an index may be for each byte of the compressed file. Debian's indexes
/// decode to six times their size.
const RATIO: u64 = 64;

/// What is needed to read the indexes of a release besides the release.
#[derive(Clone, Copy)]
pub(super) struct Indexes<'a> {
    pub(super) store: &'a Store,
    /// Stopped when another source fails.
    pub(super) stop: &'a Stop,
    pub(super) observe: &'a (dyn Fn(IndexEvent<'_>) + Sync),
    pub(super) report: &'a Report,
    /// The mirror's rate in bytes a second.
    pub(super) rate: f64,
    /// Keeps the fields that only patterns and tasks ask for.
    pub(super) for_patterns: bool,
}

/// One index to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexFile {
    pub(super) component: String,
    pub(super) architecture: String,
    /// Below the suite, without a compression's extension.
    pub(super) path: String,
}

/// What a source asks for and its release does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MissingIndexes {
    pub(super) components: Vec<String>,
    pub(super) architectures: Vec<String>,
    /// The paths of indexes that are listed in compressed form only.
    pub(super) only_compressed: Vec<String>,
}

/// Why an index was not read.
pub(super) enum ListingError {
    /// It does not exist or is not what the release says. Reading the release again may help.
    Changed {
        name: String,
        source: Box<store::Error>,
    },
    Failed(Error),
}

/// An index that was fetched and not decoded.
struct Fetched {
    verified: Verified,
    compression: Compression,
    /// With the compression's extension.
    name: String,
}

impl Indexes<'_> {
    /// Reads one index, from the cache of decoded ones or from a mirror.
    pub(super) fn listing(
        self,
        release: &Arc<Release>,
        file: &IndexFile,
    ) -> Result<Listing, ListingError> {
        let from = Instant::now();
        let mut key = KeyHasher::new(match self.for_patterns {
            true => "index for patterns",
            false => "index",
        });
        add_promise(&mut key, release, &file.path);
        let key = key.finish();
        let cached = self.store.get(DerivedKind::Index, &key);
        let cached = cached.and_then(|text| String::from_utf8(text).ok());
        let (name, text) = match cached {
            Some(text) => {
                for stanza in stanza::stanzas(&text) {
                    (self.observe)(IndexEvent::Stanza(release, stanza));
                }
                (file.path.clone(), text)
            }
            None => {
                let fetched = self.fetch(release, file)?;
                let text = self.decode(release, file, &fetched)?;
                self.store.put(DerivedKind::Index, &key, text.as_bytes());
                (fetched.name, text)
            }
        };
        self.report.send(Event::Span {
            stage: Stage::Indexes,
            item: format!("{} {name}", release.source().suite),
            from,
            to: Instant::now(),
        });
        Ok(Listing {
            release: Arc::clone(release),
            #[cfg(any(test, feature = "testing"))]
            architecture: file.architecture.clone(),
            text,
        })
    }

    /// One index, decompressed and whole.
    pub(super) fn whole(
        self,
        release: &Release,
        file: &IndexFile,
    ) -> Result<Vec<u8>, ListingError> {
        let fetched = self.fetch(release, file)?;
        let limit = size_limit(fetched.verified.size());
        let read = fetched.verified.open().and_then(|file| {
            let decoded = decoder(fetched.compression, BufReader::new(file), Integrity::Known)?;
            let content = bounded::read(decoded, limit)?;
            content.ok_or(io::ErrorKind::FileTooLarge.into())
        });
        read.map_err(|source| {
            ListingError::Failed(Error::Decode {
                suite: release.source().suite.clone(),
                name: fetched.name,
                source,
            })
        })
    }

    /// Fetches the index in the cheapest compression that the mirror has.
    fn fetch(self, release: &Release, file: &IndexFile) -> Result<Fetched, ListingError> {
        let suite = &release.source().suite;
        let mut missing = None;
        for compression in cheapest_first(release, &file.path, self.rate) {
            let name = with_extension(&file.path, compression);
            let Some(promised) = release.files.get(&name) else {
                continue;
            };
            self.report.send(Event::Grew {
                stage: Stage::Indexes,
                by: promised.size,
            });
            self.report.send(Event::Working {
                stage: Stage::Indexes,
                item: format!("{suite} {name}"),
            });
            match self.fetch_promised(release, &name, promised) {
                Ok(verified) => {
                    return Ok(Fetched {
                        verified,
                        compression,
                        name,
                    });
                }
                Err(error) => {
                    let is_missing = matches!(error, store::Error::Missing { .. });
                    let is_changed = is_missing || error.is_trust();
                    let source = Box::new(error);
                    if !is_changed {
                        return Err(ListingError::Failed(Error::Fetch { name, source }));
                    }
                    let changed = ListingError::Changed { name, source };
                    if !is_missing {
                        return Err(changed);
                    }
                    missing = Some(changed);
                }
            }
        }
        let suite = suite.clone();
        Err(missing.unwrap_or(ListingError::Failed(Error::NoIndex { suite })))
    }

    fn fetch_promised(
        self,
        release: &Release,
        name: &str,
        promised: &PromisedFile,
    ) -> Result<Verified, store::Error> {
        let file = RemoteFile {
            name: name.to_owned(),
            urls: release.urls(name, &promised.digest),
            size: promised.size,
            digest: promised.digest.clone(),
        };
        let progress = |bytes| self.report.advanced(Stage::Indexes, bytes);
        self.store.file_until(&file, &progress, self.stop)
    }

    /// Decodes the index's text and reports its stanzas.
    fn decode(
        self,
        release: &Release,
        file: &IndexFile,
        fetched: &Fetched,
    ) -> Result<String, ListingError> {
        let plain = release.files.get(&file.path);
        let options = DecodeOptions {
            compression: fetched.compression,
            expected: plain.map_or(0, |promised| promised.size),
            limit: size_limit(fetched.verified.size()),
            stop: self.stop,
            for_patterns: self.for_patterns,
            observe: &|stanza| (self.observe)(IndexEvent::Stanza(release, stanza)),
        };
        let suite = release.source().suite.clone();
        let name = fetched.name.clone();
        match decode(&fetched.verified, options) {
            Ok(text) => Ok(text),
            Err(DecodeError::Limit { what, limit }) => Err(ListingError::Failed(Error::Limit {
                suite,
                name,
                what,
                limit,
            })),
            Err(DecodeError::Unnamed) => Err(ListingError::Failed(Error::Unnamed { suite, name })),
            Err(DecodeError::Stopped(source)) => {
                let source = Box::new(source);
                Err(ListingError::Failed(Error::Fetch { name, source }))
            }
            Err(DecodeError::Io(source)) => Err(ListingError::Failed(Error::Decode {
                suite,
                name,
                source,
            })),
        }
    }
}

/// How large an index may be, decoded, whose file has `size` bytes.
fn size_limit(size: u64) -> u64 {
    let by_size = size.saturating_mul(RATIO);
    by_size.saturating_add(FREE_BYTES).min(INDEX_LIMIT)
}

/// The indexes that a release has of what its source asks for, in apt's order: component by
/// component, for each the architectures, then `all` where that is separate; and what the release
/// lacks.
pub(super) fn index_files(release: &Release) -> Result<(Vec<IndexFile>, MissingIndexes), Error> {
    let mut files = Vec::new();
    let mut missing = MissingIndexes::default();
    let source = release.source();
    if is_flat(&source.suite) {
        let path = release.index_path("", "").ok_or_else(|| Error::NoIndex {
            suite: source.suite.clone(),
        })?;
        if release.is_readable(&path) {
            files.push(IndexFile {
                component: String::new(),
                architecture: source.architectures.first().cloned().unwrap_or_default(),
                path,
            });
        } else {
            missing.only_compressed.push(path);
        }
        return Ok((files, missing));
    }
    let mut architectures = source.architectures.clone();
    if release.separate_all {
        architectures.push("all".to_owned());
    }
    let offered = release.offered_components();
    for component in &source.components {
        let last = last_part(component);
        if !offered
            .iter()
            .any(|known| known == component || known == last)
        {
            missing.components.push(component.clone());
            continue;
        }
        for architecture in &architectures {
            if let Some(path) = release.index_path(component, architecture) {
                if !release.is_readable(&path) {
                    missing.only_compressed.push(path);
                    continue;
                }
                files.push(IndexFile {
                    component: component.clone(),
                    architecture: architecture.clone(),
                    path,
                });
            } else if architecture != "all"
                && release.architectures != ["all"] // packages for every architecture
                && !release.architectures.contains(architecture)
                && !missing.architectures.contains(architecture)
            {
                missing.architectures.push(architecture.clone());
            }
        }
    }
    Ok((files, missing))
}

/// `updates/main` → `main`
pub(super) fn last_part(component: &str) -> &str {
    component
        .rsplit_once('/')
        .map_or(component, |(_, last)| last)
}

/// Adds what a release promises of an index to a key: size and digest in every compression. One
/// compression is not enough: an unsigned release can name the true digest of one compression
/// beside a forged index in another.
pub(super) fn add_promise(key: &mut KeyHasher, release: &Release, path: &str) {
    for compression in release.compressions(path) {
        let name = with_extension(path, compression);
        if let Some(promised) = release.files.get(&name) {
            key.text(&name);
            key.number(promised.size);
            key.digest(&promised.digest);
        }
    }
    key.text("");
}

/// The compressions of an index, ordered by the time that it takes to fetch it at `rate` and to
/// decode it. Uncompressed comes last: releases list it, but mirrors seldom have it.
pub(super) fn cheapest_first(release: &Release, path: &str, rate: f64) -> Vec<Compression> {
    let size = |compression| {
        let promised = release.files.get(&with_extension(path, compression));
        promised.map_or(0, |promised| promised.size) as f64
    };
    let plain = match size(Compression::None) {
        0.0 => 4.0 * size(Compression::Gzip),
        known => known,
    };
    let cost = |compression: &Compression| {
        let seconds = size(*compression) / rate + plain / decoding_rate(*compression);
        (*compression == Compression::None, seconds)
    };
    let mut all: Vec<Compression> = release.compressions(path).collect();
    all.sort_by(|a, b| {
        let a = cost(a);
        let b = cost(b);
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    all
}

/// How fast a compression of Packages decodes, in bytes of plain text a second. Measured on
/// Debian's main, rounded.
fn decoding_rate(compression: Compression) -> f64 {
    match compression {
        Compression::None => 4e9,
        Compression::Zstd => 700e6,
        Compression::Gzip => 400e6,
        Compression::Xz => 140e6,
        Compression::Lzma => 100e6,
        Compression::Bzip2 => 40e6,
    }
}
