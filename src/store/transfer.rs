//! Transfers over HTTP: a whole small file, or a verified one that resumes after an interruption.
//!
//! Each is one attempt at one URL; `attempts` decides what follows a failure.

use std::time::{Duration, Instant};

use reqwest::Url;

use super::attempts::Attempt;
use super::http::{HttpRequest, HttpResponse};
use super::partial::PartialFile;
use super::{Cause, Error, Stop, Store};

/// An attempt that transfers this many bytes is not counted, so that a large file arrives over an
/// unreliable line.
const PROGRESS: u64 = 1 << 20;

impl Store {
    /// Reads a file of at most `limit` bytes, and returns the time between its first byte and its
    /// last.
    pub(super) fn read_web(
        &self,
        url: &Url,
        shown: &str,
        limit: u64,
        stop: &Stop,
    ) -> Result<(Vec<u8>, Duration), Error> {
        let request = HttpRequest {
            url,
            shown,
            resume: None,
            revalidate: true,
        };
        let mut response = self.transport.send(&request, stop)?;
        let too_large = || Error::TooLarge {
            url: shown.to_owned(),
            limit,
        };
        if response.length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut content = Vec::new();
        let began = Instant::now();
        let longest = self.transport.longest_read();
        while let Some(bytes) = self.transport.next(&mut response, stop)? {
            content.extend_from_slice(bytes.as_ref());
            if content.len() as u64 > limit {
                return Err(too_large());
            }
            if began.elapsed() > longest {
                return Err(Error::TooLong {
                    url: shown.to_owned(),
                    after: longest,
                });
            }
        }
        Ok((content, began.elapsed()))
    }

    /// Downloads a file into `partial` and verifies it. While a large part arrives each time, the
    /// connection may break any number of times.
    pub(super) fn download(
        &self,
        url: &Url,
        attempt: &Attempt<'_>,
        partial: &mut PartialFile<'_>,
    ) -> Result<(), Error> {
        if partial.url != *attempt.shown {
            partial.restart()?;
            attempt.shown.clone_into(&mut partial.url);
        }
        loop {
            let before = partial.written;
            let error = match self.download_once(url, attempt, partial) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.is_trust() && partial.resumed {
                // The parts may be of different versions. A download in one piece decides.
                partial.restart()?;
                return Err(error);
            }
            if !error.is_transient() || partial.written < before.saturating_add(PROGRESS) {
                return Err(error);
            }
            attempt.progressed.set(true);
            self.pause(1, partial.request.stop)?;
        }
    }

    /// Makes one request: from where `partial` ends if the server can resume there, or else from
    /// the start.
    fn download_once(
        &self,
        url: &Url,
        attempt: &Attempt<'_>,
        partial: &mut PartialFile<'_>,
    ) -> Result<(), Error> {
        let shown = attempt.shown;
        if partial.validator.is_none() && partial.written > 0 {
            partial.restart()?;
        }
        let stop = partial.request.stop;
        let validator = partial.validator.clone().filter(|_| partial.written > 0);
        let request = HttpRequest {
            url,
            shown,
            resume: validator.as_deref().map(|v| (partial.written, v)),
            revalidate: attempt.is_repeated,
        };
        let mut response = match self.transport.send(&request, stop) {
            Err(error @ Error::Status { status: 416, .. }) => {
                partial.restart()?;
                return Err(error);
            }
            sent => sent?,
        };
        begin(&response, shown, partial)?;
        while let Some(bytes) = self.transport.next(&mut response, stop)? {
            partial.write(bytes.as_ref(), shown)?;
        }
        let expected = partial.request.wanted.size;
        if partial.written < expected {
            return Err(Error::Short {
                url: shown.to_owned(),
                expected,
                found: partial.written,
            });
        }
        partial.check(shown)
    }
}

/// Prepares `partial` for the body of `response`.
fn begin(response: &HttpResponse, shown: &str, partial: &mut PartialFile<'_>) -> Result<(), Error> {
    if response.begins_at > 0 && response.begins_at == partial.written {
        partial.resumed = true;
    } else if partial.written > 0 || response.begins_at > 0 {
        partial.restart()?;
    }
    if response.begins_at != partial.written {
        return Err(Error::Broken {
            url: shown.to_owned(),
            source: Cause::new("the server sent a part that was not requested"),
        });
    }
    partial.validator.clone_from(&response.validator);
    let Some(length) = response.length else {
        return Ok(());
    };
    let total = response.begins_at.saturating_add(length);
    if total != partial.request.wanted.size {
        return Err(partial.request.size_mismatch(shown, total, false));
    }
    Ok(())
}
