//! apt's sources: what the tree's file of sources says is what was parsed.

use std::path::Path;
use std::sync::LazyLock;

use crate::archive::sources::file::sources_file;
use crate::archive::sources::{BadSource, SignedBy, SourceEntry, parse};
use crate::archive::tree_keys::{KeyFile, TreeSignedBy};
use crate::archive::{Source, SourceKeys, TreeKeys, Trust};
use crate::formats::suite::{Suite, Suites};

/// A suite whose sources are deb822, and one whose sources are lines.
static SUITES: LazyLock<[Suite; 2]> = LazyLock::new(|| {
    let known = Suites::load(&[]).unwrap();
    [
        known.find("trixie").unwrap().clone(),
        Suite::unlisted("fuzz"),
    ]
});

const NO_KEYS: SourceKeys = SourceKeys {
    trust: Trust::Unchecked,
    tree: TreeKeys {
        signed_by: TreeSignedBy::Any,
        files: Vec::new(),
    },
    packaged: None,
};

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
        let signed_by = entry.signed_by.take();
        // The file has no pins, and the keyring files do not exist here.
        entry.pin = None;
        let source = entry.source(&architectures, &NO_KEYS, Path::new("/nonexistent"));
        let mut source = match source {
            Ok(source) => source,
            // It names a list of mirrors, or what cannot be fetched.
            Err(
                BadSource::RemoteMirrorList { .. }
                | BadSource::Unreadable { .. }
                | BadSource::Uri { .. },
            ) => continue,
            Err(error) => panic!("{error}: {text}"),
        };
        if !entry.trusted {
            source.tree_keys = tree_keys(signed_by);
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
    assert_eq!(
        entry.uri,
        crate::store::without_login(&source.uris[0]),
        "{text}"
    );
    assert_eq!(entry.suite, source.suite, "{text}");
    assert_eq!(entry.components, source.components, "{text}");
    assert_eq!(entry.trusted, source.exemptions.unsigned, "{text}");
    assert_eq!(entry.expiry, source.expiry, "{text}");
    assert_eq!(entry.skips_date, source.exemptions.date, "{text}");
    assert_eq!(entry.max_future, source.exemptions.max_future, "{text}");
    assert_eq!(entry.shortest, source.exemptions.shortest, "{text}");
    assert_eq!(entry.longest, source.exemptions.longest, "{text}");
    let keys = tree_keys(entry.signed_by.clone());
    if matches!(source.tree_keys.signed_by, TreeSignedBy::Inline(_)) {
        // In a line, the key is in a file.
        return;
    }
    assert_eq!(keys.signed_by, source.tree_keys.signed_by, "{text}");
}

/// The keys of an entry in the tree, with empty keyrings.
fn tree_keys(signed_by: Option<SignedBy>) -> TreeKeys {
    match signed_by {
        None => TreeKeys::default(),
        Some(SignedBy::Inline(key)) => TreeKeys {
            signed_by: TreeSignedBy::Inline(key),
            files: Vec::new(),
        },
        Some(SignedBy::Keys {
            files,
            fingerprints,
        }) => {
            let mut words = Vec::new();
            for path in files {
                words.push(KeyFile::named(&path, b"").path);
            }
            words.extend(fingerprints);
            TreeKeys {
                signed_by: TreeSignedBy::Keys(words),
                files: Vec::new(),
            }
        }
    }
}
