//! An in-memory container registry on loopback that implements the distribution specification, with
//! logins and injected faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::formats::digest::{self, Algorithm};
use crate::testing::server::{Asked, Reply, Server};

/// How the registry asks for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Nothing,
    /// For `me` and `s3cret` in every request.
    Basic,
    /// For a token, which its `/token` gives to `me` and `s3cret`.
    Bearer,
}

/// The user and the password that the registry knows, in base64.
pub const LOGIN: &str = "bWU6czNjcmV0";
/// The password.
pub const PASSWORD: &str = "s3cret";
/// The identity token that the token service knows.
pub const IDENTITY: &str = "1dent1ty";

/// What a registry has.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// By repository and digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// By repository and tag or digest.
    pub manifests: BTreeMap<String, Manifest>,
    /// The valid tokens.
    tokens: BTreeSet<String>,
    uploads: usize,
}

/// An index or a manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub media_type: String,
    pub content: Vec<u8>,
}

type Fault = dyn Fn(&Asked, &mut Stored) -> Option<Reply> + Send + Sync;

/// A running registry.
pub struct FakeRegistry {
    pub server: Server,
    stored: Arc<Mutex<Stored>>,
}

struct Behavior {
    asks: Asks,
    fault: Box<Fault>,
    stored: Arc<Mutex<Stored>>,
}

impl FakeRegistry {
    /// Starts a registry. It sends the answer of `fault`, or its own if that returns `None`.
    pub fn start(
        asks: Asks,
        fault: impl Fn(&Asked, &mut Stored) -> Option<Reply> + Send + Sync + 'static,
    ) -> FakeRegistry {
        let stored: Arc<Mutex<Stored>> = Arc::default();
        let behavior = Behavior {
            asks,
            fault: Box::new(fault),
            stored: Arc::clone(&stored),
        };
        FakeRegistry {
            server: Server::start(move |asked| behavior.answer(asked)),
            stored,
        }
    }

    /// A registry without logins and faults.
    pub fn open() -> FakeRegistry {
        FakeRegistry::start(Asks::Nothing, |_, _| None)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.origin().replace("http://", "")
    }

    /// What it has.
    pub fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests so far that change something: `PUT /v2/…`.
    pub fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        for asked in self.server.asked() {
            if !["GET", "HEAD"].contains(&asked.method.as_str()) {
                changes.push(format!("{} {}", asked.method, path_of(&asked)));
            }
        }
        changes
    }
}

/// The target of a request without its query.
fn path_of(asked: &Asked) -> &str {
    asked.target.split('?').next().unwrap_or_default()
}

/// A parameter of a request's query, decoded as far as digests need it.
pub fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let (_, query) = asked.target.split_once('?')?;
    let begin = format!("{name}=");
    let pair = query.split('&').find(|pair| pair.starts_with(&begin))?;
    let value = pair[begin.len()..].replace("%3A", ":");
    Some(value.replace("%2F", "/").replace("%2C", ","))
}

/// `sha256:…`
pub fn digest(content: &[u8]) -> String {
    format!(
        "sha256:{}",
        digest::digest(Algorithm::Sha256, content).hexadecimal()
    )
}

/// An error as the specification has it.
pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"{message}\"}}]}}");
    Reply {
        status,
        ..Reply::of(body.as_bytes())
    }
}

impl Behavior {
    fn answer(&self, asked: &Asked) -> Reply {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reply) = (self.fault)(asked, &mut stored) {
            return reply;
        }
        if path_of(asked) == "/token" {
            return stored.token(asked);
        }
        if let Some(challenge) = self.challenge(asked, &stored) {
            let refusal = refusal(401, "UNAUTHORIZED", "authentication required");
            return refusal.with("WWW-Authenticate", challenge);
        }
        stored.answer(asked)
    }

    /// What a request lacks.
    fn challenge(&self, asked: &Asked, stored: &Stored) -> Option<String> {
        let given = asked.header("authorization");
        match self.asks {
            Asks::Nothing => None,
            Asks::Basic if given == format!("Basic {LOGIN}") => None,
            Asks::Basic => Some("Basic realm=\"test\"".to_owned()),
            Asks::Bearer
                if given
                    .strip_prefix("Bearer ")
                    .is_some_and(|t| stored.knows(t)) =>
            {
                None
            }
            Asks::Bearer => Some(format!(
                "Bearer realm=\"http://{}/token\",service=\"test\",scope=\"repository:x:pull\"",
                asked.header("host")
            )),
        }
    }
}

impl Stored {
    fn knows(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    /// Invalidates all tokens.
    pub fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    fn token(&mut self, asked: &Asked) -> Reply {
        let form = String::from_utf8_lossy(&asked.body).into_owned();
        let is_known = asked.header("authorization") == format!("Basic {LOGIN}")
            || form.contains(&format!("refresh_token={IDENTITY}"));
        if !is_known {
            return Reply {
                status: 401,
                ..Reply::of(b"{\"details\":\"incorrect username or password\"}")
            };
        }
        let token = format!("token-{}", self.tokens.len() + 1);
        self.tokens.insert(token.clone());
        Reply::of(format!("{{\"token\":\"{token}\",\"expires_in\":60}}").as_bytes())
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let path = path_of(asked).to_owned();
        if path == "/v2/" {
            return Reply::of(b"{}");
        }
        let Some(path) = path.strip_prefix("/v2/") else {
            return Reply::status(404);
        };
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            return self.upload(asked, repository, upload);
        }
        if let Some((repository, digest)) = path.split_once("/blobs/") {
            return match self.blobs.get(&format!("{repository}@{digest}")) {
                Some(content) => Reply::of(content),
                None => refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            };
        }
        match path.split_once("/manifests/") {
            Some((repository, reference)) => self.manifest(asked, repository, reference),
            None => Reply::status(404),
        }
    }

    fn upload(&mut self, asked: &Asked, repository: &str, upload: &str) -> Reply {
        let location = |upload: usize| format!("/v2/{repository}/blobs/uploads/{upload}?_state=x");
        match asked.method.as_str() {
            "POST" => {
                let mount = parameter(asked, "mount").unwrap_or_default();
                let from = parameter(asked, "from").unwrap_or_default();
                if let Some(content) = self.blobs.get(&format!("{from}@{mount}")).cloned() {
                    self.blobs.insert(format!("{repository}@{mount}"), content);
                    return Reply::status(201).with("Docker-Content-Digest", mount);
                }
                self.uploads += 1;
                Reply::status(202).with("Location", location(self.uploads))
            }
            "DELETE" => Reply::status(204),
            "PUT" => {
                let claimed = parameter(asked, "digest").unwrap_or_default();
                let known = upload
                    .parse()
                    .is_ok_and(|number| (1..=self.uploads).contains(&number));
                if !known || claimed != digest(&asked.body) {
                    return refusal(400, "DIGEST_INVALID", "provided digest did not match");
                }
                let key = format!("{repository}@{claimed}");
                self.blobs.insert(key, asked.body.clone());
                Reply::status(201).with("Docker-Content-Digest", claimed)
            }
            _ => Reply::status(405),
        }
    }

    fn manifest(&mut self, asked: &Asked, repository: &str, reference: &str) -> Reply {
        let key = format!("{repository}:{reference}");
        if asked.method != "PUT" {
            return match self.manifests.get(&key) {
                Some(manifest) => Reply::of(&manifest.content)
                    .with("Content-Type", manifest.media_type.clone())
                    .with("Docker-Content-Digest", digest(&manifest.content)),
                None => refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            };
        }
        let Ok(content) = serde_json::from_slice::<serde_json::Value>(&asked.body) else {
            return refusal(400, "MANIFEST_INVALID", "manifest invalid");
        };
        for (pointer, of_blobs) in [("/layers", true), ("/config", true), ("/manifests", false)] {
            let named = content.pointer(pointer).cloned().unwrap_or_default();
            let named = named.as_array().cloned().unwrap_or(vec![named]);
            for descriptor in named.iter().filter_map(|d| d["digest"].as_str()) {
                let is_there = match of_blobs {
                    true => self
                        .blobs
                        .contains_key(&format!("{repository}@{descriptor}")),
                    false => self
                        .manifests
                        .contains_key(&format!("{repository}:{descriptor}")),
                };
                if !is_there {
                    return refusal(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
                }
            }
        }
        let stored = Manifest {
            media_type: asked.header("content-type").to_owned(),
            content: asked.body.clone(),
        };
        let digest = digest(&asked.body);
        self.manifests.insert(key, stored.clone());
        self.manifests
            .insert(format!("{repository}:{digest}"), stored);
        Reply::status(201).with("Docker-Content-Digest", digest)
    }
}
