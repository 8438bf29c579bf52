//! One release's indexes: which a source asks for, and each fetched, decoded and told stanza by stanza.
//!
//! What decodes an index is in `decode`; when one is read again because the mirror changed, in `reading`.

mod decode;

use std::sync::Arc;
use std::time::Instant;

use self::decode::{Decoding, Undecoded, decode};
use super::release::{is_flat, with_extension};
use super::{Error, Listing, Release, Seen};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, digest};
use crate::formats::stanza;
use crate::report::{Event, Report, Stage};
use crate::store::{self, DerivedKind, RemoteFile, Stop, Store, Verified};

/// How large an index may be, decoded, in bytes: Debian's largest has 60 MB.
const INDEX_LIMIT: u64 = 1 << 30;

/// What reading a release's indexes needs besides the release.
#[derive(Clone, Copy)]
pub(super) struct Indexes<'a> {
    pub(crate) store: &'a Store,
    /// Thrown when another source fails.
    pub(crate) stop: &'a Stop,
    pub(crate) seen: &'a (dyn Fn(Seen<'_>) + Sync),
    pub(crate) report: &'a Report,
    /// The mirror's rate in bytes a second.
    pub(crate) rate: f64,
}

impl Indexes<'_> {
    /// One index, from what was kept of it or from a mirror.
    pub(super) fn listing(
        self,
        release: &Arc<Release>,
        wanted: &WantedIndex,
    ) -> Result<Listing, NoListing> {
        let began = Instant::now();
        let key = digest(
            Algorithm::Sha256,
            promised(release, &wanted.path).as_bytes(),
        );
        let kept = self
            .store
            .get(DerivedKind::Index, &key)
            .and_then(|text| String::from_utf8(text).ok());
        let (name, text) = match kept {
            Some(text) => {
                stanza::stanzas(&text)
                    .for_each(|stanza| (self.seen)(Seen::Stanza(release, stanza)));
                (wanted.path.clone(), text)
            }
            None => {
                let (name, text) = self.decoded(release, wanted)?;
                self.store.put(DerivedKind::Index, &key, text.as_bytes());
                (name, text)
            }
        };
        let item = format!("{} {name}", release.source.suite);
        self.report.send(Event::Span {
            stage: Stage::Indexes,
            item,
            from: began,
            to: Instant::now(),
        });
        let (component, architecture) = (wanted.component.clone(), wanted.architecture.clone());
        Ok(Listing {
            release: Arc::clone(release),
            component,
            architecture,
            text,
        })
    }

    /// The index's text and which file it is from.
    fn decoded(
        self,
        release: &Arc<Release>,
        wanted: &WantedIndex,
    ) -> Result<(String, String), NoListing> {
        let suite = &release.source.suite;
        let (verified, compression, name) = self.file(release, wanted)?;
        let expected = release.files.get(&wanted.path).map_or(0, |(size, _)| *size);
        let decoding = Decoding {
            compression,
            expected,
            limit: INDEX_LIMIT,
            seen: &|stanza| (self.seen)(Seen::Stanza(release, stanza)),
        };
        let text = decode(&verified, decoding).map_err(|undecoded| {
            NoListing::Failed(match undecoded {
                Undecoded::TooLarge => Error::TooLarge {
                    suite: suite.clone(),
                    name: name.clone(),
                    limit: INDEX_LIMIT,
                },
                Undecoded::Io(source) => Error::Decode {
                    suite: suite.clone(),
                    name: name.clone(),
                    source,
                },
            })
        })?;
        Ok((name, text))
    }

    /// The index in the cheapest compression that the mirror really has.
    fn file(
        self,
        release: &Release,
        wanted: &WantedIndex,
    ) -> Result<(Verified, Compression, String), NoListing> {
        let mut missing = None;
        for compression in cheapest_first(release, &wanted.path, self.rate) {
            let name = with_extension(&wanted.path, compression);
            let Some((size, digest)) = release.files.get(&name) else {
                continue;
            };
            let urls = release.urls(&name, digest);
            self.report.send(Event::Grew {
                stage: Stage::Indexes,
                by: *size,
            });
            self.report.send(Event::Working {
                stage: Stage::Indexes,
                item: format!("{} {name}", release.source.suite),
            });
            let file = RemoteFile {
                name: name.clone(),
                urls,
                size: *size,
                digest: digest.clone(),
            };
            match self.store.file_until(
                &file,
                &|bytes| self.report.advanced(Stage::Indexes, bytes),
                self.stop,
            ) {
                Ok(verified) => return Ok((verified, compression, name)),
                Err(error @ store::Error::Missing { .. }) => {
                    missing = Some(NoListing::Changed {
                        name,
                        source: Box::new(error),
                    })
                }
                Err(error) if error.is_trust() => {
                    return Err(NoListing::Changed {
                        name,
                        source: Box::new(error),
                    });
                }
                Err(error) => {
                    return Err(NoListing::Failed(Error::Fetch {
                        name,
                        source: Box::new(error),
                    }));
                }
            }
        }
        Err(missing.unwrap_or_else(|| {
            NoListing::Failed(Error::NoIndex {
                suite: release.source.suite.clone(),
            })
        }))
    }
}

/// Why an index was not read.
pub(super) enum NoListing {
    /// It is not there or not what the release says: reading the release again may help.
    Changed {
        name: String,
        source: Box<store::Error>,
    },
    Failed(Error),
}

/// One index to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedIndex {
    pub(crate) component: String,
    pub(crate) architecture: String,
    /// Below the suite, without a compression's extension.
    pub(crate) path: String,
}

/// What a source asks for and its release does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    pub(crate) components: Vec<String>,
    pub(crate) architectures: Vec<String>,
}

/// The indexes that a release has of what its source asks for, in apt's order: component by component, for each the architectures, then
/// `all` where that is separate; and what is asked for and not there.
pub(super) fn wanted_indexes(release: &Release) -> Result<(Vec<WantedIndex>, Lacking), Error> {
    let source = &release.source;
    if is_flat(&source.suite) {
        let path = release.index_path("", "").ok_or_else(|| Error::NoIndex {
            suite: source.suite.clone(),
        })?;
        let architecture = source.architectures.first().cloned().unwrap_or_default();
        return Ok((
            vec![WantedIndex {
                component: String::new(),
                architecture,
                path,
            }],
            Lacking::default(),
        ));
    }
    let (mut wanted, mut lacking) = (Vec::new(), Lacking::default());
    let offered = release.offered_components();
    for component in &source.components {
        let last = component
            .rsplit_once('/')
            .map_or(component.as_str(), |(_, last)| last);
        if !offered
            .iter()
            .any(|known| known == component || known == last)
        {
            lacking.components.push(component.clone());
            continue;
        }
        let all = if release.separate_all {
            &["all".to_owned()][..]
        } else {
            &[]
        };
        for architecture in source.architectures.iter().chain(all) {
            match release.index_path(component, architecture) {
                Some(path) => wanted.push(WantedIndex {
                    component: component.clone(),
                    architecture: architecture.clone(),
                    path,
                }),
                None if architecture == "all" || lacking.architectures.contains(architecture) => {}
                None if release.architectures.contains(architecture) => {}
                None => lacking.architectures.push(architecture.clone()),
            }
        }
    }
    Ok((wanted, lacking))
}

/// What a release promises of an index: size and digest in every compression. One of them would not do to know a text again that another
/// gave: a release that nobody signed can name the true digest of one beside an index of its own making in another.
pub(super) fn promised(release: &Release, path: &str) -> String {
    let file = |compression| {
        release
            .files
            .get_key_value(&with_extension(path, compression))
    };
    format!(
        "{:?}",
        release
            .compressions(path)
            .filter_map(file)
            .collect::<Vec<_>>()
    )
}

/// The compressions of an index, that first which takes the least time to fetch at `rate` and to decode; not compressed at all last, as
/// releases list that form and mirrors seldom have it.
pub(super) fn cheapest_first(release: &Release, path: &str, rate: f64) -> Vec<Compression> {
    let size = |compression| {
        release
            .files
            .get(&with_extension(path, compression))
            .map_or(0, |(size, _)| *size) as f64
    };
    let plain = if size(Compression::None) > 0.0 {
        size(Compression::None)
    } else {
        4.0 * size(Compression::Gzip)
    };
    let seconds =
        |compression: Compression| size(compression) / rate + plain / decoding_rate(compression);
    let mut all: Vec<Compression> = release.compressions(path).collect();
    all.sort_by(|&a, &b| {
        (a == Compression::None)
            .cmp(&(b == Compression::None))
            .then(seconds(a).total_cmp(&seconds(b)))
    });
    all
}

/// How fast a compression of Packages decodes, in bytes of plain text a second: measured on Debian's main, rounded.
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
