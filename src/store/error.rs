//! The reasons why a URL gives no verified file, and which of them are transient.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::directory::UnsafeDirectory;
use super::proxy;
use super::room::is_full;
use crate::failure::Class;
use crate::formats::digest::Digest;

/// Why a URL gives no verified file. URLs are shown without their passwords.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file does not exist: 404, 410, or no such path.
    #[error("{url}: {answer}")]
    Missing {
        url: String,
        /// `404 Not Found`
        answer: String,
    },
    /// Any other failure status.
    #[error("{url}: the server answered {status} {reason}")]
    Status {
        url: String,
        status: u16,
        /// The status's usual name.
        reason: &'static str,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// No connection.
    #[error("{url}: {obstacle}")]
    Refused {
        url: String,
        obstacle: Obstacle,
        #[source]
        source: Cause,
    },
    /// The connection was lost before the file was complete.
    #[error("{url}: the connection was lost")]
    Broken {
        url: String,
        #[source]
        source: Cause,
    },
    /// No data, or next to none, for this long.
    #[error("{url}: no data for {} s", after.as_secs_f32())]
    Stalled { url: String, after: Duration },
    /// Fewer bytes a second than a transfer must have, over this time.
    #[error("{url}: slower than {lowest} bytes/s for {} s", over.as_secs_f32())]
    Slow {
        url: String,
        /// In bytes per second.
        lowest: u64,
        over: Duration,
    },
    /// A small file that did not end within this time.
    #[error("{url}: not complete after {} s", after.as_secs_f32())]
    TooLong { url: String, after: Duration },
    /// The file ended early, though the connection was sound.
    #[error("{url}: ended after {found} of {expected} bytes")]
    Short {
        url: String,
        expected: u64,
        /// Bytes received.
        found: u64,
    },
    /// A redirect that is not followed: from https to http, to another scheme, or one too many.
    #[error("{url}: a redirect is not followed")]
    Redirect {
        url: String,
        #[source]
        source: Cause,
    },
    /// The file's size is not what its index says.
    #[error(
        "{url}: {name} should have {expected} bytes, but has {found}{}",
        if *.at_least { " or more" } else { "" }
    )]
    SizeMismatch {
        url: String,
        name: String,
        expected: u64,
        found: u64,
        /// Whether more bytes may have followed.
        at_least: bool,
    },
    /// The file's content is not what its index says.
    #[error("{url}: {name} should have {expected}, but has {found}")]
    DigestMismatch {
        url: String,
        name: String,
        expected: Digest,
        found: Digest,
    },
    /// The file is larger than one that no index promises may be.
    #[error("{url}: more than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    /// The text is not a URL that can be fetched.
    #[error("`{url}` is not a URL that can be fetched: {reason}")]
    BadUrl { url: String, reason: String },
    /// No URL was given.
    #[error("no URL is known for {name}")]
    NoUrl { name: String },
    /// The file of a `file:` URL cannot be read.
    #[error("{url}: cannot be read")]
    Unreadable {
        url: String,
        #[source]
        source: io::Error,
    },
    /// Writing to the cache or the temporary directory failed. The disk may be full.
    #[error("cannot write downloads to {}", path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another user could change the cache, or redirect it by a symlink.
    #[error("the cache directory {} is not safe to use: {problem}", path.display())]
    UnsafeCache {
        path: PathBuf,
        problem: UnsafeDirectory,
    },
    /// The HTTP client could not be set up on this host.
    #[error("HTTP cannot be set up")]
    Setup {
        #[source]
        source: Cause,
    },
    /// [`cancel`](super::Store::cancel) was called.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Whether the file is not the one that a trusted index promises.
    pub(crate) fn is_trust(&self) -> bool {
        matches!(
            self,
            Error::SizeMismatch { .. } | Error::DigestMismatch { .. }
        )
    }

    /// Why this user has no cache in a directory: it cannot be written, or is another user's, as
    /// root's is for a user without HOME. None for other errors.
    pub(crate) fn why_not_kept(&self) -> Option<String> {
        match self {
            Error::Disk { path, source } => Some(format!(
                "{} cannot be written (--cache-dir): {source}",
                path.display()
            )),
            Error::UnsafeCache {
                path,
                problem: UnsafeDirectory::Owner(_),
            } => Some(format!(
                "{} belongs to another user (--cache-dir)",
                path.display()
            )),
            _ => None,
        }
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::SizeMismatch { .. } | Error::DigestMismatch { .. } => Class::Trust,
            Error::Disk { .. } | Error::UnsafeCache { .. } => Class::Target,
            Error::Missing { .. }
            | Error::Status { .. }
            | Error::Refused { .. }
            | Error::Broken { .. }
            | Error::Stalled { .. }
            | Error::Slow { .. }
            | Error::TooLong { .. }
            | Error::Short { .. }
            | Error::Redirect { .. }
            | Error::TooLarge { .. }
            | Error::BadUrl { .. }
            | Error::NoUrl { .. }
            | Error::Unreadable { .. }
            | Error::Setup { .. } => Class::Network,
            Error::Cancelled => Class::Other,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::UnsafeCache { .. } => {
                Some("choose another directory with --cache-dir, or use --no-cache".into())
            }
            Error::Disk { source, .. } if is_full(source) => Some(
                "free some space there, or choose another directory with --cache-dir or TMPDIR"
                    .into(),
            ),
            Error::Disk { .. } => {
                Some("--cache-dir names another directory, --no-cache uses none".into())
            }
            Error::Refused { url, .. } | Error::Broken { url, .. } => {
                let proxy = proxy::used_for(url)?;
                Some(format!(
                    "the request goes through the proxy {proxy}; no_proxy names hosts that need none"
                ))
            }
            Error::Status { status: 401, .. } => Some(
                "--auth-conf FILE names a file of user names and passwords, as apt's auth.conf"
                    .into(),
            ),
            Error::Missing { .. }
            | Error::Status { .. }
            | Error::Stalled { .. }
            | Error::Slow { .. }
            | Error::TooLong { .. }
            | Error::Short { .. }
            | Error::Redirect { .. }
            | Error::SizeMismatch { .. }
            | Error::DigestMismatch { .. }
            | Error::TooLarge { .. }
            | Error::BadUrl { .. }
            | Error::NoUrl { .. }
            | Error::Unreadable { .. }
            | Error::Setup { .. }
            | Error::Cancelled => None,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        self.extent().is_transient
    }

    /// Whether the server itself failed, so that its other files would fail in the same way.
    pub(super) fn is_of_server(&self) -> bool {
        self.extent().is_of_server
    }

    fn extent(&self) -> Extent {
        let (is_transient, is_of_server) = match self {
            Error::Stalled { .. } | Error::Slow { .. } | Error::TooLong { .. } => (true, true),
            Error::Broken { .. } | Error::Short { .. } => (true, false),
            // 416 rejects the requested range; the next request is for the whole file.
            Error::Status { status, .. } => (
                matches!(
                    status,
                    408 | 416 | 425 | 429 | 500 | 502 | 503 | 504 | 506..=599
                ),
                false,
            ),
            Error::Refused { obstacle, .. } => (
                matches!(
                    obstacle,
                    Obstacle::NameForNow | Obstacle::Refused | Obstacle::Connection
                ),
                true,
            ),
            Error::Missing { .. }
            | Error::Redirect { .. }
            | Error::SizeMismatch { .. }
            | Error::DigestMismatch { .. }
            | Error::TooLarge { .. }
            | Error::BadUrl { .. }
            | Error::NoUrl { .. }
            | Error::Unreadable { .. }
            | Error::Disk { .. }
            | Error::UnsafeCache { .. }
            | Error::Setup { .. }
            | Error::Cancelled => (false, false),
        };
        Extent {
            is_transient,
            is_of_server,
        }
    }

    /// Whether no other URL can help.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Error::Disk { .. } | Error::UnsafeCache { .. } | Error::Cancelled | Error::Setup { .. }
        )
    }

    /// How informative the failure is when several URLs failed: a wrong file more than a silent
    /// server, and that more than a server without the file.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Error::Missing { .. } => 0,
            _ if self.is_trust() => 2,
            _ => 1,
        }
    }
}

/// How far a failure reaches.
struct Extent {
    is_transient: bool,
    is_of_server: bool,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The host's name does not exist.
    Name,
    /// The name service did not answer, for now.
    NameForNow,
    /// No process listens on the port.
    Refused,
    /// TLS failed: a certificate, a name, a protocol.
    Tls,
    /// The server answered without TLS.
    Plain,
    /// TLS failed, and this host has no CA certificates.
    NoRoots,
    /// Anything else: no route, a proxy that refuses.
    Connection,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Name => "the host's name could not be resolved",
            Obstacle::NameForNow => "the host's name could not be resolved for now",
            Obstacle::Refused => "connection refused",
            Obstacle::Tls => "no secure connection",
            Obstacle::Plain => {
                "no secure connection: the server does not speak TLS on this port; is it http://?"
            }
            Obstacle::NoRoots => {
                "no secure connection: this host has no CA certificates (the package \
                 ca-certificates has them)"
            }
            Obstacle::Connection => "no connection",
        })
    }
}

/// The innermost message of a chain of errors, which is the informative one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

impl Cause {
    /// The innermost message of `error`.
    pub(crate) fn of(error: &dyn std::error::Error) -> Cause {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Cause(innermost.to_string())
    }

    pub(crate) fn new(message: impl Into<String>) -> Cause {
        Cause(message.into())
    }
}
