//! Reads all sources: each in a thread of its own, each of its indexes in another, with results in
//! the order of the sources.
//!
//! When an index is not what its release promises, the mirror is being updated (a window of
//! minutes, several times a day): the release is read again and the source starts over, from the
//! next mirror and at last after pauses that add up to minutes. A single release is read by
//! `signed`, a single index by `index`.

mod lists;
mod mismatch;

use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::index::{IndexFile, Indexes, ListingError, MissingIndexes, add_promise, index_files};
use super::signed::{ReadRelease, Releases, SignedFiles};
use super::{CLOCK_TOLERANCE, Error, Index, IndexEvent, Listing, Release, Source, Trust};
use crate::formats::digest::Digest;
use crate::formats::key::KeyHasher;
use crate::report::{Event, Report, Stage};
use crate::store::{self, Stop, Store};
pub(crate) use lists::ListFile;
use mismatch::Mismatch;

/// When sources are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderOptions {
    /// In seconds since the epoch.
    pub(crate) now: i64,
    /// How long a mirror that is being updated is waited for, in all.
    pub(crate) mirror_wait: Duration,
    /// Keeps the fields that only patterns and tasks ask for.
    pub(crate) for_patterns: bool,
}

/// Reads sources: their releases, and then their indexes.
#[derive(Debug)]
pub(crate) struct IndexReader<'a> {
    store: &'a Store,
    sources: &'a [Source],
    options: ReaderOptions,
    report: &'a Report,
    /// Stops the downloads of all sources once one has failed.
    stop: Stop,
    /// By source, what its release offers, once that is read.
    offers: Vec<Mutex<Option<Offer>>>,
}

/// A release that was read, and what it has of what its source asks for.
#[derive(Clone, Debug)]
struct Offer {
    release: Arc<Release>,
    /// The mirror's rate in bytes a second.
    rate: f64,
    signed: SignedFiles,
    files: Vec<IndexFile>,
    missing: MissingIndexes,
}

impl<'a> IndexReader<'a> {
    pub(crate) fn new(
        store: &'a Store,
        sources: &'a [Source],
        options: ReaderOptions,
        report: &'a Report,
    ) -> IndexReader<'a> {
        let offers = sources.iter().map(|_| Mutex::default()).collect();
        IndexReader {
            store,
            sources,
            options,
            report,
            stop: store.stop(),
            offers,
        }
    }

    pub(crate) fn sources(&self) -> &'a [Source] {
        self.sources
    }

    /// The verified releases in the order of the sources. They are read unless
    /// [`index`](IndexReader::index) has read them.
    pub(crate) fn releases(&self) -> Result<Vec<Arc<Release>>, Error> {
        let mut offers = self.offers();
        if offers.len() < self.sources.len() {
            self.report.began(Stage::Indexes, 0);
            offers = self.for_each_source(|number| self.offer(number, &self.sources[number]))?;
            self.report.ended(Stage::Indexes);
        }
        Ok(offers.into_iter().map(|offer| offer.release).collect())
    }

    /// Reads all indexes. `observe` is called with stanzas while others are still on their way.
    ///
    /// A component that a source lacks is a warning, as for apt, unless nothing is left to read. An
    /// architecture that one source lacks is a warning, as a security archive may have fewer; one
    /// that no source has is an error.
    pub(crate) fn index(&self, observe: &(dyn Fn(IndexEvent<'_>) + Sync)) -> Result<Index, Error> {
        self.report.began(Stage::Indexes, 0);
        let listings = self.for_each_source(|number| self.listings(number, observe))?;
        self.check_missing()?;
        self.remember_dates();
        self.report.ended(Stage::Indexes);
        Ok(Index {
            listings: listings.into_iter().flatten().collect(),
        })
    }

    /// Warns about what some source lacks, and fails if no other source has it.
    pub(crate) fn check_missing(&self) -> Result<(), Error> {
        let offers = self.offers();
        let files: Vec<&IndexFile> = offers.iter().flat_map(|offer| &offer.files).collect();
        for Offer {
            release, missing, ..
        } in &offers
        {
            let suite = release.source().suite.clone();
            for component in &missing.components {
                // As for apt and debootstrap, unless nothing is left.
                if files.is_empty() && !release.source().leniency.absent_indexes {
                    return Err(Error::NoComponent {
                        component: component.clone(),
                        suite,
                        offered: release.offered_components(),
                    });
                }
                let offered = release.offered_components().join(", ");
                self.report.warning(format!(
                    "{suite} has no component {component} (it has {offered})"
                ));
            }
            for path in &missing.only_compressed {
                if files.is_empty() && !release.source().leniency.absent_indexes {
                    let path = path.clone();
                    return Err(Error::OnlyCompressed { suite, path });
                }
                self.report.warning(format!(
                    "{suite} lists {path} in compressed form only; it is not read, as by apt"
                ));
            }
            for architecture in &missing.architectures {
                let is_known = files.iter().any(|file| file.architecture == *architecture);
                if !is_known && !release.source().leniency.absent_indexes {
                    return Err(Error::NoArchitecture {
                        architecture: architecture.clone(),
                        suite,
                        offered: release.system_architectures(),
                    });
                }
                self.report
                    .warning(format!("{suite} has no architecture {architecture}"));
            }
        }
        Ok(())
    }

    /// Remembers the dates of the signed releases, so that older ones are noticed. To be called
    /// once their indexes are known to be there: a mirror that has a new release and old indexes
    /// must not keep a run from using another mirror.
    pub(crate) fn remember_dates(&self) {
        for offer in self.offers() {
            let source = offer.release.source();
            // A date that only an exemption admits must not shut out the source's true releases.
            let is_regular = matches!(source.trust, Trust::Keys(_)) && offer.release.is_requested();
            if let Some(date) = offer.release.date().filter(|_| is_regular) {
                let date = date.min(self.options.now + CLOCK_TOLERANCE);
                self.store.saw_release(&source.identity(), date);
            }
        }
    }

    /// Calls `work` with the numbers of all sources at once. A failure stops the others.
    fn for_each_source<T: Send>(
        &self,
        work: impl Fn(usize) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let numbers: Vec<usize> = (0..self.sources.len()).collect();
        let results = in_parallel(&numbers, |number| {
            let result = work(*number);
            if result.is_err() {
                self.stop.stop();
            }
            result
        });
        all_or_first_failure(results)
    }

    /// Reads a source's indexes, and its release again where they do not match.
    fn listings(
        &self,
        number: usize,
        observe: &(dyn Fn(IndexEvent<'_>) + Sync),
    ) -> Result<Vec<Listing>, Error> {
        let mut source = self.sources[number].clone();
        let mut known = self.known(number);
        let mut reads = 0;
        loop {
            reads += 1;
            let offer = match known.take() {
                Some(offer) => offer,
                None => self.offer(number, &source)?,
            };
            let indexes = Indexes {
                store: self.store,
                stop: &self.stop,
                observe,
                report: self.report,
                rate: offer.rate,
                for_patterns: self.options.for_patterns,
            };
            let listings = in_parallel(&offer.files, |file| indexes.listing(&offer.release, file));
            let (name, failure) = match listings.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(listings) => {
                    observe(IndexEvent::SourceEnd);
                    return Ok(listings);
                }
                Err(ListingError::Failed(error)) => return Err(error),
                Err(ListingError::Changed { name, source }) => (name, source),
            };
            let mismatch = Mismatch {
                suite: source.suite.clone(),
                name,
                reads,
                mirrors: source.uris.len(),
            };
            self.before_next_read(&mismatch, failure)?;
            if source.uris.len() > 1 {
                source.uris.rotate_left(1);
            }
        }
    }

    /// Waits before a source is read again. Fails when that has been done often enough.
    fn before_next_read(
        &self,
        mismatch: &Mismatch,
        failure: Box<store::Error>,
    ) -> Result<(), Error> {
        self.store.reads().forget();
        let Mismatch { suite, name, .. } = mismatch;
        let Some(pause) = mismatch.pause(self.options.mirror_wait, failure.is_trust()) else {
            return Err(mismatch.last_error(failure));
        };
        let reason = match failure.is_trust() {
            true => format!("{name} of {suite} does not match its release"),
            false => format!("{name} of {suite} is missing from the mirror"),
        };
        if pause.is_zero() {
            self.report
                .detail(format!("{reason}; reading release and index again"));
            return Ok(());
        }
        self.report.note(format!(
            "{reason}; the mirror may be updating: reading release and index again in {:.1} s",
            pause.as_secs_f64()
        ));
        let waited = self.store.wait(pause, &self.stop);
        waited.map_err(|error| Error::Fetch {
            name: suite.clone(),
            source: Box::new(error),
        })
    }

    /// Reads a source's release, and remembers what it offers.
    fn offer(&self, number: usize, source: &Source) -> Result<Offer, Error> {
        let from = Instant::now();
        let releases = Releases {
            store: self.store,
            stop: &self.stop,
            now: self.options.now,
            report: self.report,
        };
        let ReadRelease {
            release,
            rate,
            signed,
        } = releases.release(source)?;
        self.report.send(Event::Span {
            stage: Stage::Indexes,
            item: format!("{} InRelease", source.suite),
            from,
            to: Instant::now(),
        });
        let (files, missing) = index_files(&release)?;
        let offer = Offer {
            release: Arc::new(release),
            rate,
            signed,
            files,
            missing,
        };
        *self.slot(number) = Some(offer.clone());
        Ok(offer)
    }

    /// The offers that are known so far.
    fn offers(&self) -> Vec<Offer> {
        let numbers = 0..self.sources.len();
        numbers.filter_map(|number| self.known(number)).collect()
    }

    fn known(&self, number: usize) -> Option<Offer> {
        self.slot(number).clone()
    }

    fn slot(&self, number: usize) -> MutexGuard<'_, Option<Offer>> {
        self.offers[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key of everything in the releases that decides which packages there are and how they are
/// chosen: releases with the same key have the same index.
pub(crate) fn releases_key(releases: &[Arc<Release>]) -> Result<Digest, Error> {
    let mut key = KeyHasher::new("releases");
    for release in releases {
        release.add_to_key(&mut key);
        let (files, _) = index_files(release)?;
        key.number(files.len() as u64);
        for file in files {
            key.text(&file.component);
            key.text(&file.architecture);
            add_promise(&mut key, release, &file.path);
        }
    }
    Ok(key.finish())
}

/// Calls `work` with each item in a thread of its own. The results are in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(items.len());
        for item in items {
            threads.push(scope.spawn(move || work(item)));
        }
        let mut results = Vec::with_capacity(items.len());
        for thread in threads {
            match thread.join() {
                Ok(result) => results.push(result),
                Err(payload) => panic::resume_unwind(payload),
            }
        }
        results
    })
}

/// All results, or the first failure that is a source's own rather than a consequence of another's.
fn all_or_first_failure<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let mut answers = Vec::new();
    let mut failure: Option<Error> = None;
    for result in results {
        match result {
            Ok(answer) => answers.push(answer),
            Err(error) => match &failure {
                Some(known) if !was_stopped(known) || was_stopped(&error) => {}
                _ => failure = Some(error),
            },
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(answers),
    }
}

fn was_stopped(error: &Error) -> bool {
    match error {
        Error::Fetch { source, .. } => matches!(**source, store::Error::Cancelled),
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
