//! Follows the redirects of a request, with the right user name and password for each server.
//!
//! A login belongs to the server that it was given for: it is sent again to the same one, and to
//! another one only if auth.conf has an entry for that.

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};

use super::credentials::Credentials;
use super::userinfo::shown;
use crate::report::Report;

/// How many redirects are followed for one request.
const LIMIT: usize = 10;

/// Why there is no final response.
pub(super) enum RedirectFailure {
    Http(reqwest::Error),
    /// A redirect that is not followed, and why.
    Redirect(String),
}

/// Where logins are looked up, and what is sent with every request.
pub(super) struct Follower<'a> {
    pub(super) client: &'a Client,
    pub(super) credentials: &'a Credentials,
    pub(super) headers: HeaderMap,
    pub(super) report: &'a Report,
}

impl Follower<'_> {
    /// Sends a request, and the ones that it is redirected to. No redirect leads from https to
    /// http.
    pub(super) async fn get(&self, url: &Url) -> Result<Response, RedirectFailure> {
        let mut url = url.clone();
        for _ in 0..=LIMIT {
            let mut request = self.client.get(url.clone()).headers(self.headers.clone());
            if let Some(login) = self.credentials.login(&url, self.report) {
                request = request.basic_auth(login.user, Some(login.password));
            }
            let response = request.send().await.map_err(RedirectFailure::Http)?;
            let Some(mut next) = target(&response, &url) else {
                return Ok(response);
            };
            if url.scheme() == "https" && next.scheme() != "https" {
                let to = shown(next.as_str());
                return Err(RedirectFailure::Redirect(format!(
                    "it leads from https to {to}"
                )));
            }
            keep_login(&url, &mut next);
            url = next;
        }
        Err(RedirectFailure::Redirect("there are too many".to_owned()))
    }
}

/// Where a response redirects to.
fn target(response: &Response, from: &Url) -> Option<Url> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?;
    if !redirects {
        return None;
    }
    let location = String::from_utf8_lossy(location.as_bytes());
    // The login is kept only by a location without a server of its own.
    from.join(&location).ok()
}

/// Keeps the login of a URL on the same server, unless the redirect has another.
fn keep_login(from: &Url, next: &mut Url) {
    let has_own = !next.username().is_empty() || next.password().is_some();
    if has_own || from.origin() != next.origin() {
        return;
    }
    let _ = next.set_username(from.username());
    let _ = next.set_password(from.password());
}
