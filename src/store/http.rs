//! HTTP: one request, its answer, and the bytes as they come, each of which ends when nothing comes or when it is stopped.
//!
//! One client serves every thread, so connections are kept and shared. reqwest's blocking client cannot be interrupted and has
//! no bound on slow drips; its async client, driven by one thread of our own, can and has. Bytes are taken in by the thread that
//! asked. Which failures are worth another try is the store's business.

use std::error::Error as StdError;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, StatusCode, Url};
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::time;

use super::address::shown;
use super::roots::{self, NoRoots};
use super::stop::Stop;
use super::{Cause, Error, Obstacle};

/// Slower than this over twice the stall timeout is as good as nothing. In bytes a second.
const FLOOR: f64 = 1024.0;
/// The longest wait for a connection: time for three retransmissions.
const CONNECT: Duration = Duration::from_secs(10);
/// Redirects that are followed for one request.
const REDIRECTS: usize = 10;

/// A client as rbootstrap wants it: redirects never lead from https to http, and digests see the bytes as they are sent.
pub(super) fn builder() -> Result<ClientBuilder, Error> {
    let policy = reqwest::redirect::Policy::custom(|attempt| {
        let downgrade = attempt
            .previous()
            .last()
            .is_some_and(|u| u.scheme() == "https")
            && attempt.url().scheme() != "https";
        if downgrade {
            let to = shown(attempt.url().as_str());
            attempt.error(format!("it leads from https to {to}"))
        } else if attempt.previous().len() > REDIRECTS {
            attempt.error("there are too many")
        } else {
            attempt.follow()
        }
    });
    let tls = roots::config().map_err(|e| Error::Setup {
        source: Cause::of(&e),
    })?;
    let agent = concat!("rbootstrap/", env!("CARGO_PKG_VERSION"));
    Ok(Client::builder()
        .user_agent(agent)
        .referer(false)
        .redirect(policy)
        .tls_backend_preconfigured(tls))
}

/// The client and the thread that drives it.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    handle: Handle,
    driver: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    stall: Duration,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    /// The URL without its password.
    pub(super) shown: &'a str,
    /// The offset to go on from, if the file still is the version that the validator names.
    pub(super) resume: Option<(u64, &'a str)>,
    /// Whether caches on the way have to ask the server whether what they have is current.
    pub(super) revalidate: bool,
}

/// The head of an answer; its body is read with [`Transport::next`].
#[derive(Debug)]
pub(super) struct Answer {
    response: reqwest::Response,
    shown: String,
    /// Where in the file the body begins.
    pub(super) begins_at: u64,
    /// How long the body says it is.
    pub(super) length: Option<u64>,
    /// What a later request can name this version by.
    pub(super) validator: Option<String>,
    pace: Pace,
}

/// Time spent waiting for the network, and what it brought.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Transport {
    /// Sets the client up and starts its thread. No byte for `stall` ends a request.
    pub(super) fn open(builder: ClientBuilder, stall: Duration) -> Result<Transport, Error> {
        let setup = |source: &dyn StdError| Error::Setup {
            source: Cause::of(source),
        };
        let builder = builder
            .connect_timeout(stall.min(CONNECT))
            .tcp_keepalive(stall);
        let client = builder.build().map_err(|e| setup(&e))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| setup(&e))?;
        let handle = runtime.handle().clone();
        let (quit, quitting) = oneshot::channel::<()>();
        let drive = move || {
            let _ = runtime.block_on(quitting);
            // A name lookup under way cannot be interrupted, and nobody waits for it.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(drive)
            .map_err(|e| setup(&e))?;
        Ok(Transport {
            client,
            handle,
            driver: Some((quit, thread)),
            stall,
        })
    }

    /// Sends a request and waits for the head of a good answer.
    pub(super) fn ask(&self, request: &Request<'_>, stop: &Stop) -> Result<Answer, Error> {
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
        let ranged = headers.contains_key(header::RANGE);
        let sending = self.client.get(request.url.clone()).headers(headers).send();
        // Connecting has this long, and then the answer has.
        let answered = self
            .handle
            .block_on(stop.unless(async { time::timeout(self.stall * 2, sending).await }))?;
        let url = || request.shown.to_owned();
        match answered {
            Err(_) => Err(Error::Stalled {
                url: url(),
                after: self.stall * 2,
            }),
            Ok(Err(e)) => Err(self.failed(request.shown, &e)),
            Ok(Ok(response)) => Answer::of(response, request.shown, ranged),
        }
    }

    /// The next bytes of an answer; `None` at its end.
    pub(super) fn next(
        &self,
        answer: &mut Answer,
        stop: &Stop,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        let asked = Instant::now();
        let came = self.handle.block_on(
            stop.unless(async { time::timeout(self.stall, answer.response.chunk()).await }),
        )?;
        let chunk = match came {
            Err(_) => {
                return Err(Error::Stalled {
                    url: answer.shown.clone(),
                    after: self.stall,
                });
            }
            Ok(Err(e)) => return Err(self.failed(&answer.shown, &e)),
            Ok(Ok(chunk)) => chunk,
        };
        let window = self.stall * 2;
        if chunk.is_some()
            && answer.pace.is_too_slow(
                asked.elapsed(),
                chunk.as_ref().map_or(0, |c| c.len()),
                window,
            )
        {
            return Err(Error::Stalled {
                url: answer.shown.clone(),
                after: window,
            });
        }
        Ok(chunk)
    }

    /// Waits, unless stopped.
    pub(super) fn pause(&self, time: Duration, stop: &Stop) -> Result<(), Error> {
        self.handle
            .block_on(stop.unless(async { time::sleep(time).await }))
    }

    fn failed(&self, url: &str, error: &reqwest::Error) -> Error {
        let (url, source) = (url.to_owned(), Cause::of(error));
        if error.is_redirect() {
            return Error::Redirect { url, source };
        }
        if error.is_timeout() && !error.is_connect() {
            return Error::Stalled {
                url,
                after: self.stall,
            };
        }
        if !error.is_connect() {
            return Error::Broken { url, source };
        }
        Error::Refused {
            url,
            obstacle: obstacle(error),
            source,
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        if let Some((quit, thread)) = self.driver.take() {
            let _ = quit.send(());
            let _ = thread.join();
        }
    }
}

impl Answer {
    fn of(response: reqwest::Response, shown: &str, ranged: bool) -> Result<Answer, Error> {
        let status = response.status();
        let headers = response.headers();
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
        };
        let url = || shown.to_owned();
        let reason = status.canonical_reason().unwrap_or("");
        let begins_at = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if ranged => {
                match text(header::CONTENT_RANGE).and_then(range_start) {
                    Some(start) => start,
                    None => {
                        return Err(Error::Broken {
                            url: url(),
                            source: Cause::new("a part without its place"),
                        });
                    }
                }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Error::Missing {
                    url: url(),
                    answer: format!("{} {reason}", status.as_u16()),
                });
            }
            _ => {
                let retry_after = text(header::RETRY_AFTER)
                    .and_then(|v| v.trim().parse().ok())
                    .map(Duration::from_secs);
                return Err(Error::Status {
                    url: url(),
                    status: status.as_u16(),
                    reason,
                    retry_after,
                });
            }
        };
        // A weak tag promises no equal bytes (RFC 9110, 13.1.5).
        let tag = text(header::ETAG).filter(|t| !t.starts_with("W/"));
        let validator = tag
            .or_else(|| text(header::LAST_MODIFIED))
            .map(str::to_owned);
        let length = response.content_length();
        Ok(Answer {
            response,
            shown: url(),
            begins_at,
            length,
            validator,
            pace: Pace::default(),
        })
    }
}

impl Pace {
    /// Adds a wait and what it brought; true when a whole window brought less than the floor. The time that we take to write
    /// bytes down is not the server's.
    pub(super) fn is_too_slow(&mut self, waited: Duration, bytes: usize, window: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < window {
            return false;
        }
        let slow = (self.bytes as f64) < FLOOR * self.waited.as_secs_f64();
        *self = Pace::default();
        slow
    }
}

/// `bytes 100-199/200` → 100.
fn range_start(content_range: &str) -> Option<u64> {
    content_range
        .strip_prefix("bytes")?
        .trim_start()
        .split_once('-')?
        .0
        .parse()
        .ok()
}

/// What a failed connection failed at. The name service's answers have no kind of their own, only texts.
fn obstacle(error: &reqwest::Error) -> Obstacle {
    if error.is_dns() {
        let text = Cause::of(error).to_string();
        let passing = ["Temporary failure", "Try again"]
            .iter()
            .any(|t| text.contains(t));
        return if passing {
            Obstacle::NameForNow
        } else {
            Obstacle::Name
        };
    }
    let mut link: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = link {
        let system = error.downcast_ref::<io::Error>();
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::Other(other)) if other.0.is::<NoRoots>() => {
                return Obstacle::NoRoots;
            }
            Some(_) => return Obstacle::Tls,
            None => {}
        }
        if system.is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            return Obstacle::Refused;
        }
        // An io::Error made of another error skips that one in `source`.
        link = match system.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Obstacle::Connection
}
