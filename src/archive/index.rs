//! Fetching releases and their indexes: every source in a thread of its own, every index in another, results in the order of the sources.
//!
//! When an index is not what its release promises, the mirror changed between the two (a window of minutes, several times a day): the release
//! is read again and the source starts over, a few times. What a release means is in `release`, who may sign it in `openpgp`.

mod decode;

use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::decode::{Decoding, Undecoded, decode};
use super::openpgp::unchecked_text;
use super::release::{is_flat, suite_url, with_extension};
use super::{Error, Index, Listing, Release, Seen, SignatureError, Source, Trust};
use crate::compress::Compression;
use crate::package;
use crate::report::{Event, Report, Stage};
use crate::store::{self, Kind, Stop, Store, Verified, Wanted};

/// How large a Release file may be, in bytes: Debian's are 0.3 MB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// How large a file of detached signatures may be, in bytes.
const SIGNATURE_LIMIT: u64 = 1 << 20;
/// How large an index may be, decoded, in bytes: Debian's largest has 60 MB.
const INDEX_LIMIT: u64 = 1 << 30;
/// How often a source is read before a mismatch counts.
const TRIES: u32 = 3;

/// What reading a source needs besides the source.
#[derive(Clone, Copy)]
struct Reader<'a> {
    store: &'a Store,
    /// Thrown when a source fails, so that no other goes on fetching what nobody will read.
    stop: &'a Stop,
    now: i64,
    seen: &'a (dyn Fn(Seen<'_>) + Sync),
    report: &'a Report,
}

/// What one source gave.
struct Answer {
    release: Arc<Release>,
    listings: Vec<Listing>,
    /// Components and architectures that it lacks.
    lacking: Lacking,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Lacking {
    components: Vec<String>,
    architectures: Vec<String>,
}

pub(super) fn read(store: &Store, sources: &[Source], now: i64, seen: &(dyn Fn(Seen<'_>) + Sync), report: &Report) -> Result<Index, Error> {
    let stop = store.stop();
    let reader = Reader { store, stop: &stop, now, seen, report };
    report.began(Stage::Indexes, 0);
    let answers = all_or_first_failure(in_parallel(sources, |source| reader.source(source).inspect_err(|_| stop.stop())))?;
    lacked_nowhere_else(&answers, report)?;
    report.ended(Stage::Indexes);
    Ok(Index { listings: answers.into_iter().flat_map(|answer| answer.listings).collect() })
}

/// `work` on each item in a thread of its own; the results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))).collect()
    })
}

/// The failure that is reported is a source's own, not that it was stopped because of another's.
fn all_or_first_failure<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let was_stopped = |e: &Error| matches!(e, Error::Fetch { source, .. } if matches!(**source, store::Error::Cancelled));
    let (mut answers, mut failure) = (Vec::new(), None::<Error>);
    for result in results {
        match result {
            Ok(answer) => answers.push(answer),
            Err(error) if failure.as_ref().is_none_or(|known| was_stopped(known) && !was_stopped(&error)) => failure = Some(error),
            Err(_) => {}
        }
    }
    failure.map_or(Ok(answers), Err)
}

/// Warns of what some source lacks; an error when no other has it.
fn lacked_nowhere_else(answers: &[Answer], report: &Report) -> Result<(), Error> {
    let listed = |has: &dyn Fn(&Listing) -> bool| answers.iter().flat_map(|answer| &answer.listings).any(has);
    for Answer { release, lacking, .. } in answers {
        let suite = release.source.suite.clone();
        for component in &lacking.components {
            if !listed(&|listing| listing.component == *component) {
                return Err(Error::NoComponent { component: component.clone(), suite, offered: release.offered_components() });
            }
            report.warning(format!("{suite} has no component {component}"));
        }
        for architecture in &lacking.architectures {
            if !listed(&|listing| listing.architecture == *architecture) {
                return Err(Error::NoArchitecture { architecture: architecture.clone(), suite, offered: release.architectures.clone() });
            }
            report.warning(format!("{suite} has no architecture {architecture}"));
        }
    }
    Ok(())
}

impl Reader<'_> {
    fn source(self, source: &Source) -> Result<Answer, Error> {
        let mut source = source.clone();
        let mut turn = 0;
        loop {
            turn += 1;
            let (release, rate) = self.release(&source)?;
            let release = Arc::new(release);
            let (wanted, lacking) = wanted_indexes(&release)?;
            let listings = in_parallel(&wanted, |index| self.listing(&release, index, rate));
            match listings.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(listings) => {
                    (self.seen)(Seen::Source);
                    return Ok(Answer { release, listings, lacking });
                }
                Err(NoListing::Changed { name, source }) if turn >= TRIES && source.is_trust() => {
                    return Err(Error::Mismatch { suite: release.source.suite.clone(), name, tries: turn, source });
                }
                Err(NoListing::Changed { name, source }) if turn >= TRIES => return Err(Error::Fetch { name, source }),
                Err(NoListing::Changed { name, .. }) => {
                    self.report.detail(format!("{name} of {} does not match its release; reading both again", source.suite));
                    if let [_, _, ..] = source.uris[..] {
                        source.uris.rotate_left(1);
                    }
                }
                Err(NoListing::Failed(error)) => return Err(error),
            }
        }
    }

    /// The release of a source, from the first mirror that has a good one, and the mirror's rate in bytes a second.
    fn release(self, source: &Source) -> Result<(Release, f64), Error> {
        let mut mirrors = source.uris.clone();
        let mut distrusted = None;
        loop {
            let (position, result) = match self.release_of(source, &mirrors) {
                Ok(answer) => answer,
                // Another mirror's refused release says more than a mirror that is silent.
                Err(error) => return Err(distrusted.unwrap_or(error)),
            };
            match result {
                Ok(found) => return Ok(found),
                Err(error) => distrusted = distrusted.or(Some(error)),
            }
            mirrors.drain(..=position);
            match distrusted {
                Some(error) if mirrors.is_empty() => return Err(error),
                _ => self.report.detail(format!("{} is not used from that mirror; trying the next", source.suite)),
            }
        }
    }

    /// Which of the mirrors answered first, and what its release is worth. An error when none answered.
    #[expect(clippy::type_complexity, reason = "the two failures are told apart: no answer, and an answer that is refused")]
    fn release_of(self, source: &Source, mirrors: &[String]) -> Result<(usize, Result<(Release, f64), Error>), Error> {
        let fetch = |name: &str| {
            let urls: Vec<String> = mirrors.iter().map(|uri| format!("{}/{name}", suite_url(uri, &source.suite))).collect();
            let found = self.store.read(&urls, RELEASE_LIMIT)?;
            Ok((urls.iter().position(|known| *known == found.url).unwrap_or(0), found))
        };
        let failed = |source: store::Error, name: &str| Error::Fetch { name: name.into(), source: Box::new(source) };
        let (position, found, verified) = match fetch("InRelease") {
            Ok((position, found)) => {
                let verified = match &source.trust {
                    Trust::Keys(keys) => keys.verify_inline(&found.content, self.now),
                    Trust::Unchecked => unchecked_text(&found.content),
                };
                (position, found, verified)
            }
            Err(store::Error::Missing { .. }) => {
                let (position, found) = fetch("Release").map_err(|e| failed(e, &source.suite))?;
                let verified = match &source.trust {
                    Trust::Keys(keys) => match self.store.read(&[format!("{}.gpg", found.url)], SIGNATURE_LIMIT) {
                        Ok(signatures) => keys.verify_detached(&found.content, &signatures.content, self.now),
                        Err(store::Error::Missing { .. }) => Err(SignatureError::Unsigned),
                        Err(e) => return Err(failed(e, &source.suite)),
                    },
                    Trust::Unchecked => unchecked_text(&found.content),
                };
                (position, found, verified)
            }
            Err(e) => return Err(failed(e, &source.suite)),
        };
        let rate = rate(found.content.len(), found.took);
        let mut answering = source.clone();
        // The mirror that answered comes first, for it has the rest; the others follow in their order.
        answering.uris = mirrors[position..].iter().chain(&mirrors[..position]).cloned().collect();
        let url = store::shown(&found.url);
        let release = match verified {
            Err(source) => Err(Error::Signature { url, source }),
            Ok(text) => match Release::parse(&text, &answering, self.now) {
                Err(source) => Err(Error::Release { url, source }),
                Ok(release) => {
                    self.report.detail(format!("read {url}, dated {}", super::Time(release.date)));
                    Ok((release, rate))
                }
            },
        };
        Ok((position, release))
    }

    fn listing(self, release: &Arc<Release>, wanted: &WantedIndex, rate: f64) -> Result<Listing, NoListing> {
        let began = Instant::now();
        // Whichever compression is fetched, its text is kept under this digest.
        let digest = cheapest_first(release, &wanted.path, rate).into_iter().map(|c| with_extension(&wanted.path, c)).max();
        let digest = digest.and_then(|name| release.files.get(&name)).map(|(_, digest)| digest);
        let kept = digest.and_then(|digest| self.store.recall(Kind::Index, digest)).and_then(|text| String::from_utf8(text).ok());
        let (name, text) = match kept {
            Some(text) => {
                package::stanzas(&text).for_each(|stanza| (self.seen)(Seen::Stanza(release, stanza)));
                (wanted.path.clone(), text)
            }
            None => {
                let (name, text) = self.decoded(release, wanted, rate)?;
                if let Some(digest) = digest {
                    self.store.remember(Kind::Index, digest, text.as_bytes());
                }
                (name, text)
            }
        };
        let item = format!("{} {name}", release.source.suite);
        self.report.send(Event::Span { stage: Stage::Indexes, item, from: began, to: Instant::now() });
        let (component, architecture) = (wanted.component.clone(), wanted.architecture.clone());
        Ok(Listing { release: Arc::clone(release), component, architecture, text })
    }

    /// The index's text and which file it is from.
    fn decoded(self, release: &Arc<Release>, wanted: &WantedIndex, rate: f64) -> Result<(String, String), NoListing> {
        let suite = &release.source.suite;
        let (verified, compression, name) = self.file(release, wanted, rate)?;
        let expected = release.files.get(&wanted.path).map_or(0, |(size, _)| *size);
        let decoding = Decoding { compression, expected, limit: INDEX_LIMIT, seen: &|stanza| (self.seen)(Seen::Stanza(release, stanza)) };
        let text = decode(&verified, decoding).map_err(|undecoded| {
            NoListing::Failed(match undecoded {
                Undecoded::TooLarge => Error::TooLarge { suite: suite.clone(), name: name.clone(), limit: INDEX_LIMIT },
                Undecoded::Io(source) => Error::Decode { suite: suite.clone(), name: name.clone(), source },
            })
        })?;
        Ok((name, text))
    }

    /// The index in the cheapest compression that the mirror really has.
    fn file(self, release: &Release, wanted: &WantedIndex, rate: f64) -> Result<(Verified, Compression, String), NoListing> {
        let mut missing = None;
        for compression in cheapest_first(release, &wanted.path, rate) {
            let name = with_extension(&wanted.path, compression);
            let Some((size, digest)) = release.files.get(&name) else { continue };
            let urls = release.urls(&name, digest);
            self.report.send(Event::Grew { stage: Stage::Indexes, by: *size });
            self.report.send(Event::Working { stage: Stage::Indexes, item: format!("{} {name}", release.source.suite) });
            let file = Wanted { name: name.clone(), urls, size: *size, digest: digest.clone() };
            match self.store.file_until(&file, &|bytes| self.report.advanced(Stage::Indexes, bytes), self.stop) {
                Ok(verified) => return Ok((verified, compression, name)),
                Err(error @ store::Error::Missing { .. }) => missing = Some(NoListing::Changed { name, source: Box::new(error) }),
                Err(error) if error.is_trust() => return Err(NoListing::Changed { name, source: Box::new(error) }),
                Err(error) => return Err(NoListing::Failed(Error::Fetch { name, source: Box::new(error) })),
            }
        }
        Err(missing.unwrap_or_else(|| NoListing::Failed(Error::NoIndex { suite: release.source.suite.clone() })))
    }
}

/// Why an index was not read.
enum NoListing {
    /// It is not there or not what the release says: reading the release again may help.
    Changed {
        name: String,
        source: Box<store::Error>,
    },
    Failed(Error),
}

/// One index to be read.
#[derive(Debug, PartialEq, Eq)]
struct WantedIndex {
    component: String,
    architecture: String,
    /// Below the suite, without a compression's extension.
    path: String,
}

/// The indexes that a release has of what its source asks for, in apt's order: component by component, for each the architectures, then
/// `all` where that is separate; and what is asked for and not there.
fn wanted_indexes(release: &Release) -> Result<(Vec<WantedIndex>, Lacking), Error> {
    let source = &release.source;
    if is_flat(&source.suite) {
        let path = release.index_path("", "").ok_or_else(|| Error::NoIndex { suite: source.suite.clone() })?;
        let architecture = source.architectures.first().cloned().unwrap_or_default();
        return Ok((vec![WantedIndex { component: String::new(), architecture, path }], Lacking::default()));
    }
    let (mut wanted, mut lacking) = (Vec::new(), Lacking::default());
    let offered = release.offered_components();
    for component in &source.components {
        let last = component.rsplit_once('/').map_or(component.as_str(), |(_, last)| last);
        if !offered.iter().any(|known| known == component || known == last) {
            lacking.components.push(component.clone());
            continue;
        }
        let all = if release.separate_all { &["all".to_owned()][..] } else { &[] };
        for architecture in source.architectures.iter().chain(all) {
            match release.index_path(component, architecture) {
                Some(path) => wanted.push(WantedIndex { component: component.clone(), architecture: architecture.clone(), path }),
                None if architecture == "all" || lacking.architectures.contains(architecture) => {}
                None if release.architectures.contains(architecture) => {}
                None => lacking.architectures.push(architecture.clone()),
            }
        }
    }
    Ok((wanted, lacking))
}

/// The compressions of an index, that first which takes the least time to fetch at `rate` and to decode; not compressed at all last, as
/// releases list that form and mirrors seldom have it.
fn cheapest_first(release: &Release, path: &str, rate: f64) -> Vec<Compression> {
    let size = |compression| release.files.get(&with_extension(path, compression)).map_or(0, |(size, _)| *size) as f64;
    let plain = if size(Compression::None) > 0.0 { size(Compression::None) } else { 4.0 * size(Compression::Gzip) };
    let seconds = |compression: Compression| size(compression) / rate + plain / decoding_rate(compression);
    let mut all: Vec<Compression> = release.compressions(path).collect();
    all.sort_by(|&a, &b| (a == Compression::None).cmp(&(b == Compression::None)).then(seconds(a).total_cmp(&seconds(b))));
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

/// A mirror's rate in bytes a second, from one file. A connection is slow at first, so a far mirror seems slower than it is, which errs
/// towards the smaller file.
fn rate(bytes: usize, elapsed: Duration) -> f64 {
    bytes.max(1) as f64 / elapsed.as_secs_f64().max(1e-6)
}

#[cfg(test)]
mod tests;
