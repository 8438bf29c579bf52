//! The files of the tree's apt: sources, the keyrings that they name, pins, and logins if the user
//! wants them there.

use super::Error;
use super::credentials;
use super::sources::Sources;
use crate::archive::{self, IndexReader, SourcesFile};
use crate::report::Report;
use crate::store::Store;
use crate::tree::apt::{AptFile, preferences_file};
use crate::tree::rootfs::RootPath;

/// Renders the files; none where the tree's apt has no sources.
pub(super) fn apt_files(
    sources: &Sources,
    reader: &IndexReader<'_>,
    store: &Store,
    report: &Report,
) -> Result<Vec<AptFile>, Error> {
    let releases = reader.releases()?;
    let preferences = archive::preferences(&releases)?;
    let by_packaged = releases.iter().map(|one| one.is_signed_by_packaged());
    let listed = sources.listed(&by_packaged.collect::<Vec<bool>>());
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let SourcesFile { path, text, keys } = archive::tree_sources(&sources.suite, &listed);
    let mut files = vec![apt_file(&path, text.as_bytes())];
    for key in keys {
        files.push(apt_file(&key.path, &key.content));
    }
    files.extend(preferences_file(&preferences));
    files.extend(credentials::tree_file(
        &listed,
        sources.keeps_logins,
        store,
        report,
    ));
    Ok(files)
}

fn apt_file(path: &str, content: &[u8]) -> AptFile {
    AptFile {
        path: RootPath::parse(path).unwrap_or_default(),
        content: content.to_vec(),
        mode: 0o644,
    }
}
