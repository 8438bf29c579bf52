//! Sends one request to a registry, and decides its limits, its redirects and where a login may go.
//!
//! `session` adds the login of a repository; `Client::retry` repeats requests that failed for a
//! transient reason.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time;

use super::Client;
use super::body::{FileBody, Pace, PaceLimits, SentBytes, Verdict};
use super::endpoint::shown;
use super::error::{RequestError, Said};
use crate::failure::one_line;
use crate::pack::oci::FilePart;
use crate::store;

/// How many redirects are followed for one request.
const REDIRECTS: usize = 10;
/// The largest text of an error, in bytes.
const ERROR_LIMIT: u64 = 64 << 10;
/// How much of a registry's message is shown, in characters.
const SHOWN: usize = 300;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) content: RequestBody,
    /// Sent to the origin of the URL only.
    pub(super) authorization: Option<HeaderValue>,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) enum RequestBody {
    Nothing,
    Bytes {
        media_type: HeaderValue,
        bytes: Bytes,
    },
    /// A form with a login, which stays with the origin that it is for.
    Secret(SecretForm),
    /// A blob, and where its sent bytes are counted.
    File {
        part: FilePart,
        sent: Arc<SentBytes>,
    },
}

/// A form with a secret, which it does not show.
#[derive(Clone)]
pub(super) struct SecretForm(pub(super) String);

/// The errors of the distribution specification, and those of token services.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorAnswer {
    errors: Vec<ErrorEntry>,
    error: Option<serde_json::Value>,
    error_description: Option<String>,
    details: Option<String>,
    message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorEntry {
    code: Option<String>,
    message: Option<String>,
}

impl Outgoing {
    pub(super) fn new(method: Method, url: Url) -> Outgoing {
        Outgoing {
            method,
            url,
            headers: HeaderMap::new(),
            content: RequestBody::Nothing,
            authorization: None,
        }
    }

    /// Whether a redirect with this status is followed with the same method and content.
    fn follows(&self, status: StatusCode) -> bool {
        let is_read = self.method == Method::GET || self.method == Method::HEAD;
        match status {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => is_read,
            _ => false,
        }
    }
}

impl Client {
    /// Sends a request and follows its redirects. A login is sent only to the origin it is for.
    pub(super) fn exchange(&self, outgoing: &Outgoing) -> Result<Response, RequestError> {
        let mut url = outgoing.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(outgoing, &url)?;
            let Some(next) = target(&response, &url) else {
                return Ok(response);
            };
            let refused = |problem: String| RequestError::Redirect {
                url: shown(&url),
                problem,
            };
            if !outgoing.follows(response.status()) {
                return Err(refused(format!(
                    "{} leads elsewhere with {}",
                    outgoing.method,
                    response.status().as_u16()
                )));
            }
            let is_web = matches!(next.scheme(), "http" | "https");
            let is_downgrade = url.scheme() == "https" && next.scheme() != "https";
            let is_secret = matches!(outgoing.content, RequestBody::Secret(_));
            if !is_web || is_downgrade || is_secret && next.origin() != url.origin() {
                return Err(refused(format!("it leads to {}", shown(&next))));
            }
            url = next;
        }
        Err(RequestError::Redirect {
            url: shown(&outgoing.url),
            problem: "there are too many".to_owned(),
        })
    }

    pub(super) fn send(&self, outgoing: &Outgoing, url: &Url) -> Result<Response, RequestError> {
        let requests = self.http.requests();
        let mut request = requests.request(outgoing.method.clone(), url.clone());
        request = request.headers(outgoing.headers.clone());
        if let Some(authorization) = &outgoing.authorization
            && url.origin() == outgoing.url.origin()
        {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        let mut pace = Pace::of(0, None);
        request = match &outgoing.content {
            // Some servers refuse these methods without a length.
            RequestBody::Nothing
                if outgoing.method == Method::POST || outgoing.method == Method::PUT =>
            {
                request.header(header::CONTENT_LENGTH, "0")
            }
            RequestBody::Nothing => request,
            RequestBody::Bytes { media_type, bytes } => request
                .header(header::CONTENT_TYPE, media_type.clone())
                .body(bytes.clone()),
            RequestBody::Secret(form) => request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.0.clone()),
            RequestBody::File { part, sent } => {
                pace = Pace::of(part.size, Some(sent));
                request
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, part.size)
                    .body(FileBody::content(part, sent))
            }
        };
        let url = shown(url);
        let answered = self
            .http
            .run(self.watched(request.send(), pace, &url), &self.stop)?;
        match answered? {
            Ok(response) => Ok(response),
            Err(error) => Err(self.http.failed(&url, &error.without_url()).into()),
        }
    }

    /// Waits for an answer while the content is sent fast enough.
    async fn watched<T>(
        &self,
        sending: impl Future<Output = T>,
        mut pace: Pace,
        url: &str,
    ) -> Result<T, store::Error> {
        let limits = self.http.limits();
        let judged = PaceLimits {
            lowest_rate: limits.lowest_rate,
            window: limits.window(),
        };
        let mut sending = pin!(sending);
        let mut limit = limits.connect() + limits.timeout;
        loop {
            if let Ok(answer) = time::timeout(limit, &mut sending).await {
                return Ok(answer);
            }
            let url = url.to_owned();
            match pace.look(limit, judged) {
                Verdict::Wait => {}
                Verdict::Stalled => return Err(store::Error::Stalled { url, after: limit }),
                Verdict::Slow => {
                    return Err(store::Error::Slow {
                        url,
                        lowest: judged.lowest_rate,
                        over: judged.window,
                    });
                }
            }
            limit = limits.timeout;
        }
    }

    /// Reads the body of an answer, of at most `limit` bytes.
    pub(super) fn body(
        &self,
        mut response: Response,
        url: &str,
        limit: u64,
    ) -> Result<Vec<u8>, RequestError> {
        let timeout = self.http.limits().timeout;
        let bounds = BodyBounds {
            bytes: limit,
            time: self.http.limits().longest_read(),
        };
        let began = Instant::now();
        let mut body = Vec::new();
        loop {
            let timed = async { time::timeout(timeout, response.chunk()).await };
            match self.http.run(timed, &self.stop)? {
                Err(_) => {
                    let url = url.to_owned();
                    let after = timeout;
                    return Err(store::Error::Stalled { url, after }.into());
                }
                Ok(Err(error)) => return Err(self.http.failed(url, &error.without_url()).into()),
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            }
            bounds.require(url, body.len() as u64, began.elapsed())?;
        }
    }

    /// The failure that an unsuccessful response means.
    pub(super) fn failure(&self, response: Response, url: &str) -> RequestError {
        let status = response.status();
        let retry_after = store::retry_after(&response);
        let body = self.body(response, url, ERROR_LIMIT).unwrap_or_default();
        RequestError::Status {
            url: url.to_owned(),
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or(""),
            said: said(&body),
            retry_after,
        }
    }
}

/// How large the body of an answer may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
struct BodyBounds {
    bytes: u64,
    time: Duration,
}

impl BodyBounds {
    /// Fails once a body that is not at its end is too large or has taken too long.
    fn require(self, url: &str, bytes: u64, took: Duration) -> Result<(), RequestError> {
        let url = url.to_owned();
        if bytes > self.bytes {
            let limit = self.bytes;
            return Err(RequestError::TooLarge { url, limit });
        }
        if took > self.time {
            let after = self.time;
            return Err(store::Error::TooLong { url, after }.into());
        }
        Ok(())
    }
}

/// What the text of an error says.
fn said(body: &[u8]) -> Said {
    let answer: ErrorAnswer = serde_json::from_slice(body).unwrap_or_default();
    let first = answer.errors.into_iter().next().unwrap_or_default();
    let code = match answer.error {
        Some(serde_json::Value::String(code)) => first.code.or(Some(code)),
        _ => first.code,
    };
    let further = answer.error_description.or(answer.details);
    let message = first.message.or(further).or(answer.message);
    Said {
        code: presentable(&code.unwrap_or_default()),
        message: presentable(&message.unwrap_or_default()),
    }
}

/// The beginning of a server's text on one line.
fn presentable(text: &str) -> String {
    store::hidden(one_line(text, SHOWN).trim())
}

/// Where an answer redirects to.
fn target(response: &Response, from: &Url) -> Option<Url> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    from.join(location.to_str().ok()?).ok()
}

/// The header for a user name and a password.
pub(super) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {encoded}"))
}

/// The header for a token.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Shows no secret.
impl fmt::Debug for SecretForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretForm")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_bounded_in_size_and_time() {
        let bounds = BodyBounds {
            bytes: 100,
            time: Duration::from_secs(10),
        };
        let table = [
            ("empty", 0, 0, ""),
            ("at the limits", 100, 10, ""),
            (
                "too large",
                101,
                1,
                "u: the registry's answer has more than 100 bytes",
            ),
            ("a byte now and then", 11, 11, "u: not complete after 10 s"),
        ];
        for (name, bytes, seconds, expected) in table {
            let judged = bounds.require("u", bytes, Duration::from_secs(seconds));
            let found = judged.err().map(|error| error.to_string());
            assert_eq!(found.unwrap_or_default(), expected, "{name}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "grant_type=refresh_token&refresh_token=s3cret";
        let body = RequestBody::Secret(SecretForm(secret.to_owned()));
        assert_eq!(format!("{body:?}"), "Secret(SecretForm)");
    }
}
