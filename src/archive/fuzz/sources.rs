//! apt's sources: what the tree's file of sources says is what was parsed.

use std::path::Path;
use std::sync::LazyLock;

use crate::archive::sources::{SignedBy, SourceEntry, parse};
use crate::archive::{Source, Trust, sources_file};
use crate::formats::suite::{Suite, Suites};

/// A suite whose sources are deb822, and one whose sources are lines.
static SUITES: LazyLock<[Suite; 2]> = LazyLock::new(|| {
    let known = Suites::load(&[]).unwrap();
    [
        known.find("trixie").unwrap().clone(),
        Suite::unlisted("fuzz"),
    ]
});

/// A `.list` or `.sources` file.
pub(crate) fn sources(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(entries) = parse("fuzz", &text) else {
        return;
    };
    let architectures = ["amd64".to_owned(), "i386".to_owned()];
    for entry in &entries {
        if !entry.is_writable() {
            continue;
        }
        let mut entry = entry.clone();
        let files = entry.signed_by.take();
        // The file has no pins, and the keyring files do not exist here.
        entry.pin = None;
        let mut source = entry
            .source(&architectures, &Trust::Unchecked, Path::new("/nonexistent"))
            .unwrap();
        if let Some(SignedBy::Files(paths)) = files
            && !entry.trusted
            && let Some(path) = paths.first()
        {
            source.signed_by = Some(path.display().to_string());
        }
        if source.architectures.is_empty() {
            continue;
        }
        check_written(&source, &architectures);
    }
}

/// The source reads back from both formats of a tree's file.
fn check_written(source: &Source, architectures: &[String]) {
    for suite in &*SUITES {
        let file = sources_file(suite, std::slice::from_ref(source), architectures);
        let entries = parse(&file.path, &file.text);
        let entries = entries.unwrap_or_else(|e| panic!("{e}: {}", file.text));
        let [entry] = &entries[..] else {
            panic!("{} entries: {}", entries.len(), file.text);
        };
        assert_same(entry, source, &file.text);
    }
}

fn assert_same(entry: &SourceEntry, source: &Source, text: &str) {
    assert_eq!(entry.uri, source.uris[0], "{text}");
    assert_eq!(entry.suite, source.suite, "{text}");
    assert_eq!(entry.components, source.components, "{text}");
    assert_eq!(entry.trusted, source.exemptions.unsigned, "{text}");
    assert_eq!(entry.expiry, source.expiry, "{text}");
    assert_eq!(entry.skips_date, source.exemptions.date, "{text}");
    assert_eq!(entry.max_future, source.exemptions.max_future, "{text}");
    let signed_by = match &entry.signed_by {
        None => None,
        Some(SignedBy::Files(paths)) => Some(paths[0].display().to_string()),
        Some(other) => panic!("{other:?}: {text}"),
    };
    assert_eq!(signed_by, source.signed_by, "{text}");
}
