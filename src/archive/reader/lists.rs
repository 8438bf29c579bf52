//! The files of a source as apt keeps them below /var/lib/apt/lists, whole: the release and the
//! indexes. [`IndexReader::index`] keeps only what planning reads.

use std::sync::Arc;

use super::super::index::last_part;
use super::super::release::suite_url;
use super::super::signed::SignedFiles;
use super::{Error, IndexReader, Indexes, ListingError};
use crate::store;

/// One file of a source.
pub(crate) struct ListFile {
    /// Its URL at the first mirror of its source, without a login:
    /// `http://ftp.debian.org/debian/dists/trixie/main/binary-amd64/Packages`
    pub(crate) url: String,
    pub(crate) content: Arc<[u8]>,
}

impl IndexReader<'_> {
    /// The release files of all sources, as they were verified, and the indexes that they were
    /// asked for, decompressed. The releases must have been read.
    pub(crate) fn lists(&self) -> Result<Vec<ListFile>, Error> {
        let mut lists = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            let Some(offer) = self.known(number) else {
                continue;
            };
            let mirror = source.uris.first().map_or("", String::as_str);
            let base = suite_url(&store::without_login(mirror), &source.suite);
            for (name, content) in release_files(offer.signed) {
                lists.push(ListFile {
                    url: format!("{base}/{name}"),
                    content,
                });
            }
            let indexes = Indexes {
                store: self.store,
                stop: &self.stop,
                observe: &|_| {},
                report: self.report,
                rate: offer.rate,
                for_patterns: false,
            };
            for file in &offer.files {
                let content = indexes.whole(&offer.release, file);
                let content = content.map_err(|error| match error {
                    ListingError::Changed { name, source } => Error::Fetch { name, source },
                    ListingError::Failed(error) => error,
                })?;
                lists.push(ListFile {
                    url: format!("{base}/{}", file.path),
                    content: content.into(),
                });
            }
        }
        Ok(lists)
    }

    /// Of each source, the components that its release has, in the release's order. The releases
    /// must have been read.
    pub(crate) fn components(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for offer in self.offers() {
            let mut components = offer.release.source().components.clone();
            components.retain(|one| !offer.missing.components.contains(one));
            let order = &offer.release.components;
            components.sort_by_key(|one| place(order, one));
            all.push(components);
        }
        all
    }
}

/// Where a release's Components field has a component; the end if it does not.
fn place(order: &[String], component: &str) -> usize {
    let is_it = |one: &String| last_part(one) == last_part(component);
    order.iter().position(is_it).unwrap_or(order.len())
}

/// The files of a release as debootstrap keeps them.
fn release_files(signed: SignedFiles) -> Vec<(&'static str, Arc<[u8]>)> {
    match signed {
        SignedFiles::InRelease(content) => inline_files(content),
        SignedFiles::Detached(release, signatures) => {
            let signatures = signatures.map(|content| ("Release.gpg", content));
            let mut files = vec![("Release", release)];
            files.extend(signatures);
            files
        }
        SignedFiles::None => Vec::new(),
    }
}

/// An inline-signed release: whole, its text, and its signature.
fn inline_files(signed: Arc<[u8]>) -> Vec<(&'static str, Arc<[u8]>)> {
    let text = String::from_utf8_lossy(&signed).into_owned();
    let mut files = vec![("InRelease", signed)];
    let body = text.split_once("\n\n").map(|(_, rest)| rest);
    let Some((body, signature)) =
        body.and_then(|body| body.split_once("\n-----BEGIN PGP SIGNATURE-----\n"))
    else {
        return files;
    };
    let mut release = String::new();
    for line in body.lines() {
        release.push_str(line.strip_prefix("- ").unwrap_or(line));
        release.push('\n');
    }
    // As gpgv writes it.
    release.pop();
    files.push(("Release", release.into_bytes().into()));
    let signature = format!("-----BEGIN PGP SIGNATURE-----\n{signature}");
    files.push(("Release.gpg", signature.into_bytes().into()));
    files
}
