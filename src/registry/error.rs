//! Why an image cannot be pushed to a registry or looked up there.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Class;
use crate::store::{self, Obstacle};

/// What is wrong with a token service that would get a login in the clear.
pub(super) const UNENCRYPTED: &str = "not encrypted";

/// What was done with which image, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {reference}")]
pub(crate) struct Error {
    pub(super) action: RegistryAction,
    /// The name of the image.
    pub(super) reference: String,
    #[source]
    pub(super) source: Box<RequestError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegistryAction {
    Push,
    LookUp,
}

impl fmt::Display for RegistryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RegistryAction::Push => "push",
            RegistryAction::LookUp => "look up",
        })
    }
}

/// Why a request to a registry fails. URLs are shown without query and login.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// No connection, a lost one, a slow one.
    #[error(transparent)]
    Transport(#[from] store::Error),
    /// A status that says nothing of rights.
    #[error("{url}: the registry answered {status} {reason}{said}")]
    Status {
        url: String,
        status: u16,
        /// The status's usual name.
        reason: &'static str,
        said: Said,
        /// How long the registry asks to wait.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[error("{url}: the registry denies access ({status}){said}")]
    Denied {
        url: String,
        /// `registry.example`
        registry: String,
        status: u16,
        said: Said,
        /// Where the rejected login comes from.
        login: Option<String>,
    },
    #[error("{url}: the registry asks for an unsupported kind of login: {found}")]
    Challenge {
        url: String,
        /// The values of WWW-Authenticate.
        found: String,
    },
    #[error("{registry} wants the login to be sent to {realm}, which is {problem}")]
    Realm {
        registry: String,
        realm: String,
        problem: &'static str,
    },
    #[error("{url}: a redirect is not followed: {problem}")]
    Redirect { url: String, problem: String },
    /// Another server behind the same name may have started the upload.
    #[error("{url}: the registry does not know the upload{said}")]
    UploadLost { url: String, said: Said },
    /// An answer without what it must have.
    #[error("{url}: the registry's answer has {problem}")]
    Malformed { url: String, problem: String },
    #[error("{url}: the registry's answer has more than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    /// The registry accepted the content and does not have it.
    #[error("{url}: the registry answered {status} and has not stored {digest}")]
    NotStored {
        url: String,
        status: u16,
        digest: String,
    },
    /// The registry stored something else.
    #[error("{url}: the registry has {found} in place of {expected}")]
    Digest {
        url: String,
        expected: String,
        found: String,
    },
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not a credentials file: {problem}", path.display())]
    LoginFile { path: PathBuf, problem: String },
    #[error("the login from {from} has characters that HTTP headers do not allow")]
    Unsendable { from: String },
    #[error("{program}, which {} names, {problem}", path.display())]
    Helper {
        program: String,
        path: PathBuf,
        problem: String,
    },
}

/// A registry's own description of a failure, appended to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `DENIED`, or nothing.
    pub(super) code: String,
    pub(super) message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.code, &self.message] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

impl Error {
    /// Whether the registry denies access.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(*self.source, RequestError::Denied { .. })
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match &*self.source {
            RequestError::Transport(error) => error.class(),
            RequestError::Digest { .. } => Class::Trust,
            RequestError::Unreadable { .. }
            | RequestError::LoginFile { .. }
            | RequestError::Unsendable { .. }
            | RequestError::Helper { .. } => Class::Usage,
            RequestError::Status { .. }
            | RequestError::Denied { .. }
            | RequestError::Challenge { .. }
            | RequestError::Realm { .. }
            | RequestError::Redirect { .. }
            | RequestError::UploadLost { .. }
            | RequestError::Malformed { .. }
            | RequestError::NotStored { .. }
            | RequestError::TooLarge { .. } => Class::Network,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match &*self.source {
            RequestError::Transport(store::Error::Refused {
                obstacle: Obstacle::Tls,
                ..
            }) => Some(
                "--insecure-registry HOST[:PORT] permits plain http; add a private CA to the \
                 host's CA certificates, or name its file in SSL_CERT_FILE"
                    .into(),
            ),
            RequestError::Transport(error) => error.hint(),
            RequestError::Denied {
                registry,
                login: None,
                ..
            } => Some(format!(
                "there is no login for {registry}: `docker login {registry}` and `podman login \
                 {registry}` store one, and --registry-auth FILE names a file with one"
            )),
            RequestError::Denied {
                login: Some(login), ..
            } => Some(format!(
                "the login is from {login}; it is wrong, or may not {} there",
                match self.action {
                    RegistryAction::Push => "push",
                    RegistryAction::LookUp => "read",
                }
            )),
            RequestError::Status { said, .. } if said.code == "NAME_UNKNOWN" => {
                Some("some registries need the repository to be created first".into())
            }
            RequestError::Status { status: 429, .. } => {
                Some("--tries N tries more often, with longer pauses".into())
            }
            RequestError::Unreadable { .. }
            | RequestError::LoginFile { .. }
            | RequestError::Unsendable { .. } => {
                Some("--registry-auth FILE names another file".into())
            }
            RequestError::Helper { .. } => Some(
                "install it, or name a file that has the login itself with --registry-auth FILE"
                    .into(),
            ),
            RequestError::Realm { problem, .. } if *problem == UNENCRYPTED => {
                Some("--insecure-registry HOST[:PORT] permits plain http to that host".into())
            }
            RequestError::Status { .. }
            | RequestError::Challenge { .. }
            | RequestError::Realm { .. }
            | RequestError::Redirect { .. }
            | RequestError::UploadLost { .. }
            | RequestError::Malformed { .. }
            | RequestError::TooLarge { .. }
            | RequestError::NotStored { .. }
            | RequestError::Digest { .. } => None,
        }
    }
}

impl RequestError {
    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            RequestError::Transport(error) => error.is_transient(),
            RequestError::Status { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 506..=599)
            }
            RequestError::UploadLost { .. } => true,
            // 202 may mean that it is not stored yet.
            RequestError::NotStored { .. } => true,
            RequestError::Denied { .. }
            | RequestError::Challenge { .. }
            | RequestError::Realm { .. }
            | RequestError::Redirect { .. }
            | RequestError::Malformed { .. }
            | RequestError::TooLarge { .. }
            | RequestError::Digest { .. }
            | RequestError::Unreadable { .. }
            | RequestError::LoginFile { .. }
            | RequestError::Unsendable { .. }
            | RequestError::Helper { .. } => false,
        }
    }

    /// Whether the registry rejects a manifest because it lacks a part.
    pub(super) fn is_of_missing_part(&self) -> bool {
        let codes = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
        matches!(self, RequestError::Status { said, .. } if codes.contains(&said.code.as_str()))
    }

    /// Classifies the failure of an upload: one that the registry has forgotten can be restarted.
    pub(super) fn of_upload(self) -> RequestError {
        match self {
            RequestError::Status {
                url,
                status: 404 | 416,
                said,
                ..
            } => RequestError::UploadLost { url, said },
            failure => failure,
        }
    }
}
