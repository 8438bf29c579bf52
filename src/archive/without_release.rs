//! Archives without a Release file, or with one that has no digests that count: a directory of
//! packages with the output of dpkg-scanpackages.
//!
//! apt reads them where signatures are not checked. Their indexes are looked for by name, and a
//! Release that lists those found stands in for the missing one.

use std::fmt::Write as _;

use super::release::{COMPRESSIONS, is_flat, suite_url, with_extension};
use super::signed::{Answer, Releases, SignedFiles};
use super::{Source, Trust};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, digest};
use crate::formats::stanza::Fields;
use crate::store::{self, Unverified};

/// The largest index that is read into memory, in bytes.
const INDEX_LIMIT: u64 = 256 << 20;

impl Releases<'_> {
    /// A Release that lists the indexes of the first mirror that has any. None for a source that
    /// needs a signature or a date, and where no mirror has indexes.
    pub(super) fn without_release(
        self,
        source: &Source,
        mirrors: &[String],
    ) -> Result<Option<Answer>, store::Error> {
        if !may_lack_release(source) {
            return Ok(None);
        }
        for (number, mirror) in mirrors.iter().enumerate() {
            let base = suite_url(mirror, &source.suite);
            if let Some(FoundIndexes {
                architectures,
                list,
                first: mut file,
            }) = self.find_indexes(source, &base)?
            {
                let text = format!("Architectures: {}\n{list}", architectures.join(" "));
                file.content = text.clone().into_bytes();
                return Ok(Some(Answer {
                    mirror: number,
                    file,
                    verified: Ok(text),
                    by_packaged: false,
                    signed: SignedFiles::None,
                    has_found_indexes: true,
                }));
            }
        }
        Ok(None)
    }

    /// The answer with a list of the indexes that the mirror has, if its Release has no digests
    /// that count, and the source is `trusted=yes`.
    pub(super) fn with_digests(
        self,
        source: &Source,
        mirrors: &[String],
        mut answer: Answer,
    ) -> Result<Answer, store::Error> {
        let Ok(text) = &mut answer.verified else {
            return Ok(answer);
        };
        let may_lack_digests = may_lack_release(source) && source.exemptions.unsigned;
        if !may_lack_digests || has_digests(text) {
            return Ok(answer);
        }
        let base = suite_url(&mirrors[answer.mirror], &source.suite);
        if let Some(found) = self.find_indexes(source, &base)? {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&found.list);
            answer.has_found_indexes = true;
            self.report.warning(format!(
                "{} has neither SHA512 nor SHA256 digests; its indexes are not verified",
                store::shown(&answer.file.url)
            ));
        }
        Ok(answer)
    }

    /// The indexes below `base`.
    fn find_indexes(
        self,
        source: &Source,
        base: &str,
    ) -> Result<Option<FoundIndexes>, store::Error> {
        let mut architectures = source.architectures.clone();
        let mut list = "SHA256:\n".to_owned();
        let mut first = None;
        for (path, architecture) in index_paths(source) {
            let (name, file) = match self.index(base, &path) {
                Ok(found) => found,
                Err(store::Error::Missing { .. }) if architecture == "all" => continue,
                // As for apt, each component has an index.
                Err(error @ store::Error::Missing { .. }) if first.is_some() => return Err(error),
                Err(store::Error::Missing { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            if architecture == "all" && !architectures.contains(&architecture) {
                architectures.push(architecture);
            }
            let digest = digest(Algorithm::Sha256, &file.content).hexadecimal();
            let _ = writeln!(list, " {digest} {} {name}", file.content.len());
            first.get_or_insert(file);
        }
        Ok(first.map(|first| FoundIndexes {
            architectures,
            list,
            first,
        }))
    }

    /// An index in the first compression that the mirror has, and its name.
    fn index(self, base: &str, path: &str) -> Result<(String, Unverified), store::Error> {
        let (last, others) = COMPRESSIONS
            .split_last()
            .unwrap_or((&Compression::None, &[]));
        for compression in others {
            match self.index_in(base, path, *compression) {
                Err(store::Error::Missing { .. }) => {}
                found => return found,
            }
        }
        self.index_in(base, path, *last)
    }

    fn index_in(
        self,
        base: &str,
        path: &str,
        compression: Compression,
    ) -> Result<(String, Unverified), store::Error> {
        let name = with_extension(path, compression);
        let url = format!("{base}/{}", store::encode(&name));
        let file = self.store.read_until(&[url], INDEX_LIMIT, self.stop)?;
        Ok((name, file))
    }
}

/// Indexes that were looked for by name.
struct FoundIndexes {
    architectures: Vec<String>,
    /// A field of a Release.
    list: String,
    first: Unverified,
}

/// Whether a source is read as the user trusts it: without a signature, and with what apt needs of
/// a Release only.
fn may_lack_release(source: &Source) -> bool {
    matches!(source.trust, Trust::Unchecked) && source.leniency.no_date
}

fn has_digests(release: &str) -> bool {
    let all = Fields::read(release);
    let mut algorithms = Algorithm::STRONGEST_FIRST.into_iter();
    algorithms.any(|algorithm| all.one(algorithm.field()).is_some())
}

/// The paths of a source's indexes below its suite, each with its architecture. Like apt, it looks
/// for an index of `all` too, which need not be there.
fn index_paths(source: &Source) -> Vec<(String, String)> {
    if is_flat(&source.suite) {
        return vec![("Packages".to_owned(), String::new())];
    }
    let mut architectures = source.architectures.clone();
    architectures.push("all".to_owned());
    let mut paths = Vec::new();
    for component in &source.components {
        for architecture in &architectures {
            let path = format!("{component}/binary-{architecture}/Packages");
            paths.push((path, architecture.clone()));
        }
    }
    paths
}
