//! The release of a source: the first mirror's that has a good one, with its signature checked.
//!
//! What a release means is in `release`, who may sign it in `openpgp`.

use std::time::Duration;

use super::openpgp::unchecked_text;
use super::release::suite_url;
use super::{Error, Release, SignatureError, Source, Trust};
use crate::report::Report;
use crate::store::{self, Store};

/// How large a Release file may be, in bytes: Debian's are 0.3 MB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// How large a file of detached signatures may be, in bytes.
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// What reading a release needs besides its source.
#[derive(Clone, Copy)]
pub(super) struct Releases<'a> {
    pub(crate) store: &'a Store,
    pub(crate) now: i64,
    pub(crate) report: &'a Report,
}

impl Releases<'_> {
    /// The release of a source, from the first mirror that has a good one, and the mirror's rate in bytes a second.
    pub(super) fn release(self, source: &Source) -> Result<(Release, f64), Error> {
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
                _ => self.report.detail(format!(
                    "{} is not used from that mirror; trying the next",
                    source.suite
                )),
            }
        }
    }

    /// Which of the mirrors answered first, and what its release is worth. An error when none answered.
    #[expect(
        clippy::type_complexity,
        reason = "the two failures are told apart: no answer, and an answer that is refused"
    )]
    fn release_of(
        self,
        source: &Source,
        mirrors: &[String],
    ) -> Result<(usize, Result<(Release, f64), Error>), Error> {
        let fetch = |name: &str| {
            let urls: Vec<String> = mirrors
                .iter()
                .map(|uri| format!("{}/{name}", suite_url(uri, &source.suite)))
                .collect();
            let found = self.store.read(&urls, RELEASE_LIMIT)?;
            Ok((
                urls.iter()
                    .position(|known| *known == found.url)
                    .unwrap_or(0),
                found,
            ))
        };
        let failed = |source: store::Error, name: &str| Error::Fetch {
            name: name.into(),
            source: Box::new(source),
        };
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
                    Trust::Keys(keys) => match self
                        .store
                        .read(&[format!("{}.gpg", found.url)], SIGNATURE_LIMIT)
                    {
                        Ok(signatures) => {
                            keys.verify_detached(&found.content, &signatures.content, self.now)
                        }
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
        answering.uris = mirrors[position..]
            .iter()
            .chain(&mirrors[..position])
            .cloned()
            .collect();
        let url = store::shown(&found.url);
        let release = match verified {
            Err(source) => Err(Error::Signature { url, source }),
            Ok(text) => match Release::parse(&text, &answering, self.now) {
                Err(source) => Err(Error::Release { url, source }),
                Ok(release) => {
                    self.report
                        .detail(format!("read {url}, dated {}", super::Time(release.date)));
                    Ok((release, rate))
                }
            },
        };
        Ok((position, release))
    }
}

/// A mirror's rate in bytes a second, from one file. A connection is slow at first, so a far mirror seems slower than it is, which errs
/// towards the smaller file.
fn rate(bytes: usize, elapsed: Duration) -> f64 {
    bytes.max(1) as f64 / elapsed.as_secs_f64().max(1e-6)
}
