//! The files of a source as apt keeps them below /var/lib/apt/lists, whole: the release and the
//! indexes. [`IndexReader::index`] keeps only what planning reads.

use super::super::signed::RELEASE_LIMIT;
use super::{Error, IndexReader, Indexes, ListingError};
use crate::store;

/// One file of a source.
pub(crate) struct ListFile {
    /// Its path below the mirror: `dists/trixie/main/binary-amd64/Packages`
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
}

impl IndexReader<'_> {
    /// The release files of all sources and the indexes that they were asked for, decompressed. The
    /// releases must have been read.
    pub(crate) fn lists(&self) -> Result<Vec<ListFile>, Error> {
        let mut lists = Vec::new();
        for offer in self.offers() {
            let source = offer.release.source();
            let suite = &source.suite;
            let mut urls = Vec::new();
            for mirror in &source.uris {
                let mirror = mirror.trim_end_matches('/');
                urls.push(format!("{mirror}/dists/{suite}/InRelease"));
            }
            match self.store.read_until(&urls, RELEASE_LIMIT, &self.stop) {
                Ok(file) => lists.extend(release_files(suite, file.content)),
                // Release with Release.gpg is rare enough to be left out.
                Err(store::Error::Missing { .. }) => {}
                Err(error) => {
                    return Err(Error::Fetch {
                        name: suite.clone(),
                        source: Box::new(error),
                    });
                }
            }
            let indexes = Indexes {
                store: self.store,
                stop: &self.stop,
                observe: &|_| {},
                report: self.report,
                rate: offer.rate,
            };
            for file in &offer.files {
                let content = indexes.whole(&offer.release, file);
                lists.push(ListFile {
                    path: format!("dists/{suite}/{}", file.path),
                    content: content.map_err(|error| match error {
                        ListingError::Changed { name, source } => Error::Fetch { name, source },
                        ListingError::Failed(error) => error,
                    })?,
                });
            }
        }
        Ok(lists)
    }

    /// Of each source, the components that its release has. The releases must have been read.
    pub(crate) fn components(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for offer in self.offers() {
            let mut components = offer.release.source().components.clone();
            components.retain(|one| !offer.missing.components.contains(one));
            all.push(components);
        }
        all
    }
}

/// An inline-signed release as debootstrap keeps it: whole, its text, and its signature.
fn release_files(suite: &str, signed: Vec<u8>) -> Vec<ListFile> {
    let text = String::from_utf8_lossy(&signed).into_owned();
    let mut files = vec![ListFile {
        path: format!("dists/{suite}/InRelease"),
        content: signed,
    }];
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
    files.push(ListFile {
        path: format!("dists/{suite}/Release"),
        content: release.into_bytes(),
    });
    files.push(ListFile {
        path: format!("dists/{suite}/Release.gpg"),
        content: format!("-----BEGIN PGP SIGNATURE-----\n{signature}").into_bytes(),
    });
    files
}
