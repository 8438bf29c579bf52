//! HTTP: one request, the head of its response, and the body as it arrives.
//!
//! Every wait ends when no byte arrives for too long, or when it is stopped. The calling thread
//! processes the bytes. `client` has the connections; whether a failure is worth another attempt is
//! decided by `transfer`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use tokio::time;

use super::client::{HttpClient, TransferLimits};
use super::credentials::{Credentials, Login};
use super::redirects::{Follower, RedirectFailure};
use super::stop::Stop;
use super::{Cause, Error};
use crate::report::Report;

/// The client, and the logins for the servers of archives.
#[derive(Debug)]
pub(super) struct Transport {
    client: HttpClient,
    credentials: Arc<Credentials>,
    report: Report,
    limits: TransferLimits,
}

/// A GET request.
#[derive(Debug)]
pub(super) struct HttpRequest<'a> {
    pub(super) url: &'a Url,
    /// The URL without its password.
    pub(super) shown: &'a str,
    /// The offset to resume from, if the file still is the version that the validator names.
    pub(super) resume: Option<(u64, &'a str)>,
    /// Whether proxy caches have to ask the server whether their copy is current.
    pub(super) revalidate: bool,
}

/// The head of a response; [`Transport::next`] reads the body.
#[derive(Debug)]
pub(super) struct HttpResponse {
    response: Response,
    shown: String,
    /// The offset in the file at which the body begins.
    pub(super) begins_at: u64,
    /// The body's length, if the server says it.
    pub(super) length: Option<u64>,
    /// Names this version of the file in a later request.
    pub(super) validator: Option<String>,
    throughput: Throughput,
}

/// Time spent waiting for the network, and the bytes received in that time.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    waited: Duration,
    bytes: u64,
}

impl Transport {
    pub(super) fn open(
        client: HttpClient,
        credentials: Arc<Credentials>,
        report: Report,
    ) -> Transport {
        Transport {
            limits: client.limits(),
            client,
            credentials,
            report,
        }
    }

    /// The login for a URL in auth.conf.
    pub(super) fn login(&self, url: &Url) -> Option<Login> {
        self.credentials.login(url, &self.report)
    }

    /// How long a small file may take.
    pub(super) fn longest_read(&self) -> Duration {
        self.limits.longest_read()
    }

    /// Sends a request and waits for the head of a successful response.
    pub(super) fn send(
        &self,
        request: &HttpRequest<'_>,
        stop: &Stop,
    ) -> Result<HttpResponse, Error> {
        let headers = headers(request);
        let is_ranged = headers.contains_key(header::RANGE);
        let follower = Follower {
            client: self.client.requests(),
            credentials: &self.credentials,
            headers,
            report: &self.report,
        };
        // Interim responses and redirects do not extend it.
        let limit = self.limits.connect() + self.limits.timeout;
        let timed = async { time::timeout(limit, follower.get(request.url)).await };
        match self.client.run(timed, stop)? {
            Err(_) => Err(Error::Stalled {
                url: request.shown.to_owned(),
                after: limit,
            }),
            Ok(Err(RedirectFailure::Http(error))) => Err(self.client.failed(request.shown, &error)),
            Ok(Err(RedirectFailure::Redirect(reason))) => Err(Error::Redirect {
                url: request.shown.to_owned(),
                source: Cause::new(reason),
            }),
            Ok(Ok(response)) => HttpResponse::of(response, request.shown, is_ranged),
        }
    }

    /// Waits for the next bytes of the body; `None` at its end.
    pub(super) fn next(
        &self,
        response: &mut HttpResponse,
        stop: &Stop,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        let began = Instant::now();
        let timed = async { time::timeout(self.limits.timeout, response.response.chunk()).await };
        let chunk = match self.client.run(timed, stop)? {
            Err(_) => return Err(response.stalled(self.limits.timeout)),
            Ok(Err(error)) => return Err(self.client.failed(&response.shown, &error)),
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(chunk))) => chunk,
        };
        let throughput = &mut response.throughput;
        if throughput.is_too_low(began.elapsed(), chunk.len(), self.limits) {
            return Err(Error::Slow {
                url: response.shown.clone(),
                lowest: self.limits.lowest_rate,
                over: self.limits.window(),
            });
        }
        Ok(Some(chunk))
    }

    /// Waits for `time`, unless stopped.
    pub(super) fn pause(&self, time: Duration, stop: &Stop) -> Result<(), Error> {
        self.client.pause(time, stop)
    }
}

fn headers(request: &HttpRequest<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if request.revalidate {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0"));
    }
    if let Some((offset, validator)) = request.resume
        && let Ok(validator) = HeaderValue::from_str(validator)
        && let Ok(range) = HeaderValue::from_str(&format!("bytes={offset}-"))
    {
        headers.insert(header::RANGE, range);
        headers.insert(header::IF_RANGE, validator);
    }
    headers
}

impl HttpResponse {
    fn of(response: Response, shown: &str, is_ranged: bool) -> Result<HttpResponse, Error> {
        let begins_at = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if is_ranged => {
                let range = text(&response, header::CONTENT_RANGE);
                let start = range.and_then(range_start);
                start.ok_or_else(|| Error::Broken {
                    url: shown.to_owned(),
                    source: Cause::new("a part without its offset"),
                })?
            }
            _ => return Err(refused(&response, shown)),
        };
        // A weak tag does not promise equal bytes (RFC 9110, 13.1.5).
        let tag = text(&response, header::ETAG).filter(|tag| !tag.starts_with("W/"));
        let validator = tag.or_else(|| text(&response, header::LAST_MODIFIED));
        Ok(HttpResponse {
            shown: shown.to_owned(),
            begins_at,
            length: response.content_length(),
            validator: validator.map(str::to_owned),
            throughput: Throughput::default(),
            response,
        })
    }

    fn stalled(&self, after: Duration) -> Error {
        Error::Stalled {
            url: self.shown.clone(),
            after,
        }
    }
}

/// The error for a response without the file.
fn refused(response: &Response, shown: &str) -> Error {
    let url = shown.to_owned();
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("");
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Error::Missing {
            url,
            answer: format!("{} {reason}", status.as_u16()),
        };
    }
    Error::Status {
        url,
        status: status.as_u16(),
        reason,
        retry_after: retry_after(response),
    }
}

/// How long a server asks to wait before the next request.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = text(response, header::RETRY_AFTER)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn text(response: &Response, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

impl Throughput {
    /// Adds a wait and the bytes received in it; true when a whole window received less than the
    /// lowest rate. The time that it takes to write the bytes is not counted.
    pub(super) fn is_too_low(
        &mut self,
        waited: Duration,
        bytes: usize,
        limits: TransferLimits,
    ) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < limits.window() {
            return false;
        }
        let is_low = (self.bytes as f64) < limits.lowest_rate as f64 * self.waited.as_secs_f64();
        *self = Throughput::default();
        is_low
    }
}

/// `bytes 100-199/200` → 100.
fn range_start(content_range: &str) -> Option<u64> {
    let range = content_range.strip_prefix("bytes")?.trim_start();
    let (start, _) = range.split_once('-')?;
    start.parse().ok()
}
