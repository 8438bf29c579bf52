//! Indexes and .debs that are not what is promised of them, and promises that are lies.

use std::fs;
use std::path::Path;

use rbootstrap::testing::{DebBuilder, FakeSuite, host_architecture, tree};

use super::{published, small};
use crate::context::TestContext;
use crate::table::{self, Row};

/// What is done to files of the archive after they were published.
#[derive(Clone, Copy)]
enum Change {
    FlipBit,
    CutOff,
    Append,
    Empty,
    Remove,
}

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
                self.change.apply(&path);
                changed += 1;
            }
        }
        assert!(changed > 0, "no file has {}", self.files);
        let outcome = quick_download(&context);
        outcome.fails(self.code).names(&[self.says]);
        context.assert_nothing_left();
    }
}

impl Change {
    fn apply(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Change::FlipBit => *bytes.last_mut().unwrap() ^= 1,
            Change::CutOff => drop(bytes.pop()),
            Change::Append => bytes.push(0),
            Change::Empty => bytes.clear(),
            Change::Remove => return fs::remove_file(path).unwrap(),
        }
        fs::write(path, bytes).unwrap();
    }
}

fn quick_download(context: &TestContext) -> crate::context::Outcome {
    context.download(&["--variant=essential", "--tries=1", "--mirror-wait=0"])
}

#[test]
fn changed_files() {
    let does_not_match = "does not match its release";
    let rows = [
        (
            "an index with another bit",
            "/binary-",
            Change::FlipBit,
            3,
            does_not_match,
        ),
        (
            "an index without its last byte",
            "/binary-",
            Change::CutOff,
            3,
            does_not_match,
        ),
        (
            "an index with a byte more",
            "/binary-",
            Change::Append,
            3,
            does_not_match,
        ),
        (
            "an empty index",
            "/binary-",
            Change::Empty,
            3,
            does_not_match,
        ),
        ("no index", "/binary-", Change::Remove, 5, "404"),
        (
            "an index by hash with another bit",
            "/by-hash/",
            Change::FlipBit,
            0,
            "",
        ),
        ("no index by hash", "/by-hash/", Change::Remove, 0, ""),
        ("an empty index by hash", "/by-hash/", Change::Empty, 0, ""),
        (
            "an index by name with another bit",
            "/Packages",
            Change::FlipBit,
            0,
            "",
        ),
        ("no index by name", "/Packages", Change::Remove, 0, ""),
        (".deb with another bit", ".deb", Change::FlipBit, 3, "one"),
        (
            ".deb without its last byte",
            ".deb",
            Change::CutOff,
            3,
            "should have",
        ),
        (
            ".deb with a byte more",
            ".deb",
            Change::Append,
            3,
            "should have",
        ),
        ("an empty .deb", ".deb", Change::Empty, 3, "should have"),
        ("no .deb", ".deb", Change::Remove, 5, "404"),
    ];
    let mut cases = Vec::new();
    for (name, files, change, code, says) in rows {
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
    to: String,
    code: i32,
    says: &'static str,
}

impl Row for Lie {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let (context, directory) = published(&FakeSuite::new("fake"));
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
        let lying = stanza.replace(&from, &self.to);
        let index = format!("main/binary-{}/Packages", host_architecture());
        context
            .archive
            .publish_text(&FakeSuite::new("fake"), &index, &lying);
        drop(directory);
        let outcome = quick_download(&context);
        outcome.fails(self.code).names(&[self.says]);
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

#[test]
fn lies_about_packages() {
    let path = "Filename: pool/bad.deb";
    let other = format!("SHA256: {}", "0".repeat(64));
    let unverifiable = "no digest";
    let rows = [
        ("nothing", path, path.to_owned(), 0, ""),
        ("another digest", "SUM", other, 3, "should have"),
        ("no digest", "SUM", "X: y".to_owned(), 3, unverifiable),
        (
            "only MD5",
            "SUM",
            "MD5sum: 900150983cd24fb0d6963f7d28e17f72".to_owned(),
            3,
            unverifiable,
        ),
        (
            "only SHA-1",
            "SUM",
            "SHA1: a9993e364706816aba3e25717850c26c9cd0d89d".to_owned(),
            3,
            unverifiable,
        ),
        (
            "a smaller size",
            "SIZE",
            "Size: 10".to_owned(),
            3,
            "should have 10 bytes",
        ),
        (
            "a larger size",
            "SIZE",
            "Size: 100000".to_owned(),
            3,
            "should have 100000 bytes",
        ),
        (
            "the size 0",
            "SIZE",
            "Size: 0".to_owned(),
            3,
            "should have 0 bytes",
        ),
        (
            "a path upwards",
            path,
            "Filename: ../../etc/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "an absolute path",
            path,
            "Filename: /etc/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "a path upwards inside",
            path,
            "Filename: pool/../../x/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "an encoded path upwards",
            path,
            "Filename: %2e%2e/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "a URL",
            path,
            "Filename: http://127.0.0.1:1/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "a file: URL",
            path,
            "Filename: file:/etc/passwd".to_owned(),
            5,
            "404",
        ),
        (
            "a query",
            path,
            "Filename: pool/bad.deb?x".to_owned(),
            5,
            "404",
        ),
        (
            "a fragment",
            path,
            "Filename: pool/bad.deb#x".to_owned(),
            5,
            "404",
        ),
        (
            "a backslash",
            path,
            "Filename: ..\\..\\passwd".to_owned(),
            5,
            "404",
        ),
    ];
    let mut cases = Vec::new();
    for (name, from, to, code, says) in rows {
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
