//! What surrounds and frames the signed text: InRelease, Release and Release.gpg as files that a
//! mirror changed.

use std::fs;

use super::change::Change;
use super::{published, small};
use crate::table::{self, Row};

struct Framing {
    name: &'static str,
    file: &'static str,
    change: Change,
    code: i32,
    says: &'static str,
}

impl Row for Framing {
    fn name(&self) -> String {
        format!("{}, {}", self.file, self.name)
    }

    fn run(&self) {
        let mut shape = small();
        shape.inline = self.file == "InRelease";
        let (context, directory) = published(&shape);
        let path = directory.join(self.file);
        let bytes = fs::read(&path).unwrap();
        match self.change.apply(bytes) {
            Some(changed) => fs::write(&path, changed).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let outcome = super::quick_plan(&context, &[]);
        let outcome = outcome.fails(self.code).names(&[self.says]);
        if self.code != 0 {
            let outcome = outcome.names(&[self.file.trim_end_matches(".gpg")]);
            // What a mirror adds is never shown.
            assert!(!outcome.stderr.contains("Evil"), "{}", outcome.stderr);
        }
        context.assert_no_deb_requested();
        context.assert_nothing_left();
    }
}

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----\n";
const BEFORE: &str = "text before the signed message";
const AFTER: &str = "text after the signed message";
const BAD: &str = "bad signature";
const UNSIGNED: &str = "no signature";

/// InRelease.
const INLINE: &[(&str, Change, i32, &str)] = &[
    ("untouched", Change::None, 0, ""),
    (
        "a field before",
        Change::Before(b"Origin: Evil\n\n"),
        3,
        BEFORE,
    ),
    ("an empty line before", Change::Before(b"\n"), 3, BEFORE),
    ("a blank before", Change::Before(b" "), 3, BEFORE),
    (
        "a byte order mark",
        Change::Before(b"\xef\xbb\xbf"),
        3,
        BEFORE,
    ),
    ("a NUL before", Change::Before(b"\0"), 3, BEFORE),
    (
        "another kind of armor before",
        Change::Before(b"-----BEGIN PGP MESSAGE-----\n\n"),
        3,
        BEFORE,
    ),
    ("a field after", Change::After(b"Origin: Evil\n"), 3, AFTER),
    ("a NUL after", Change::After(b"\0"), 3, AFTER),
    ("empty lines after", Change::After(b"\n\n \n"), 0, ""),
    ("the message twice", Change::Twice, 3, AFTER),
    (
        "a second signature block after",
        Change::After(b"-----BEGIN PGP SIGNATURE-----\n\nwsA=\n-----END PGP SIGNATURE-----\n"),
        3,
        AFTER,
    ),
    (
        "a letter",
        Change::Replace("Origin: Fake", "Origin: Evil"),
        3,
        BAD,
    ),
    (
        "a missing line",
        Change::Replace("Acquire-By-Hash: yes\n", ""),
        3,
        BAD,
    ),
    (
        "an added line",
        Change::Replace("Acquire-By-Hash: yes\n", "Acquire-By-Hash: yes\nX: y\n"),
        3,
        BAD,
    ),
    ("a NUL in the text", Change::Byte("Fake", 0), 3, BAD),
    (
        "a carriage return in a line",
        Change::Replace("Fake\nLabel", "Fake\rLabel"),
        3,
        "carriage return",
    ),
    ("line ends of DOS", Change::Replace("\n", "\r\n"), 0, ""),
    (
        "blanks at the ends of lines",
        Change::Replace("yes\n", "yes \t\n"),
        0,
        "",
    ),
    (
        "a form feed at the end of a line",
        Change::Replace("yes\n", "yes\x0c\n"),
        3,
        BAD,
    ),
    (
        "a header that is not Hash",
        Change::Replace("Hash: SHA256\n", "Hash: SHA256\nComment: x\n"),
        3,
        "a header that is not Hash",
    ),
    (
        "a field behind a line with a blank",
        Change::Replace("Hash: SHA256\n", "Hash: SHA256\n \nOrigin: Evil\n"),
        3,
        "a header that is not Hash",
    ),
    (
        "a Hash without a value",
        Change::Replace("Hash: SHA256\n", "Hash:\n"),
        3,
        "a header that is not Hash",
    ),
    (
        "a Hash that does not exist",
        Change::Replace("Hash: SHA256\n", "Hash: SHA999\n"),
        0,
        "",
    ),
    (
        "no Hash at all",
        Change::Replace("Hash: SHA256\n", ""),
        0,
        "",
    ),
    (
        "an unescaped dash",
        Change::Replace("Origin:", "-Origin:"),
        3,
        "unescaped dash",
    ),
    (
        "an escape that is not needed",
        Change::Replace("Origin:", "- Origin:"),
        0,
        "",
    ),
    (
        "an escaped begin of a signature in the text",
        Change::Replace("Origin:", "- -----BEGIN PGP SIGNATURE-----\nOrigin:"),
        3,
        BAD,
    ),
    (
        "an unescaped begin of a signature in the text",
        Change::Replace("Origin:", "-----BEGIN PGP SIGNATURE-----\nOrigin:"),
        3,
        "cannot be read",
    ),
    ("nothing", Change::Content(b""), 3, UNSIGNED),
    (
        "its first line",
        Change::Content(BEGIN.as_bytes()),
        3,
        "does not end",
    ),
    (
        "cut in its headers",
        Change::CutAt("SHA256\n"),
        3,
        "does not end",
    ),
    (
        "cut in its text",
        Change::CutAt("Codename"),
        3,
        "does not end",
    ),
    (
        "cut before its signature",
        Change::CutAt("-----BEGIN PGP SIGNATURE"),
        3,
        "does not end",
    ),
    (
        "cut in the first line of its signature",
        Change::CutAt("PGP SIGNATURE-----"),
        3,
        "unescaped dash",
    ),
    (
        "cut in its last line",
        Change::CutOff(12),
        3,
        "does not end",
    ),
    (
        "cut before its last line",
        Change::CutAt("-----END PGP"),
        3,
        "does not end",
    ),
    ("cut by its last byte", Change::CutOff(1), 0, ""),
    (
        "no END of its signature",
        Change::Replace("-----END PGP SIGNATURE-----", "-----END PGP MESSAGE-----"),
        3,
        "does not end",
    ),
    (
        "a login page",
        Change::Content(b"<html>log in first</html>\n"),
        3,
        UNSIGNED,
    ),
    (
        "bytes that are not text",
        Change::Byte("Fake", 0xff),
        3,
        "not text",
    ),
    (
        "lower case armor",
        Change::Replace(
            "-----BEGIN PGP SIGNED MESSAGE-----",
            "-----begin pgp signed message-----",
        ),
        3,
        UNSIGNED,
    ),
    (
        "no signed message but a signature",
        Change::Replace(BEGIN, ""),
        3,
        UNSIGNED,
    ),
    (
        "17 MB of empty lines after",
        Change::Padding(17 << 20),
        5,
        "more than",
    ),
];

/// Release and Release.gpg of a mirror that has no InRelease.
const DETACHED: &[(&str, &str, Change, i32, &str)] = &[
    ("untouched", "Release", Change::None, 0, ""),
    (
        "a letter",
        "Release",
        Change::Replace("Fake", "Evil"),
        3,
        BAD,
    ),
    (
        "a field before",
        "Release",
        Change::Before(b"X: y\n"),
        3,
        BAD,
    ),
    ("a field after", "Release", Change::After(b"X: y\n"), 3, BAD),
    (
        "an empty line after",
        "Release",
        Change::After(b"\n"),
        3,
        BAD,
    ),
    (
        "line ends of DOS",
        "Release",
        Change::Replace("\n", "\r\n"),
        3,
        BAD,
    ),
    ("cut", "Release", Change::CutOff(1), 3, BAD),
    ("nothing", "Release", Change::Content(b""), 3, BAD),
    ("missing", "Release", Change::Remove, 5, "404"),
    ("missing", "Release.gpg", Change::Remove, 3, UNSIGNED),
    ("nothing", "Release.gpg", Change::Content(b""), 3, UNSIGNED),
    (
        "a login page",
        "Release.gpg",
        Change::Content(b"<html>"),
        3,
        UNSIGNED,
    ),
    (
        "text before",
        "Release.gpg",
        Change::Before(b"hello\n"),
        0,
        "",
    ),
    (
        "text after",
        "Release.gpg",
        Change::After(b"hello\n"),
        0,
        "",
    ),
    ("the signature twice", "Release.gpg", Change::Twice, 0, ""),
    (
        "cut in its armor",
        "Release.gpg",
        Change::CutOff(60),
        3,
        "its signature cannot be read",
    ),
    (
        "a message in place of a signature",
        "Release.gpg",
        Change::Replace("PGP SIGNATURE", "PGP MESSAGE"),
        0,
        "",
    ),
    (
        "two MB",
        "Release.gpg",
        Change::Padding(2 << 20),
        5,
        "more than",
    ),
];

#[test]
#[ignore = "needs time"]
fn the_signed_text_is_framed_as_it_must_be() {
    let mut rows = Vec::new();
    for (name, change, code, says) in INLINE {
        rows.push(Framing {
            name,
            file: "InRelease",
            change: *change,
            code: *code,
            says,
        });
    }
    for (name, file, change, code, says) in DETACHED {
        rows.push(Framing {
            name,
            file,
            change: *change,
            code: *code,
            says,
        });
    }
    table::run("trust: framing", 62, &rows);
}
