//! The blobs of a repository: checks for one, mounts one from another repository, uploads one.

use std::sync::Arc;

use reqwest::header;
use reqwest::{Method, Response, StatusCode, Url};

use super::body::SentBytes;
use super::endpoint::shown;
use super::error::RequestError;
use super::exchange::{Outgoing, RequestBody};
use super::session::Repository;
use crate::pack::oci::StoredBlob;

/// Names what the registry has stored.
pub(super) const DIGEST: &str = "docker-content-digest";

/// What became of a blob.
enum BlobOutcome {
    Mounted,
    Uploaded,
    /// The answer is not 201, so the blob may not be stored.
    Unconfirmed(Unconfirmed),
}

/// An upload that a registry waits for.
enum Upload {
    /// Where the content goes.
    At(Url),
    /// It has the blob from another repository.
    Mounted,
}

/// A blob of another repository.
struct Mount<'a> {
    digest: &'a str,
    source: &'a str,
}

impl Repository {
    /// Whether the repository has a blob.
    pub(super) fn has_blob(&self, digest: &str) -> Result<bool, RequestError> {
        self.client.retry(|| self.finds_blob(digest))
    }

    fn finds_blob(&self, digest: &str) -> Result<bool, RequestError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let response = self.request(Outgoing::new(Method::HEAD, url))?;
        if response.status().is_success() {
            return Ok(true);
        }
        // Whatever prevents the answer will also prevent the upload, with a better message.
        match self.failure(response) {
            failure if failure.is_transient() => Err(failure),
            _ => Ok(false),
        }
    }

    /// Stores a blob, by mounting it from the repository `source` of the same registry if possible,
    /// or else by uploading it. Returns whether it was uploaded.
    pub(super) fn store_blob(
        &self,
        blob: &StoredBlob,
        source: Option<&str>,
        sent: &Arc<SentBytes>,
    ) -> Result<bool, RequestError> {
        let outcome = self.client.retry(|| {
            let Upload::At(mut url) = self.begin(&blob.digest, source)? else {
                return Ok(BlobOutcome::Mounted);
            };
            url.query_pairs_mut().append_pair("digest", &blob.digest);
            let mut outgoing = Outgoing::new(Method::PUT, url);
            outgoing.content = RequestBody::File {
                part: blob.content.clone(),
                sent: Arc::clone(sent),
            };
            let response = self.request(outgoing)?;
            if !response.status().is_success() {
                return Err(self.failure(response).of_upload());
            }
            require_digest(&response, &blob.digest)?;
            Ok(match Unconfirmed::of(&response) {
                Some(unconfirmed) => BlobOutcome::Unconfirmed(unconfirmed),
                None => BlobOutcome::Uploaded,
            })
        })?;
        match outcome {
            BlobOutcome::Mounted => Ok(false),
            BlobOutcome::Uploaded => Ok(true),
            BlobOutcome::Unconfirmed(unconfirmed) => {
                self.client.retry(|| match self.finds_blob(&blob.digest)? {
                    true => Ok(true),
                    false => Err(unconfirmed.not_stored(&blob.digest)),
                })
            }
        }
    }

    /// Fails if nothing can be uploaded to this repository.
    pub(super) fn try_upload(&self) -> Result<(), RequestError> {
        let begun = self.client.retry(|| self.begin("", None))?;
        if let Upload::At(url) = begun {
            // A registry that cannot cancel an upload discards it after a while.
            let _ = self.request(Outgoing::new(Method::DELETE, url));
        }
        Ok(())
    }

    /// Begins an upload, unless the blob can be mounted.
    fn begin(&self, digest: &str, source: Option<&str>) -> Result<Upload, RequestError> {
        let source = source.filter(|_| !self.denies_mounts.get());
        let Some(source) = source else {
            let response = self.post(None)?;
            return match response.status().is_success() {
                true => place(&response),
                false => Err(self.failure(response)),
            };
        };
        self.read_also(Some(source));
        let failure = match self.post(Some(Mount { digest, source })) {
            Ok(response) if response.status() == StatusCode::CREATED => {
                return Ok(Upload::Mounted);
            }
            Ok(response) if response.status().is_success() => return place(&response),
            Ok(response) => self.failure(response),
            Err(failure) => failure,
        };
        if failure.is_transient() {
            return Err(failure);
        }
        if matches!(failure, RequestError::Denied { .. }) {
            // The login may lack the right to read the other repository.
            self.denies_mounts.set(true);
        }
        self.read_also(None);
        self.begin(digest, None)
    }

    fn post(&self, mount: Option<Mount<'_>>) -> Result<Response, RequestError> {
        let mut url = self.url("blobs/uploads/")?;
        if let Some(Mount { digest, source }) = mount {
            url.query_pairs_mut()
                .append_pair("mount", digest)
                .append_pair("from", source);
        }
        self.request(Outgoing::new(Method::POST, url))
    }
}

/// A successful answer, such as 202, that does not mean that the content is stored.
pub(super) struct Unconfirmed {
    url: String,
    status: StatusCode,
}

impl Unconfirmed {
    /// `None` for 201, which the specification requires once the content is stored.
    pub(super) fn of(response: &Response) -> Option<Unconfirmed> {
        let status = response.status();
        (status != StatusCode::CREATED).then(|| Unconfirmed {
            url: shown(response.url()),
            status,
        })
    }

    /// The error of a registry that does not have the content afterwards.
    pub(super) fn not_stored(&self, digest: &str) -> RequestError {
        RequestError::NotStored {
            url: self.url.clone(),
            status: self.status.as_u16(),
            digest: digest.to_owned(),
        }
    }
}

/// Where an upload goes.
fn place(response: &Response) -> Result<Upload, RequestError> {
    let malformed = |problem: &str| RequestError::Malformed {
        url: shown(response.url()),
        problem: problem.to_owned(),
    };
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| malformed("no Location for the upload"))?;
    let place = response.url().join(location);
    let place = place.map_err(|_| malformed("an upload Location that is not a URL"))?;
    let is_downgrade = response.url().scheme() == "https" && place.scheme() != "https";
    match is_downgrade || !matches!(place.scheme(), "http" | "https") {
        true => Err(malformed("an upload Location without encryption")),
        false => Ok(Upload::At(place)),
    }
}

/// Fails if the registry reports another digest for what it has stored.
pub(super) fn require_digest(response: &Response, expected: &str) -> Result<(), RequestError> {
    match digest_header(response) {
        Some(found) if found.starts_with("sha256:") && found != expected => {
            Err(RequestError::Digest {
                url: shown(response.url()),
                expected: expected.to_owned(),
                found: found.chars().take(100).collect(),
            })
        }
        _ => Ok(()),
    }
}

/// The digest of what an answer is about.
pub(super) fn digest_header(response: &Response) -> Option<&str> {
    response.headers().get(DIGEST)?.to_str().ok()
}
