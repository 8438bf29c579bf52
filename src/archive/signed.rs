//! The release of a source: the first mirror's that has a good one, with its signature checked.
//!
//! `release` says what a release means, and `openpgp` who may sign it.

use std::sync::Arc;
use std::time::Duration;

use super::openpgp::{SignatureRules, unchecked_text};
use super::release::suite_url;
use super::{BadRelease, Error, Keyring, Release, SignatureError, Source, Trust, UtcTime};
use crate::report::Report;
use crate::store::{self, Stop, Store, Unverified};

/// The largest Release file, in bytes. Debian's have 0.3 MB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// The largest file of detached signatures, in bytes.
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// How often all mirrors are read, at most, before a rejected release is an error.
const READS: u32 = 3;

/// What is needed to read a release besides its source.
#[derive(Clone, Copy)]
pub(super) struct Releases<'a> {
    pub(super) store: &'a Store,
    /// Stopped when another source fails.
    pub(super) stop: &'a Stop,
    /// In seconds since the epoch.
    pub(super) now: i64,
    pub(super) report: &'a Report,
}

/// A release that was read.
#[derive(Debug)]
pub(super) struct ReadRelease {
    pub(super) release: Release,
    /// The mirror's rate in bytes a second.
    pub(super) rate: f64,
    pub(super) signed: SignedFiles,
}

/// The files that a release was read from, as the mirror has them.
#[derive(Clone, Debug)]
pub(super) enum SignedFiles {
    InRelease(Arc<[u8]>),
    /// Release, and Release.gpg if that was read.
    Detached(Arc<[u8]>, Option<Arc<[u8]>>),
    /// The mirror has none.
    None,
}

/// What the first mirror that answered has.
pub(super) struct Answer {
    /// The mirror's number.
    pub(super) mirror: usize,
    pub(super) file: Unverified,
    /// The signed text.
    pub(super) verified: Result<String, SignatureError>,
    /// Whether the keys that a package of the tree has have signed it.
    pub(super) by_packaged: bool,
    pub(super) signed: SignedFiles,
    /// Whether the text lists the indexes that were found, not those of the mirror's Release.
    pub(super) has_found_indexes: bool,
}

/// A Release file whose signature was checked, and both files for the tree.
struct Detached {
    checked: CheckedText,
    signed: SignedFiles,
}

impl Releases<'_> {
    /// Reads the release of a source from the first mirror that has a good one. If all are rejected
    /// for a reason that may pass, they are asked again.
    pub(super) fn release(self, source: &Source) -> Result<ReadRelease, Error> {
        let mut reads = 1;
        loop {
            let error = match self.first_good(source) {
                Err(error) if error.may_pass() && reads < READS.min(self.store.tries()) => error,
                done => return done,
            };
            self.store.reads().forget();
            let suite = &source.suite;
            self.report
                .detail(format!("{error}; reading the release of {suite} again"));
            let paused = self.store.pause(reads, self.stop);
            paused.map_err(|e| failed(e, suite))?;
            reads += 1;
        }
    }

    fn first_good(self, source: &Source) -> Result<ReadRelease, Error> {
        let mut mirrors = source.uris.clone();
        let mut rejected = None;
        loop {
            let first = self.first_answer(source, &mirrors);
            let answer = match first.and_then(|answer| {
                let complete = self.with_digests(source, &mirrors, answer);
                complete.map_err(|error| failed(error, &source.suite))
            }) {
                Ok(answer) => answer,
                // A rejected release tells the user more than a mirror that does not answer.
                Err(error) => return Err(rejected.unwrap_or(error)),
            };
            let mirror = answer.mirror;
            match self.check(source, &mirrors, answer) {
                Ok(found) => return Ok(found),
                Err(error) => rejected = rejected.or(Some(error)),
            }
            mirrors.drain(..=mirror);
            match rejected {
                Some(error) if mirrors.is_empty() => return Err(error),
                _ => self.report.detail(format!(
                    "the release of {} is rejected; trying the next mirror",
                    source.suite
                )),
            }
        }
    }

    /// Reads InRelease, or else Release and Release.gpg, from the first mirror that has it.
    fn first_answer(self, source: &Source, mirrors: &[String]) -> Result<Answer, Error> {
        let suite = &source.suite;
        let rules = self.rules(source);
        let (mirror, file, checked, signed) = match self.fetch(source, mirrors, "InRelease") {
            Ok((mirror, file)) => {
                let content = &file.content;
                let checked =
                    check_with(source, content, &|keys| keys.verify_inline(content, rules));
                let signed = SignedFiles::InRelease(content.as_slice().into());
                (mirror, file, checked, signed)
            }
            Err(store::Error::Missing { .. }) => {
                let (mirror, file) = match self.fetch(source, mirrors, "Release") {
                    Err(error @ store::Error::Missing { .. }) => {
                        let found = self.without_release(source, mirrors);
                        let found = found.map_err(|e| failed(e, suite))?;
                        return found.ok_or_else(|| failed(error, suite));
                    }
                    fetched => fetched.map_err(|e| failed(e, suite))?,
                };
                let checked = self.check_detached(source, &file);
                let Detached { checked, signed } = checked.map_err(|e| failed(e, suite))?;
                (mirror, file, checked, signed)
            }
            Err(error) => return Err(failed(error, suite)),
        };
        Ok(Answer {
            mirror,
            file,
            verified: checked.text,
            by_packaged: checked.by_packaged,
            signed,
            has_found_indexes: false,
        })
    }

    /// Reads a file of the suite, and says which of the mirrors it is from.
    fn fetch(
        self,
        source: &Source,
        mirrors: &[String],
        name: &str,
    ) -> Result<(usize, Unverified), store::Error> {
        let mut urls = Vec::with_capacity(mirrors.len());
        for uri in mirrors {
            urls.push(format!("{}/{name}", suite_url(uri, &source.suite)));
        }
        let file = self.store.read_until(&urls, RELEASE_LIMIT, self.stop)?;
        let mirror = urls.iter().position(|url| *url == file.url);
        Ok((mirror.unwrap_or(0), file))
    }

    /// Checks the signature of a Release file.
    fn check_detached(self, source: &Source, file: &Unverified) -> Result<Detached, store::Error> {
        let content: Arc<[u8]> = file.content.as_slice().into();
        if matches!(source.trust, Trust::Unchecked) {
            return Ok(Detached {
                checked: CheckedText::own(unchecked_text(&content)),
                signed: SignedFiles::Detached(content, None),
            });
        }
        let url = format!("{}.gpg", file.url);
        match self.store.read_until(&[url], SIGNATURE_LIMIT, self.stop) {
            Ok(signatures) => {
                let signatures = &signatures.content;
                let rules = self.rules(source);
                let check = |keys: &Keyring| keys.verify_detached(&content, signatures, rules);
                let checked = check_with(source, &content, &check);
                let signatures = signatures.as_slice().into();
                let signed = SignedFiles::Detached(content, Some(signatures));
                Ok(Detached { checked, signed })
            }
            Err(store::Error::Missing { .. }) => Ok(Detached {
                checked: CheckedText::own(Err(SignatureError::Unsigned)),
                signed: SignedFiles::Detached(content, None),
            }),
            Err(error) => Err(error),
        }
    }

    fn rules(self, source: &Source) -> SignatureRules {
        SignatureRules {
            now: self.now,
            former_keys: source.leniency.former_keys,
        }
    }

    /// Rejects a release that is older than one that an earlier run has used. An unsigned one has
    /// no date to rely on.
    fn check_age(self, release: Release, url: &str) -> Result<Release, BadRelease> {
        let source = release.source();
        let Some(newest) = self.store.newest_release(&source.identity()) else {
            return Ok(release);
        };
        if matches!(source.trust, Trust::Unchecked) {
            return Ok(release);
        }
        let accepts_older = source.leniency.older;
        let newest = UtcTime(newest);
        let is = match release.date().map(UtcTime) {
            Some(date) if date.0 >= newest.0 => return Ok(release),
            Some(date) if !accepts_older => return Err(BadRelease::Rollback { date, newest }),
            None if !accepts_older => return Err(BadRelease::Undated { newest }),
            Some(date) => format!("is dated {date}"),
            None => "has no date".to_owned(),
        };
        self.report.warning(format!(
            "{url} {is}; an earlier run has used one dated {newest}"
        ));
        Ok(release)
    }

    /// Parses what a mirror has if its signature is good.
    fn check(
        self,
        source: &Source,
        mirrors: &[String],
        answer: Answer,
    ) -> Result<ReadRelease, Error> {
        let url = store::shown(&answer.file.url);
        let text = match answer.verified {
            Ok(text) => text,
            Err(source) => return Err(Error::Signature { url, source }),
        };
        let mut answering = source.clone();
        // The mirror that answered comes first, since it has the indexes; the others follow in
        // their order.
        answering.uris = mirrors.to_vec();
        answering.uris.rotate_left(answer.mirror);
        let parsed = Release::parse(&text, &answering, self.now);
        let checked = parsed.and_then(|release| self.check_age(release, &url));
        let release = match checked {
            Ok(mut release) => {
                release.set_signed_by_packaged(answer.by_packaged);
                release.set_found_indexes(answer.has_found_indexes);
                release
            }
            Err(source) => return Err(Error::Release { url, source }),
        };
        match answer.signed {
            SignedFiles::None => self.report.warning(format!(
                "{} has no Release file; its indexes are not verified",
                store::shown(&suite_url(&answering.uris[0], &source.suite))
            )),
            SignedFiles::InRelease(_) | SignedFiles::Detached(..) => {
                self.report_release(&release, &url);
            }
        }
        Ok(ReadRelease {
            release,
            rate: rate(answer.file.content.len(), answer.file.took),
            signed: answer.signed,
        })
    }
}

impl Releases<'_> {
    /// Warns of what only a user's own source may lack.
    fn report_release(self, release: &Release, url: &str) {
        if !release.has_requested_name() {
            self.report.warning(format!(
                "{url} is of suite {} (codename {}), not of {}",
                release.suite().unwrap_or("-"),
                release.codename().unwrap_or("-"),
                release.suite_in_url()
            ));
        }
        match release.date() {
            Some(date) => {
                let date = UtcTime(date);
                self.report.detail(format!("read {url}, dated {date}"));
            }
            None => self
                .report
                .warning(format!("{url} has no date that can be read")),
        }
    }
}

/// The text of a release, and which keys have signed it.
struct CheckedText {
    /// Signed by the keys of the source.
    text: Result<String, SignatureError>,
    /// Whether the keys that a package of the tree has have signed it.
    by_packaged: bool,
}

impl CheckedText {
    /// A text that the keys of the tree's packages have not signed.
    fn own(text: Result<String, SignatureError>) -> CheckedText {
        CheckedText {
            text,
            by_packaged: false,
        }
    }
}

/// Checks a release with the keys of its source, and with those of the tree's packages.
fn check_with(
    source: &Source,
    content: &[u8],
    check: &dyn Fn(&Keyring) -> Result<String, SignatureError>,
) -> CheckedText {
    let text = match &source.trust {
        Trust::Keys(keys) => check(keys),
        Trust::Unchecked => unchecked_text(content),
    };
    let packaged = source.packaged.as_ref();
    CheckedText {
        text,
        by_packaged: packaged.is_some_and(|packaged| check(&packaged.keyring).is_ok()),
    }
}

fn failed(error: store::Error, name: &str) -> Error {
    Error::Fetch {
        name: name.to_owned(),
        source: Box::new(error),
    }
}

/// A mirror's rate in bytes a second, from one file. A connection is slow at first, so that a
/// distant mirror seems slower than it is, which favours the smaller file.
fn rate(bytes: usize, elapsed: Duration) -> f64 {
    bytes.max(1) as f64 / elapsed.as_secs_f64().max(1e-6)
}
