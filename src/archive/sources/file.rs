//! The tree's own file of apt sources, as text.
//!
//! It is written like the suite's own installer writes it: one deb822 file named after the
//! distribution, with Signed-By, where the suite uses these, or else sources.list. A mirror is
//! written as it was given.

use std::fmt::Write as _;

use crate::archive::Source;
use crate::archive::tree_keys::{KeyFile, TreeKeys, TreeSignedBy, settle};
use crate::formats::suite::Suite;
use crate::store;

/// A file of sources for the tree, and the keyrings that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourcesFile {
    /// The path in the tree.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) keys: Vec<KeyFile>,
}

/// Renders the sources, as the tree has them ([`Source::in_tree`]).
pub(crate) fn tree_sources(suite: &Suite, sources: &[Source]) -> SourcesFile {
    let keys = settle(sources, is_deb822(suite));
    let mut written = sources.to_vec();
    let mut files: Vec<KeyFile> = Vec::new();
    for (source, keys) in written.iter_mut().zip(keys) {
        for file in &keys.files {
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
        source.tree_keys = keys;
    }
    let first = sources.first();
    let architectures = first.map_or(Vec::new(), |source| source.architectures.clone());
    SourcesFile {
        keys: files,
        ..sources_file(suite, &written, &architectures)
    }
}

fn is_deb822(suite: &Suite) -> bool {
    suite.deb822_sources && !suite.distribution.is_empty()
}

/// Renders the sources with the keys that they have. `architectures` are the tree's: a source with
/// others names them.
pub(in crate::archive) fn sources_file(
    suite: &Suite,
    sources: &[Source],
    architectures: &[String],
) -> SourcesFile {
    if is_deb822(suite) {
        let name = suite.distribution.replace('/', "_");
        return SourcesFile {
            path: format!("etc/apt/sources.list.d/{name}.sources"),
            text: deb822(sources, architectures),
            keys: Vec::new(),
        };
    }
    SourcesFile {
        path: "etc/apt/sources.list".into(),
        text: one_line(sources, architectures),
        keys: Vec::new(),
    }
}

/// deb822 stanzas (sources.list(5)). Adjacent sources that differ only in the suite share one.
fn deb822(sources: &[Source], architectures: &[String]) -> String {
    let mut text = String::new();
    for group in sources.chunk_by(differ_only_in_suite) {
        let [first, ..] = group else { continue };
        let suites: Vec<&str> = group.iter().map(|source| source.suite.as_str()).collect();
        let exemptions = first.exemptions;
        let fields = [
            ("Types", "deb".to_owned()),
            ("URIs", written_uri(first)),
            ("Suites", suites.join(" ")),
            ("Components", first.components.join(" ")),
            (
                "Architectures",
                own_architectures(first, architectures).join(" "),
            ),
            ("Signed-By", signed_by(&first.tree_keys)),
            ("Trusted", word_if(exemptions.unsigned, "yes")),
            ("Check-Valid-Until", word_if(exemptions.expired, "no")),
            ("Check-Date", word_if(exemptions.date, "no")),
            ("Date-Max-Future", seconds(exemptions.max_future)),
            ("Valid-Until-Min", seconds(exemptions.shortest)),
            ("Valid-Until-Max", seconds(exemptions.longest)),
        ];
        if !text.is_empty() {
            text.push('\n');
        }
        for (name, value) in fields {
            let blank = if value.starts_with('\n') { "" } else { " " };
            if !value.is_empty() {
                let _ = writeln!(text, "{name}:{blank}{value}");
            }
        }
    }
    text
}

/// The value of Signed-By; empty if the source has none. The lines of a key are indented, and an
/// empty one is a dot.
fn signed_by(keys: &TreeKeys) -> String {
    match &keys.signed_by {
        TreeSignedBy::Any => String::new(),
        TreeSignedBy::Keys(words) => words.join(" "),
        TreeSignedBy::Inline(key) => {
            let mut value = String::new();
            for line in key.trim().lines() {
                value.push_str("\n ");
                value.push_str(if line.is_empty() { "." } else { line });
            }
            value
        }
    }
}

/// A number of seconds as text, empty if the source has none.
fn seconds(given: Option<u32>) -> String {
    given.map_or(String::new(), |seconds| seconds.to_string())
}

fn word_if(condition: bool, word: &str) -> String {
    if condition {
        word.to_owned()
    } else {
        String::new()
    }
}

fn one_line(sources: &[Source], architectures: &[String]) -> String {
    let mut text = String::new();
    for source in sources {
        let mut options = Vec::new();
        let architectures = own_architectures(source, architectures);
        if !architectures.is_empty() {
            options.push(format!("arch={}", architectures.join(",")));
        }
        if let TreeSignedBy::Keys(words) = &source.tree_keys.signed_by {
            options.push(format!("signed-by={}", words.join(",")));
        }
        if source.exemptions.unsigned {
            options.push("trusted=yes".to_owned());
        }
        if source.exemptions.expired {
            options.push("check-valid-until=no".to_owned());
        }
        if source.exemptions.date {
            options.push("check-date=no".to_owned());
        }
        for (name, given) in [
            ("date-max-future", source.exemptions.max_future),
            ("valid-until-min", source.exemptions.shortest),
            ("valid-until-max", source.exemptions.longest),
        ] {
            if given.is_some() {
                options.push(format!("{name}={}", seconds(given)));
            }
        }
        text.push_str("deb ");
        if !options.is_empty() {
            let _ = write!(text, "[{}] ", options.join(" "));
        }
        let _ = write!(text, "{} {}", written_uri(source), source.suite);
        for component in &source.components {
            let _ = write!(text, " {component}");
        }
        text.push('\n');
    }
    text
}

/// The first mirror only: apt would read each mirror as an archive of its own.
fn uri(source: &Source) -> &str {
    source.uris.first().map_or("", String::as_str)
}

/// The URI that the tree has: a password does not belong in a file that every user can read.
fn written_uri(source: &Source) -> String {
    store::without_login(uri(source))
}

fn differ_only_in_suite(a: &Source, b: &Source) -> bool {
    // A flat repository has a path for a suite, and no components.
    !a.components.is_empty()
        && uri(a) == uri(b)
        && a.components == b.components
        && a.architectures == b.architectures
        && a.tree_keys.signed_by == b.tree_keys.signed_by
        && a.exemptions == b.exemptions
}

/// A source's architectures, if they are not the tree's.
fn own_architectures<'a>(source: &'a Source, architectures: &[String]) -> &'a [String] {
    if source.architectures == architectures {
        &[]
    } else {
        &source.architectures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Exemptions, Expiry, Trust};

    fn source(
        uri: &str,
        suite: &str,
        components: &[&str],
        architectures: &[&str],
        signed_by: Option<&str>,
    ) -> Source {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Source {
            uris: vec![uri.into(), "http://mirror.invalid/other".into()],
            suite: suite.into(),
            components: owned(components),
            architectures: owned(architectures),
            trust: Trust::Unchecked,
            expiry: Expiry::Check,
            tree_keys: TreeKeys {
                signed_by: match signed_by {
                    Some(path) => TreeSignedBy::Keys(vec![path.to_owned()]),
                    None => TreeSignedBy::Any,
                },
                files: Vec::new(),
            },
            packaged: None,
            pin: None,
            exemptions: Exemptions::default(),
            archive: String::new(),
            leniency: crate::archive::Leniency::default(),
        }
    }

    #[test]
    fn sources_are_written_in_both_formats() {
        let key = Some("/usr/share/keyrings/debian-archive-keyring.gpg");
        let tree = ["amd64".to_owned(), "i386".to_owned()];
        let all = [
            source(
                "http://a/debian",
                "trixie",
                &["main", "contrib"],
                &["amd64", "i386"],
                key,
            ),
            source(
                "http://a/debian",
                "trixie-updates",
                &["main", "contrib"],
                &["amd64", "i386"],
                key,
            ),
            source(
                "http://b/debian-security",
                "trixie-security",
                &["main"],
                &["amd64", "i386"],
                key,
            ),
            source("file:///srv/flat", "./", &[], &["amd64"], None),
            source("file:///srv/flat", "sub/", &[], &["amd64"], None),
            Source {
                exemptions: Exemptions {
                    unsigned: true,
                    expired: true,
                    date: false,
                    max_future: Some(60),
                    shortest: Some(5),
                    longest: None,
                },
                ..source("http://c", "x", &["main"], &["amd64", "i386"], None)
            },
        ];
        let deb822_text = "Types: deb\nURIs: http://a/debian\nSuites: trixie trixie-updates\n\
                           Components: main contrib\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb\nURIs: http://b/debian-security\nSuites: trixie-security\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb\nURIs: file:///srv/flat\nSuites: ./\nArchitectures: amd64\n\n\
            Types: deb\nURIs: file:///srv/flat\nSuites: sub/\nArchitectures: amd64\n\n\
            Types: deb\nURIs: http://c\nSuites: x\nComponents: main\nTrusted: yes\n\
            Check-Valid-Until: no\nDate-Max-Future: 60\nValid-Until-Min: 5\n";
        assert_eq!(deb822(&all, &tree), deb822_text);
        let lines = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
                     http://a/debian trixie main contrib\n\
            deb [arch=amd64] file:///srv/flat ./\n\
            deb [trusted=yes check-valid-until=no date-max-future=60 valid-until-min=5] http://c x main\n";
        assert_eq!(
            one_line(&[all[0].clone(), all[3].clone(), all[5].clone()], &tree),
            lines
        );
        assert_eq!(
            one_line(
                &[source("http://a", "x", &["main"], &["amd64", "i386"], None)],
                &tree
            ),
            "deb http://a x main\n"
        );
    }
}
