//! The manifests and indexes of a repository, by tag or by digest.

use std::collections::BTreeMap;

use reqwest::header::{self, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::blobs::{Unconfirmed, digest_header, require_digest};
use super::endpoint::shown;
use super::error::RequestError;
use super::exchange::{Outgoing, RequestBody};
use super::session::Repository;
use crate::formats::digest::{Algorithm, digest};
use crate::pack::oci::StoredDocument;

/// The largest manifest, in bytes: what registries store.
const LIMIT: u64 = 4 << 20;
/// The accepted media types. A registry might convert a manifest of any other type.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteImage {
    /// `sha256:…`, of the index or manifest.
    pub(crate) digest: String,
    /// Of the index or manifest.
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Repository {
    /// The image under a tag or a digest; `None` if there is none.
    pub(super) fn image(&self, reference: &str) -> Result<Option<RemoteImage>, RequestError> {
        self.client.retry(|| {
            let Some(response) = self.manifest(Method::GET, reference)? else {
                return Ok(None);
            };
            let url = shown(response.url());
            let bytes = self.client.body(response, &url, LIMIT)?;
            let annotated = serde_json::from_slice(&bytes);
            let annotated: Annotated = annotated.map_err(|error| RequestError::Malformed {
                url,
                problem: format!("no manifest: {error}"),
            })?;
            Ok(Some(RemoteImage {
                digest: format!("sha256:{}", digest(Algorithm::Sha256, &bytes).hexadecimal()),
                annotations: annotated.annotations.unwrap_or_default(),
            }))
        })
    }

    /// The digest of what is under a tag or a digest; `None` if nothing is.
    pub(super) fn digest(&self, reference: &str) -> Result<Option<String>, RequestError> {
        let found = self.client.retry(|| {
            let response = self.manifest(Method::HEAD, reference)?;
            Ok(response.map(|response| digest_header(&response).map(str::to_owned)))
        })?;
        match found {
            None => Ok(None),
            Some(Some(digest)) => Ok(Some(digest)),
            // The header is optional.
            Some(None) => Ok(self.image(reference)?.map(|image| image.digest)),
        }
    }

    /// Stores an index or a manifest under a tag or its digest.
    pub(super) fn store_manifest(
        &self,
        document: &StoredDocument,
        reference: &str,
    ) -> Result<(), RequestError> {
        let unconfirmed = self.client.retry(|| {
            let url = self.url(&format!("manifests/{reference}"))?;
            let mut outgoing = Outgoing::new(Method::PUT, url);
            let media_type = HeaderValue::from_str(&document.media_type);
            outgoing.content = RequestBody::Bytes {
                media_type: media_type.unwrap_or(HeaderValue::from_static("application/json")),
                bytes: document.bytes.clone().into(),
            };
            let response = self.request(outgoing)?;
            if !response.status().is_success() {
                return Err(self.failure(response));
            }
            require_digest(&response, &document.digest)?;
            Ok(Unconfirmed::of(&response))
        })?;
        let Some(unconfirmed) = unconfirmed else {
            return Ok(());
        };
        self.client.retry(|| {
            let found = self.manifest(Method::HEAD, reference)?;
            let found = found.ok_or_else(|| unconfirmed.not_stored(&document.digest))?;
            require_digest(&found, &document.digest)
        })
    }

    /// Asks for a manifest; `None` if there is none.
    fn manifest(&self, method: Method, reference: &str) -> Result<Option<Response>, RequestError> {
        let mut outgoing = Outgoing::new(method, self.url(&format!("manifests/{reference}"))?);
        let accepted = HeaderValue::from_static(ACCEPTED);
        outgoing.headers.insert(header::ACCEPT, accepted);
        let response = self.request(outgoing)?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            _ => Err(self.failure(response)),
        }
    }
}
