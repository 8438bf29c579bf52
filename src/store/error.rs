//! What can go wrong between a URL and a verified file, and which of it may pass by itself.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Class;
use crate::formats::digest::Digest;

/// Why a URL gave no verified file. URLs are shown without their passwords.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such file: 404, 410, or no such path.
    #[error("{url}: {answer}")]
    Missing {
        /// The URL.
        url: String,
        /// The answer: `404 Not Found`.
        answer: String,
    },
    /// The server answered with any other failure.
    #[error("{url}: the server answered {status} {reason}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its usual name.
        reason: &'static str,
        /// How long the server asks us to stay away.
        retry_after: Option<Duration>,
    },
    /// No connection came about.
    #[error("{url}: {obstacle}")]
    Refused {
        /// The URL.
        url: String,
        /// What was in the way.
        obstacle: Obstacle,
        /// What the system said.
        #[source]
        source: Cause,
    },
    /// The connection broke off before the file was complete.
    #[error("{url}: the connection broke off")]
    Broken {
        /// The URL.
        url: String,
        /// What the system said.
        #[source]
        source: Cause,
    },
    /// Nothing, or next to nothing, came for this long.
    #[error("{url}: no data for {} s", after.as_secs_f32())]
    Stalled {
        /// The URL.
        url: String,
        /// How long we waited.
        after: Duration,
    },
    /// The file ended early, though the connection was sound.
    #[error("{url}: ended after {found} of {expected} bytes")]
    Short {
        /// The URL.
        url: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// A redirect that is not followed: from https to http, to another scheme, or one too many.
    #[error("{url}: a redirect is not followed")]
    Redirect {
        /// The URL that was asked for.
        url: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The file is not as long as its index says.
    #[error("{url}: {name} should have {expected} bytes, but has {found}{}", if *.at_least { " or more" } else { "" })]
    SizeMismatch {
        /// The URL.
        url: String,
        /// What was wanted.
        name: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes found.
        found: u64,
        /// Whether more may have followed.
        at_least: bool,
    },
    /// The file's content is not what its index says.
    #[error("{url}: {name} should have {expected}, but has {found}")]
    DigestMismatch {
        /// The URL.
        url: String,
        /// What was wanted.
        name: String,
        /// The digest promised.
        expected: Digest,
        /// The digest found.
        found: Digest,
    },
    /// More bytes than a file without a promise may have.
    #[error("{url}: more than {limit} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// No URL that can be fetched.
    #[error("`{url}` is not a URL that can be fetched: {reason}")]
    BadUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No URL was given.
    #[error("no URL is known for {name}")]
    NoUrl {
        /// What was wanted.
        name: String,
    },
    /// A file behind a `file:` URL cannot be read.
    #[error("{url}: cannot be read")]
    Unreadable {
        /// The URL.
        url: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The cache or the directory for temporary files failed; it may be full.
    #[error("{}: cannot keep downloads there", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// HTTP could not be set up on this host.
    #[error("HTTP cannot be set up")]
    Setup {
        /// What the system said.
        #[source]
        source: Cause,
    },
    /// [`cancel`](super::Store::cancel) was called.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Whether what came is not what a trusted index promises.
    pub(crate) fn is_trust(&self) -> bool {
        matches!(
            self,
            Error::SizeMismatch { .. } | Error::DigestMismatch { .. }
        )
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::SizeMismatch { .. } | Error::DigestMismatch { .. } => Class::Trust,
            Error::Disk { .. } => Class::Target,
            Error::Missing { .. }
            | Error::Status { .. }
            | Error::Refused { .. }
            | Error::Broken { .. }
            | Error::Stalled { .. }
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

    /// Whether the same request may succeed a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Error::Broken { .. } | Error::Stalled { .. } | Error::Short { .. } => true,
            // 416 answers a range that we asked for: the next request asks for the whole.
            Error::Status { status, .. } => matches!(
                status,
                408 | 416 | 425 | 429 | 500 | 502 | 503 | 504 | 506..=599
            ),
            Error::Refused { obstacle, .. } => matches!(
                obstacle,
                Obstacle::NameForNow | Obstacle::Refused | Obstacle::Connection
            ),
            _ => false,
        }
    }

    /// Whether another URL cannot help.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Error::Disk { .. } | Error::Cancelled | Error::Setup { .. }
        )
    }

    /// How much a reader learns from it when several URLs failed: a wrong file says more than a silent server, and that
    /// more than a server without the file.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Error::Missing { .. } => 0,
            _ if self.is_trust() => 2,
            _ => 1,
        }
    }
}

/// What kept a connection from coming about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The host's name does not exist.
    Name,
    /// The name service did not answer, for now.
    NameForNow,
    /// Nobody listens there.
    Refused,
    /// TLS failed: a certificate, a name, a protocol.
    Tls,
    /// TLS failed, and this host has no CA certificates at all.
    NoRoots,
    /// Anything else: no route, a proxy's refusal.
    Connection,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Name => "the host's name could not be resolved",
            Obstacle::NameForNow => "the host's name could not be resolved for now",
            Obstacle::Refused => "connection refused",
            Obstacle::Tls => "no secure connection",
            Obstacle::NoRoots => "no secure connection: this host has no CA certificates (the package ca-certificates has them)",
            Obstacle::Connection => "no connection",
        })
    }
}

/// The innermost message of a chain of errors: the only one that says something new.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

impl Cause {
    /// The innermost message of `error`.
    pub(super) fn of(error: &dyn std::error::Error) -> Cause {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Cause(innermost.to_string())
    }

    /// A message of our own.
    pub(super) fn new(message: impl Into<String>) -> Cause {
        Cause(message.into())
    }
}
