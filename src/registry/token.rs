//! Tokens of a token service (the distribution project's token specification, and its OAuth2 form
//! for identity tokens).

use reqwest::{Method, Url};
use serde::Deserialize;

use super::challenge::TokenService;
use super::endpoint::{host_of, may_be_plain, shown};
use super::error::RequestError;
use super::exchange::{Outgoing, RequestBody};
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
    /// Gets a token.
    pub(super) fn token(&self, request: &TokenRequest<'_>) -> Result<String, RequestError> {
        let realm = self.realm(request)?;
        let outgoing = match request.login {
            Some(RegistryLogin::Identity(token)) => exchanged(realm, request, token),
            login => asked(realm, request, login),
        };
        let response = self.exchange(&outgoing)?;
        let url = shown(&outgoing.url);
        let status = response.status();
        let bytes = self.body(response, &url, LIMIT)?;
        if !status.is_success() {
            return Err(exchange::refused(&url, status, &bytes));
        }
        let malformed = || RequestError::Malformed {
            url: url.clone(),
            problem: "no token".to_owned(),
        };
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let token = answer.token.or(answer.access_token);
        token
            .filter(|token| !token.is_empty())
            .ok_or_else(malformed)
    }

    /// The URL of the token service. A login is sent there, so it must be encrypted.
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
        // A login there would be sent in place of the user's.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        match url.scheme() {
            "https" => Ok(url),
            "http" if may_be_plain(&host_of(&url), &self.access.plain) => Ok(url),
            "http" => Err(refused("not encrypted")),
            _ => Err(refused("no URL of a web server")),
        }
    }
}

/// A request with the login's user name and password, or without a login.
fn asked(mut url: Url, request: &TokenRequest<'_>, login: Option<&RegistryLogin>) -> Outgoing {
    let mut query = url.query_pairs_mut();
    if let Some(service) = &request.service.service {
        query.append_pair("service", service);
    }
    for scope in &request.scopes {
        query.append_pair("scope", scope);
    }
    drop(query);
    let mut outgoing = Outgoing::new(Method::GET, url);
    outgoing.authorization = match login {
        Some(RegistryLogin::Password { user, password }) => exchange::basic(user, password),
        Some(RegistryLogin::Token(token)) => exchange::bearer(token),
        Some(RegistryLogin::Identity(_)) | None => None,
    };
    outgoing
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
    outgoing.content = RequestBody::Secret(form.query().unwrap_or_default().to_owned());
    outgoing
}
