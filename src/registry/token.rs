//! Tokens of a token service (the distribution project's token specification, and its OAuth2 form
//! for identity tokens).

use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::challenge::TokenService;
use super::endpoint::{host_of, may_be_plain, shown};
use super::error::{RequestError, UNENCRYPTED};
use super::exchange::{Outgoing, RequestBody, SecretForm};
use super::login::RegistryLogin;
use super::{Client, exchange};

/// The largest answer, in bytes.
const LIMIT: u64 = 1 << 20;
/// The name of this program at a token service.
const CLIENT: &str = "rbootstrap";

/// A request for a token.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) service: &'a TokenService,
    /// What the token is for: `repository:NAME:pull,push`.
    pub(super) scopes: Vec<String>,
    pub(super) login: Option<&'a RegistryLogin>,
    /// The registry, for messages.
    pub(super) registry: &'a str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// Gets a token, as the header that carries it.
    pub(super) fn token(&self, request: &TokenRequest<'_>) -> Result<HeaderValue, RequestError> {
        let realm = self.realm(request)?;
        let outgoing = match request.login {
            Some(RegistryLogin::Identity(token)) => exchanged(realm, request, token),
            Some(RegistryLogin::Password { user, password }) => {
                let mut outgoing = asked(realm, request);
                outgoing.authorization = exchange::basic(user, password);
                outgoing
            }
            // The registry itself gets a token of the user's.
            Some(RegistryLogin::Token(_)) | None => asked(realm, request),
        };
        let response = self.exchange(&outgoing)?;
        let url = shown(&outgoing.url);
        if !response.status().is_success() {
            return Err(self.failure(response, &url));
        }
        let bytes = self.body(response, &url, LIMIT)?;
        let malformed = |problem: &str| RequestError::Malformed {
            url: url.clone(),
            problem: problem.to_owned(),
        };
        let answer: Result<TokenAnswer, _> = serde_json::from_slice(&bytes);
        let answer = answer.map_err(|_| malformed("no token"))?;
        let token = answer.token.or(answer.access_token).unwrap_or_default();
        match token.is_empty() {
            true => Err(malformed("no token")),
            false => exchange::bearer(&token)
                .ok_or_else(|| malformed("a token with characters that HTTP headers do not allow")),
        }
    }

    /// Parses the URL of the token service. A login is sent there, so plain http must be permitted.
    fn realm(&self, request: &TokenRequest<'_>) -> Result<Url, RequestError> {
        let refused = |problem: &'static str| RequestError::Realm {
            registry: request.registry.to_owned(),
            realm: match Url::parse(&request.service.realm) {
                Ok(url) => shown(&url),
                Err(_) => "its token service".to_owned(),
            },
            problem,
        };
        let url = Url::parse(&request.service.realm);
        let mut url = url.map_err(|_| refused("no URL"))?;
        // User info in that URL would be sent instead of the user's login.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        match url.scheme() {
            "https" => Ok(url),
            "http" if may_be_plain(&host_of(&url), &self.access.plain) => Ok(url),
            "http" => Err(refused(UNENCRYPTED)),
            _ => Err(refused("no URL of a web server")),
        }
    }
}

/// A request without a login.
fn asked(mut url: Url, request: &TokenRequest<'_>) -> Outgoing {
    let mut query = url.query_pairs_mut();
    if let Some(service) = &request.service.service {
        query.append_pair("service", service);
    }
    for scope in &request.scopes {
        query.append_pair("scope", scope);
    }
    drop(query);
    Outgoing::new(Method::GET, url)
}

/// A request that exchanges an identity token for a token.
fn exchanged(url: Url, request: &TokenRequest<'_>, identity: &str) -> Outgoing {
    let mut form = url.clone();
    let mut pairs = form.query_pairs_mut();
    pairs.clear().append_pair("grant_type", "refresh_token");
    if let Some(service) = &request.service.service {
        pairs.append_pair("service", service);
    }
    pairs
        .append_pair("client_id", CLIENT)
        .append_pair("scope", &request.scopes.join(" "))
        .append_pair("refresh_token", identity);
    drop(pairs);
    let mut outgoing = Outgoing::new(Method::POST, url);
    outgoing.content = RequestBody::Secret(SecretForm(form.query().unwrap_or_default().to_owned()));
    outgoing
}
