//! Archives without a Release file: a directory of packages with the output of dpkg-scanpackages.
//!
//! apt reads them where the source is trusted without signatures. Their indexes are looked for by
//! name, and a Release that lists those found stands in for the missing one.

use std::fmt::Write as _;

use super::release::{is_flat, suite_url, with_extension};
use super::signed::{Answer, Releases};
use super::{Source, Trust};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, Hasher};
use crate::store::{self, Unverified};

/// The largest index that is read into memory, in bytes.
const INDEX_LIMIT: u64 = 256 << 20;

/// The compressions in which an index is looked for, in apt's order.
const COMPRESSIONS: [Compression; 6] = [
    Compression::Xz,
    Compression::Zstd,
    Compression::Bzip2,
    Compression::Lzma,
    Compression::Gzip,
    Compression::None,
];

impl Releases<'_> {
    /// A Release for the indexes of the first mirror that has any; None for a source whose
    /// signatures count, and where there are no indexes.
    pub(super) fn unlisted(
        self,
        source: &Source,
        mirrors: &[String],
    ) -> Result<Option<Answer>, store::Error> {
        if !matches!(source.trust, Trust::Unchecked) {
            return Ok(None);
        }
        for (number, mirror) in mirrors.iter().enumerate() {
            let base = suite_url(mirror, &source.suite);
            let mut text = String::new();
            let mut first = None;
            for path in index_paths(source) {
                let Some((name, file)) = self.index(&base, &path)? else {
                    continue;
                };
                let mut hasher = Hasher::new(Algorithm::Sha256);
                hasher.update(&file.content);
                let digest = hasher.finish().hexadecimal();
                let _ = writeln!(text, " {digest} {} {name}", file.content.len());
                first.get_or_insert(file);
            }
            if let Some(mut file) = first {
                let text = format!("SHA256:\n{text}");
                file.content = text.clone().into_bytes();
                let what = format!("{base} has no Release; reading the indexes that it has");
                self.report.detail(what);
                return Ok(Some(Answer {
                    mirror: number,
                    file,
                    verified: Ok(text),
                }));
            }
        }
        Ok(None)
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

/// The paths of a source's indexes below its suite.
fn index_paths(source: &Source) -> Vec<String> {
    if is_flat(&source.suite) {
        return vec!["Packages".to_owned()];
    }
    let mut paths = Vec::new();
    for component in &source.components {
        for architecture in &source.architectures {
            paths.push(format!("{component}/binary-{architecture}/Packages"));
        }
    }
    paths
}
