//! Reading all sources: each in a thread of its own, each of its indexes in another, results in the order of the sources.
//!
//! When an index is not what its release promises, the mirror changed between the two (a window of minutes, several times a day): the release
//! is read again and the source starts over, a few times. One release is `signed`'s matter, its indexes are `index`'s.

use std::fmt::Write as _;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::index::{Indexes, Lacking, NoListing, WantedIndex, promised, wanted_indexes};
use super::signed::Releases;
use super::{Error, Index, Listing, Release, Seen, Source};
use crate::report::{Event, Report, Stage};
use crate::store::{self, Stop, Store};

/// How often a source is read before a mismatch counts.
const TRIES: u32 = 3;

/// The way from sources to their index. The releases come first, for whom they are enough.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    store: &'a Store,
    sources: &'a [Source],
    now: i64,
    report: &'a Report,
    /// Thrown when a source fails, so that no other goes on fetching what nobody will read.
    stop: Stop,
    /// By source, what its release offers, once that is read.
    offers: Vec<Mutex<Option<Offer>>>,
}

/// A release that was read.
#[derive(Clone, Debug)]
struct Offer {
    release: Arc<Release>,
    /// The mirror's rate in bytes a second.
    rate: f64,
    wanted: Vec<WantedIndex>,
    lacking: Lacking,
}

impl<'a> Reading<'a> {
    /// `now`: seconds since the epoch.
    pub(crate) fn new(
        store: &'a Store,
        sources: &'a [Source],
        now: i64,
        report: &'a Report,
    ) -> Reading<'a> {
        let offers = sources.iter().map(|_| Mutex::default()).collect();
        Reading {
            store,
            sources,
            now,
            report,
            stop: store.stop(),
            offers,
        }
    }

    /// What is read.
    pub(crate) fn sources(&self) -> &'a [Source] {
        self.sources
    }

    /// The releases of the sources, verified, in their order: read where [`index`](Reading::index) has not read them yet.
    pub(crate) fn releases(&self) -> Result<Vec<Arc<Release>>, Error> {
        let known: Option<Vec<Offer>> = (0..self.sources.len())
            .map(|number| self.known(number))
            .collect();
        let offers = match known {
            Some(offers) => offers,
            None => {
                self.report.began(Stage::Indexes, 0);
                let offers = self.of_all(|number| self.offer(number, &self.sources[number]))?;
                self.report.ended(Stage::Indexes);
                offers
            }
        };
        Ok(offers.into_iter().map(|offer| offer.release).collect())
    }

    /// What all sources offer. `seen` hears of stanzas while the rest is still on its way.
    ///
    /// A component or an architecture that one source lacks is a warning, as a security archive may serve fewer of both; one that no
    /// source has is an error.
    pub(crate) fn index(&self, seen: &(dyn Fn(Seen<'_>) + Sync)) -> Result<Index, Error> {
        self.report.began(Stage::Indexes, 0);
        let listings = self.of_all(|number| self.listings(number, seen))?;
        self.lacked_nowhere_else()?;
        self.report.ended(Stage::Indexes);
        Ok(Index {
            listings: listings.into_iter().flatten().collect(),
        })
    }

    /// Warns of what some source lacks; an error when no other has it.
    pub(crate) fn lacked_nowhere_else(&self) -> Result<(), Error> {
        let offers: Vec<Offer> = (0..self.sources.len())
            .filter_map(|number| self.known(number))
            .collect();
        let listed = |has: &dyn Fn(&WantedIndex) -> bool| {
            offers.iter().flat_map(|offer| &offer.wanted).any(has)
        };
        for Offer {
            release, lacking, ..
        } in &offers
        {
            let suite = release.source.suite.clone();
            for component in &lacking.components {
                if !listed(&|index| index.component == *component) {
                    return Err(Error::NoComponent {
                        component: component.clone(),
                        suite,
                        offered: release.offered_components(),
                    });
                }
                self.report
                    .warning(format!("{suite} has no component {component}"));
            }
            for architecture in &lacking.architectures {
                if !listed(&|index| index.architecture == *architecture) {
                    return Err(Error::NoArchitecture {
                        architecture: architecture.clone(),
                        suite,
                        offered: release.architectures.clone(),
                    });
                }
                self.report
                    .warning(format!("{suite} has no architecture {architecture}"));
            }
        }
        Ok(())
    }

    /// `work` on every source at once. What fails ends the others.
    fn of_all<T: Send>(
        &self,
        work: impl Fn(usize) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let numbers: Vec<usize> = (0..self.sources.len()).collect();
        all_or_first_failure(in_parallel(&numbers, |number| {
            work(*number).inspect_err(|_| self.stop.stop())
        }))
    }

    fn listings(
        &self,
        number: usize,
        seen: &(dyn Fn(Seen<'_>) + Sync),
    ) -> Result<Vec<Listing>, Error> {
        let mut source = self.sources[number].clone();
        let mut known = self.known(number);
        let mut turn = 0;
        loop {
            turn += 1;
            let Offer {
                release,
                rate,
                wanted,
                ..
            } = known
                .take()
                .map_or_else(|| self.offer(number, &source), Ok)?;
            let indexes = Indexes {
                store: self.store,
                stop: &self.stop,
                seen,
                report: self.report,
                rate,
            };
            let listings = in_parallel(&wanted, |index| indexes.listing(&release, index));
            match listings.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(listings) => {
                    seen(Seen::Source);
                    return Ok(listings);
                }
                Err(NoListing::Changed { name, source }) if turn >= TRIES && source.is_trust() => {
                    return Err(Error::Mismatch {
                        suite: release.source.suite.clone(),
                        name,
                        tries: turn,
                        source,
                    });
                }
                Err(NoListing::Changed { name, source }) if turn >= TRIES => {
                    return Err(Error::Fetch { name, source });
                }
                Err(NoListing::Changed { name, .. }) => {
                    self.report.detail(format!(
                        "{name} of {} does not match its release; reading both again",
                        source.suite
                    ));
                    if let [_, _, ..] = source.uris[..] {
                        source.uris.rotate_left(1);
                    }
                }
                Err(NoListing::Failed(error)) => return Err(error),
            }
        }
    }

    /// Reads a source's release, and keeps what it offers.
    fn offer(&self, number: usize, source: &Source) -> Result<Offer, Error> {
        let from = Instant::now();
        let (release, rate) = Releases {
            store: self.store,
            now: self.now,
            report: self.report,
        }
        .release(source)?;
        let item = format!("{} InRelease", source.suite);
        self.report.send(Event::Span {
            stage: Stage::Indexes,
            item,
            from,
            to: Instant::now(),
        });
        let (wanted, lacking) = wanted_indexes(&release)?;
        let offer = Offer {
            release: Arc::new(release),
            rate,
            wanted,
            lacking,
        };
        *self.slot(number) = Some(offer.clone());
        Ok(offer)
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

/// What releases say that decides which packages there are and how they are chosen: the same words, the same index.
pub(crate) fn promise(releases: &[Arc<Release>]) -> Result<String, Error> {
    let mut text = String::new();
    for release in releases {
        let named = (
            &release.source.suite,
            &release.suite,
            &release.codename,
            &release.origin,
            &release.label,
            &release.version,
        );
        let counts = (
            release.source.pin,
            release.not_automatic,
            release.but_automatic_upgrades,
        );
        let _ = writeln!(text, "{named:?} {counts:?}");
        for WantedIndex {
            component,
            architecture,
            path,
        } in wanted_indexes(release)?.0
        {
            let _ = writeln!(
                text,
                "{component} {architecture} {}",
                promised(release, &path)
            );
        }
    }
    Ok(text)
}

/// `work` on each item in a thread of its own; the results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|payload| panic::resume_unwind(payload))
            })
            .collect()
    })
}

/// The failure that is reported is a source's own, not that it was stopped because of another's.
fn all_or_first_failure<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let was_stopped = |e: &Error| matches!(e, Error::Fetch { source, .. } if matches!(**source, store::Error::Cancelled));
    let (mut answers, mut failure) = (Vec::new(), None::<Error>);
    for result in results {
        match result {
            Ok(answer) => answers.push(answer),
            Err(error)
                if failure
                    .as_ref()
                    .is_none_or(|known| was_stopped(known) && !was_stopped(&error)) =>
            {
                failure = Some(error)
            }
            Err(_) => {}
        }
    }
    failure.map_or(Ok(answers), Err)
}

#[cfg(test)]
pub(super) mod tests;
