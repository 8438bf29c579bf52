//! Indexes and .debs that are not what is promised of them, and promises that are lies.

use std::fs;
use std::path::Path;

use rbootstrap::testing::{DebBuilder, FakeSuite, host_architecture, tree};

use super::change::Change;
use super::{published, small};
use crate::context::TestContext;
use crate::table::{self, Row};

struct Changed {
    name: &'static str,
    /// The files whose path contains this.
    files: &'static str,
    change: Change,
    code: i32,
    says: &'static str,
}

impl Row for Changed {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let (context, _) = published(&small());
        let mut changed = 0;
        for path in tree::files(&context.archive.root) {
            if path.to_string_lossy().contains(self.files) {
                change(&path, self.change);
                changed += 1;
            }
        }
        assert!(changed > 0, "no file has {}", self.files);
        let outcome = quick_download(&context);
        outcome.fails(self.code).names(&[self.says]);
        context.assert_nothing_left();
    }
}

fn change(path: &Path, change: Change) {
    match change.apply(fs::read(path).unwrap()) {
        Some(changed) => fs::write(path, changed).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

fn quick_download(context: &TestContext) -> crate::context::Outcome {
    context.download(&["--variant=essential", "--tries=1", "--mirror-wait=0"])
}

const DOES_NOT_MATCH: &str = "does not match its release";

/// Name, files, change, exit code, words.
const CHANGED: [(&str, &str, Change, i32, &str); 15] = [
    (
        "an index with another bit",
        "/binary-",
        Change::FlipLast,
        3,
        DOES_NOT_MATCH,
    ),
    (
        "an index without its last byte",
        "/binary-",
        Change::CutOff(1),
        3,
        DOES_NOT_MATCH,
    ),
    (
        "an index with a byte more",
        "/binary-",
        Change::After(b"\0"),
        3,
        DOES_NOT_MATCH,
    ),
    (
        "an empty index",
        "/binary-",
        Change::Content(b""),
        3,
        DOES_NOT_MATCH,
    ),
    ("no index", "/binary-", Change::Remove, 5, "404"),
    (
        "an index by hash with another bit",
        "/by-hash/",
        Change::FlipLast,
        0,
        "",
    ),
    ("no index by hash", "/by-hash/", Change::Remove, 0, ""),
    (
        "an empty index by hash",
        "/by-hash/",
        Change::Content(b""),
        0,
        "",
    ),
    (
        "an index by name with another bit",
        "/Packages",
        Change::FlipLast,
        0,
        "",
    ),
    ("no index by name", "/Packages", Change::Remove, 0, ""),
    (
        ".deb with another bit",
        ".deb",
        Change::FlipLast,
        3,
        "should have",
    ),
    (
        ".deb without its last byte",
        ".deb",
        Change::CutOff(1),
        3,
        "should have",
    ),
    (
        ".deb with a byte more",
        ".deb",
        Change::After(b"\0"),
        3,
        "should have",
    ),
    (
        "an empty .deb",
        ".deb",
        Change::Content(b""),
        3,
        "should have",
    ),
    ("no .deb", ".deb", Change::Remove, 5, "404"),
];

#[test]
fn changed_files() {
    let mut cases = Vec::new();
    for (name, files, change, code, says) in CHANGED {
        cases.push(Changed {
            name,
            files,
            change,
            code,
            says,
        });
    }
    table::run("trust: changed files", 15, &cases);
}

/// A stanza in which the first text is replaced by the second before the index is published.
struct Lie {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    code: i32,
    says: &'static str,
}

impl Row for Lie {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let context = TestContext::bare();
        let deb = DebBuilder::new("bad", "1")
            .field("Essential", "yes")
            .field("Priority", "required");
        let bytes = rbootstrap::testing::archive::built(&deb.clone().into());
        let promised = context.archive.place("pool/bad.deb", &bytes);
        let stanza = format!("{}{promised}\n", deb.stanza());
        let size = format!("Size: {}", bytes.len());
        let sum = digest_of(&promised);
        let from = self.from.replace("SIZE", &size).replace("SUM", &sum);
        assert!(stanza.contains(&from), "no `{from}` in {stanza}");
        let lying = stanza.replace(&from, self.to);
        let index = format!("main/binary-{}/Packages", host_architecture());
        context
            .archive
            .publish_text(&FakeSuite::new("fake"), &index, &lying);
        let outcome = quick_download(&context);
        let outcome = outcome.fails(self.code).names(&[self.says]);
        if self.code == 3 {
            outcome.names(&["bad"]);
        }
        for path in context.mirror.paths() {
            let climbs = path.split('/').any(|part| part == "..");
            assert!(!climbs, "{path} was requested");
        }
        context.assert_nothing_left();
    }
}

fn digest_of(promised: &str) -> String {
    let line = promised.lines().find(|line| line.starts_with("SHA256"));
    line.unwrap().to_owned()
}

const PATH: &str = "Filename: pool/bad.deb";
const OTHER: &str = "SHA256: 0000000000000000000000000000000000000000000000000000000000000000";
const UNVERIFIABLE: &str = "no digest";

/// Name, text, what replaces it, exit code, words.
const LIES: [(&str, &str, &str, i32, &str); 17] = [
    ("nothing", PATH, PATH, 0, ""),
    ("another digest", "SUM", OTHER, 3, "should have"),
    ("no digest", "SUM", "X: y", 3, UNVERIFIABLE),
    (
        "only MD5",
        "SUM",
        "MD5sum: 900150983cd24fb0d6963f7d28e17f72",
        3,
        UNVERIFIABLE,
    ),
    (
        "only SHA-1",
        "SUM",
        "SHA1: a9993e364706816aba3e25717850c26c9cd0d89d",
        3,
        UNVERIFIABLE,
    ),
    (
        "a smaller size",
        "SIZE",
        "Size: 10",
        3,
        "should have 10 bytes",
    ),
    (
        "a larger size",
        "SIZE",
        "Size: 100000",
        3,
        "should have 100000 bytes",
    ),
    ("the size 0", "SIZE", "Size: 0", 3, "has no Size of"),
    (
        "a path upwards",
        PATH,
        "Filename: ../../etc/passwd",
        5,
        "404",
    ),
    ("an absolute path", PATH, "Filename: /etc/passwd", 5, "404"),
    (
        "a path upwards inside",
        PATH,
        "Filename: pool/../../x/passwd",
        5,
        "404",
    ),
    (
        "an encoded path upwards",
        PATH,
        "Filename: %2e%2e/passwd",
        5,
        "404",
    ),
    (
        "a URL",
        PATH,
        "Filename: http://127.0.0.1:1/passwd",
        5,
        "404",
    ),
    ("a file: URL", PATH, "Filename: file:/etc/passwd", 5, "404"),
    ("a query", PATH, "Filename: pool/bad.deb?x", 5, "404"),
    ("a fragment", PATH, "Filename: pool/bad.deb#x", 5, "404"),
    ("a backslash", PATH, "Filename: ..\\..\\passwd", 5, "404"),
];

#[test]
fn lies_about_packages() {
    let mut cases = Vec::new();
    for (name, from, to, code, says) in LIES {
        cases.push(Lie {
            name,
            from,
            to,
            code,
            says,
        });
    }
    table::run("trust: lies about packages", 17, &cases);
}
