//! What must hold for any images that are compared (see `testing::fuzz`).

#![expect(
    clippy::disallowed_methods,
    reason = "the input is a file of the check"
)]

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CompareRequest, Error, changes};
use crate::formats::fuzz::mended;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::testing::tar::{TarEntry, file, tar};

const BLOCK: usize = 512;
const DOCKER: &str = r#"[{"Config":"config","Layers":["0","1","2"]}]"#;
const CONFIGURATION: &str = r#"{"architecture":"amd64","os":"linux"}"#;

/// A file as it is does not differ from itself, or the error names it.
///
/// Then the first byte is the number of blocks of a layer, and another layer follows; both get good
/// checksums. An empty layer on top changes nothing, and one that hides its root hides all below.
pub(crate) fn images(data: &[u8]) {
    let Ok(directory) = tempfile::tempdir() else {
        return;
    };
    let place = CheckPlace(directory.path());
    if let (Some(itself), Some(nothing)) = (place.file("itself", data), place.nothing()) {
        assert!(
            place
                .lines(&itself, &itself)
                .is_none_or(|lines| lines.is_empty())
        );
        let added = place.lines(&nothing, &itself).unwrap_or_default();
        let removed = place.lines(&itself, &nothing).unwrap_or_default();
        assert_eq!(added.len(), removed.len());
    }
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let middle = rest.len().min(usize::from(first) * BLOCK);
    let lower = mended(&rest[..middle]);
    let upper = mended(&rest[middle..]);
    let empty = tar(&[]);
    let below = place.packages([&empty, &lower, &upper]);
    let on_top = place.packages([&lower, &upper, &empty]);
    assert_eq!(below, on_top);
    // Two archives in a row would be one that ends with the first.
    let opaque = tar(&[file(".wh..wh..opq", "")]);
    let hiding = [&opaque[..opaque.len() - 2 * BLOCK], &upper].concat();
    if let Some(found) = place.packages([&lower, &empty, &hiding])
        && let Some(alone) = place.packages([&empty, &empty, &upper])
    {
        assert_eq!(found, alone);
    }
}

/// Where the files of a check are.
struct CheckPlace<'a>(&'a Path);

impl CheckPlace<'_> {
    fn file(&self, name: &str, content: &[u8]) -> Option<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, content).ok()?;
        Some(path)
    }

    /// A list without packages.
    fn nothing(&self) -> Option<PathBuf> {
        self.file("nothing", br#"{"packages":[]}"#)
    }

    /// The packages of an image with these layers.
    fn packages(&self, layers: [&Vec<u8>; 3]) -> Option<Vec<String>> {
        let mut files: Vec<TarEntry> =
            vec![file("manifest.json", DOCKER), file("config", CONFIGURATION)];
        for (number, layer) in layers.iter().enumerate() {
            files.push(file(number.to_string(), layer));
        }
        let image = self.file("image", &tar(&files))?;
        self.lines(&self.nothing()?, &image)
    }

    fn lines(&self, old: &Path, new: &Path) -> Option<Vec<String>> {
        let request = CompareRequest {
            old,
            new,
            architecture: None,
            temporary: self.0,
        };
        let mut lines = Vec::new();
        match changes(request, &Interrupt::default(), &Report::silent()) {
            Ok(platforms) => {
                for compared in platforms {
                    for change in compared.changes {
                        lines.push(format!("{:?} {change}", compared.platform));
                    }
                }
                Some(lines)
            }
            Err(error) => {
                assert!(self.is_named_by(&error), "{error:?}");
                None
            }
        }
    }

    /// Whether an error, or a cause of it, names a file of the check.
    fn is_named_by(&self, error: &Error) -> bool {
        let directory = self.0.display().to_string();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        error.to_string().contains(&directory) || cause.contains(&directory)
    }
}
