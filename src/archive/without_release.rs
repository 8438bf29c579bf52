//! Archives without a Release file: a directory of packages with the output of dpkg-scanpackages.
//!
//! apt reads them where signatures are not checked. Their indexes are looked for by name, and a
//! Release that lists those found stands in for the missing one.

use std::fmt::Write as _;

use super::release::{COMPRESSIONS, is_flat, suite_url, with_extension};
use super::signed::{Answer, Releases, SignedFiles};
use super::{Source, Trust};
use crate::formats::digest::{Algorithm, Hasher};
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
        if !matches!(source.trust, Trust::Unchecked) || !source.leniency.no_date {
            return Ok(None);
        }
        for (number, mirror) in mirrors.iter().enumerate() {
            let base = suite_url(mirror, &source.suite);
            if let Some((text, mut file)) = self.list_indexes(source, &base)? {
                file.content = text.clone().into_bytes();
                return Ok(Some(Answer {
                    mirror: number,
                    file,
                    verified: Ok(text),
                    by_packaged: false,
                    signed: SignedFiles::None,
                }));
            }
        }
        Ok(None)
    }

    /// The text of a Release for the indexes below `base`, and the first of these.
    fn list_indexes(
        self,
        source: &Source,
        base: &str,
    ) -> Result<Option<(String, Unverified)>, store::Error> {
        let mut architectures = source.architectures.clone();
        let mut lines = String::new();
        let mut first = None;
        for (path, architecture) in index_paths(source) {
            let Some((name, file)) = self.index(base, &path)? else {
                continue;
            };
            if architecture == "all" && !architectures.contains(&architecture) {
                architectures.push(architecture);
            }
            let mut hasher = Hasher::new(Algorithm::Sha256);
            hasher.update(&file.content);
            let digest = hasher.finish().hexadecimal();
            let _ = writeln!(lines, " {digest} {} {name}", file.content.len());
            first.get_or_insert(file);
        }
        let text = format!(
            "Architectures: {}\nSHA256:\n{lines}",
            architectures.join(" ")
        );
        Ok(first.map(|file| (text, file)))
    }

    /// An index in the first compression that the mirror has, and its name.
    fn index(self, base: &str, path: &str) -> Result<Option<(String, Unverified)>, store::Error> {
        for compression in COMPRESSIONS {
            let name = with_extension(path, compression);
            let url = format!("{base}/{}", store::encode(&name));
            match self.store.read_until(&[url], INDEX_LIMIT, self.stop) {
                Ok(file) => return Ok(Some((name, file))),
                Err(store::Error::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The paths of a source's indexes below its suite, each with its architecture. Like apt, it looks
/// for an index of `all` too.
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
