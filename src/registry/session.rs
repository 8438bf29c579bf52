//! A repository of a registry: its URLs, and requests with the login and rights that they need.
//!
//! The first request is sent without a login. The authorization that the registry then asks for is
//! kept until the registry asks again, since tokens expire.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use reqwest::header::{self, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::Client;
use super::challenge::{Challenge, TokenService};
use super::endpoint::{has_port, host, may_be_plain, shown};
use super::error::RequestError;
use super::exchange::{Outgoing, basic, bearer};
use super::find::{self, FoundLogin};
use super::login::{RegistryLogin, RepositoryName};
use super::token::TokenRequest;
use crate::pack::oci::Reference;
use crate::store::{self, Obstacle};

/// What access requests need to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    Read,
    Write,
}

/// A repository, with the authorization that was last given.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) client: Arc<Client>,
    target: RepositoryName,
    rights: Rights,
    /// `https://HOST/`, once it is known.
    root: OnceCell<Url>,
    /// The header that authorizes requests to this registry.
    authorization: RefCell<Option<HeaderValue>>,
    /// The login, once it was looked for.
    login: OnceCell<Option<FoundLogin>>,
    /// Another repository of the registry from which blobs are mounted.
    source: RefCell<Option<String>>,
    /// Whether the registry has refused to mount a blob.
    pub(super) denies_mounts: Cell<bool>,
}

impl Repository {
    pub(super) fn new(client: &Arc<Client>, reference: &Reference, rights: Rights) -> Repository {
        Repository {
            client: Arc::clone(client),
            target: RepositoryName {
                registry: reference.registry().to_owned(),
                repository: reference.repository().to_owned(),
            },
            rights,
            root: OnceCell::new(),
            authorization: RefCell::default(),
            login: OnceCell::new(),
            source: RefCell::default(),
            denies_mounts: Cell::new(false),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.target.repository
    }

    pub(super) fn registry(&self) -> &str {
        &self.target.registry
    }

    /// Requests read access to another repository in later authorizations.
    pub(super) fn read_also(&self, repository: Option<&str>) {
        if self.source.borrow().as_deref() != repository {
            self.source.replace(repository.map(str::to_owned));
            // The present token does not cover the other repository.
            self.authorization.replace(None);
        }
    }

    /// The URL of a part of the repository: `manifests/TAG`.
    pub(super) fn url(&self, part: &str) -> Result<Url, RequestError> {
        let path = format!("v2/{}/{part}", self.target.repository);
        let joined = self.root()?.join(&path);
        joined.map_err(|error| RequestError::Malformed {
            url: path,
            problem: error.to_string(),
        })
    }

    /// The registry's base URL. Plain http is probed only where it is permitted.
    fn root(&self) -> Result<&Url, RequestError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let host = host(&self.target.registry);
        let secure = parsed(&format!("https://{host}/"))?;
        let root = match may_be_plain(host, &self.client.access.plain) {
            true => self.plain_root(host)?.unwrap_or(secure),
            false => secure,
        };
        Ok(self.root.get_or_init(|| root))
    }

    /// The URL without encryption, if the registry answers there.
    fn plain_root(&self, host: &str) -> Result<Option<Url>, RequestError> {
        let root = parsed(&format!("http://{host}/"))?;
        let ping = Outgoing::new(Method::GET, parsed(&format!("http://{host}/v2/"))?);
        self.client.retry(|| {
            let response = match self.client.send(&ping, &ping.url) {
                Ok(response) => response,
                Err(failure) if may_be_encrypted(&failure, host) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            match response.status() {
                status if status.is_server_error() => Err(self.failure(response)),
                StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(Some(root.clone())),
                _ => Ok(None),
            }
        })
    }

    /// Sends a request, with a login if the registry asks for one.
    pub(super) fn request(&self, mut outgoing: Outgoing) -> Result<Response, RequestError> {
        let is_own = outgoing.url.origin() == self.root()?.origin();
        if is_own {
            outgoing.authorization = self.authorization.borrow().clone();
        }
        let response = self.client.exchange(&outgoing)?;
        let is_asked = response.status() == StatusCode::UNAUTHORIZED
            && response.url().origin() == self.root()?.origin();
        if !is_own || !is_asked {
            return Ok(response);
        }
        outgoing.authorization = self.authorize(&response)?;
        self.client.exchange(&outgoing)
    }

    /// The failure of an answer.
    pub(super) fn failure(&self, response: Response) -> RequestError {
        let url = shown(response.url());
        self.denied(self.client.failure(response, &url))
    }

    /// Turns 401 and 403 into [`RequestError::Denied`].
    fn denied(&self, failure: RequestError) -> RequestError {
        match failure {
            RequestError::Status {
                url,
                status: status @ (401 | 403),
                said,
                ..
            } => RequestError::Denied {
                url,
                registry: self.target.registry.clone(),
                status,
                said,
                login: self.login.get().cloned().flatten().map(|login| login.from),
            },
            failure => failure,
        }
    }

    /// Answers the challenge of a registry.
    fn authorize(&self, response: &Response) -> Result<Option<HeaderValue>, RequestError> {
        let mut values = Vec::new();
        for value in response.headers().get_all(header::WWW_AUTHENTICATE) {
            values.push(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        let login = self.login()?;
        let given = match (Challenge::choose(&values), login.map(|found| &found.login)) {
            (Some(_), Some(RegistryLogin::Token(token))) => {
                let from = login.map(|found| found.from.clone()).unwrap_or_default();
                Some(bearer(token).ok_or(RequestError::Unsendable { from })?)
            }
            (Some(Challenge::Basic), Some(RegistryLogin::Password { user, password })) => {
                basic(user, password)
            }
            (Some(Challenge::Basic), Some(RegistryLogin::Identity(_)) | None) => None,
            (Some(Challenge::Bearer(service)), login) => {
                let request = TokenRequest {
                    scopes: self.scopes(&service),
                    service: &service,
                    login,
                    registry: &self.target.registry,
                };
                let token = self.client.token(&request);
                Some(token.map_err(|failure| self.denied(failure))?)
            }
            (None, _) => {
                return Err(RequestError::Challenge {
                    url: shown(response.url()),
                    found: match values.is_empty() {
                        true => "it has no WWW-Authenticate".to_owned(),
                        false => values.join(", ").chars().take(200).collect(),
                    },
                });
            }
        };
        self.authorization.replace(given.clone());
        Ok(given)
    }

    fn login(&self) -> Result<Option<&FoundLogin>, RequestError> {
        if let Some(found) = self.login.get() {
            return Ok(found.as_ref());
        }
        let Client {
            access,
            interrupt,
            report,
            ..
        } = &*self.client;
        let found = find::login(&access.logins, &self.target, interrupt, report)?;
        if let Some(login) = &found {
            let registry = &self.target.registry;
            report.detail(format!("the login for {registry} is from {}", login.from));
        }
        Ok(self.login.get_or_init(|| found).as_ref())
    }

    /// The scopes to request: this repository, and others that the registry names.
    fn scopes(&self, service: &TokenService) -> Vec<String> {
        let name = &self.target.repository;
        let actions = match self.rights {
            Rights::Read => "pull",
            Rights::Write => "pull,push",
        };
        let mut scopes = vec![format!("repository:{name}:{actions}")];
        if let Some(source) = &*self.source.borrow() {
            scopes.push(format!("repository:{source}:pull"));
        }
        let own = format!("repository:{name}:");
        for scope in service.scope.iter().flat_map(|scope| scope.split(' ')) {
            let is_new = !scope.starts_with(&own) && !scopes.iter().any(|known| known == scope);
            if is_new && !scope.is_empty() {
                scopes.push(scope.to_owned());
            }
        }
        scopes
    }
}

/// Whether a registry that did not answer over plain http may do so over https.
fn may_be_encrypted(failure: &RequestError, host: &str) -> bool {
    match failure {
        // A TLS server closes the connection. Others answer 400 or redirect to https.
        RequestError::Transport(store::Error::Broken { .. }) => true,
        // Without a written port, https has a port of its own.
        RequestError::Transport(store::Error::Refused { obstacle, .. }) => {
            *obstacle == Obstacle::Refused && !has_port(host)
        }
        _ => false,
    }
}

fn parsed(url: &str) -> Result<Url, RequestError> {
    Url::parse(url).map_err(|error| RequestError::Malformed {
        url: url.to_owned(),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Cause;

    #[test]
    fn a_closed_port_of_plain_http_leads_to_https() {
        let refused = |obstacle| store::Error::Refused {
            url: "u".to_owned(),
            obstacle,
            source: Cause::of(&std::fmt::Error),
        };
        let broken = || store::Error::Broken {
            url: "u".to_owned(),
            source: Cause::of(&std::fmt::Error),
        };
        let table = [
            ("closed", refused(Obstacle::Refused), "r.example", true),
            ("closed, IPv6", refused(Obstacle::Refused), "[::1]", true),
            (
                "a written port",
                refused(Obstacle::Refused),
                "r.example:5000",
                false,
            ),
            ("port 80", refused(Obstacle::Refused), "r.example:80", false),
            ("no such host", refused(Obstacle::Name), "r.example", false),
            (
                "no route",
                refused(Obstacle::Connection),
                "r.example",
                false,
            ),
            ("TLS", broken(), "r.example:5000", true),
        ];
        for (name, failure, host, expected) in table {
            assert_eq!(may_be_encrypted(&failure.into(), host), expected, "{name}");
        }
    }
}
