//! What a signed release says of itself: suite, dates, digests.

use std::fs;

use rbootstrap::testing::FakeSuite;
use rbootstrap::testing::archive::{DATE, date, now};

use super::{published, quick_plan_of, small};
use crate::table::{self, Row};

const DAY: i64 = 86_400;

/// A release in which the first text is replaced by the second before it is signed.
struct Edited {
    name: &'static str,
    /// `trixie` is in a suite file, `fake` is not.
    suite: &'static str,
    from: String,
    to: String,
    options: &'static [&'static str],
    code: i32,
    says: &'static str,
}

impl Row for Edited {
    fn name(&self) -> String {
        format!("{}, {}", self.suite, self.name)
    }

    fn run(&self) {
        let shape = FakeSuite {
            name: self.suite.to_owned(),
            suite: "stable".to_owned(),
            codename: self.suite.to_owned(),
            ..small()
        };
        let (context, directory) = published(&shape);
        let directory = directory.with_file_name(self.suite);
        let text = fs::read_to_string(directory.join("Release")).unwrap();
        assert!(text.contains(&self.from), "no `{}` in {text}", self.from);
        let edited = text.replace(&self.from, &self.to);
        context.archive.sign(&shape, &directory, &edited);
        let outcome = quick_plan_of(&context, self.suite, self.options);
        outcome.fails(self.code).names(&[self.says]);
        context.assert_no_deb_requested();
        context.assert_nothing_left();
    }
}

fn edited(name: &'static str, from: &str, to: &str, code: i32, says: &'static str) -> Edited {
    Edited {
        name,
        suite: "trixie",
        from: from.to_owned(),
        to: to.to_owned(),
        options: &[],
        code,
        says,
    }
}

/// As `edited`, of a suite that no file lists.
fn unlisted(row: Edited) -> Edited {
    Edited {
        suite: "fake",
        from: row.from.replace("trixie", "fake"),
        ..row
    }
}

fn with(options: &'static [&'static str], row: Edited) -> Edited {
    Edited { options, ..row }
}

const NAMES: &str = "Suite: stable\nVersion: 1.0\nCodename: trixie\n";

fn suites() -> Vec<Edited> {
    let refused = "--allow-other-suite";
    let warned = "is of suite";
    let allowed: &[&str] = &["--allow-other-suite"];
    let other = "Suite: testing\nCodename: forky\n";
    let updates = "Suite: stable-updates\nCodename: trixie-updates\n";
    let security = "Suite: stable-security\nCodename: trixie-security\n";
    vec![
        edited("as published", NAMES, NAMES, 0, ""),
        edited("only its codename", NAMES, "Codename: trixie\n", 0, ""),
        edited("only its name as suite", NAMES, "Suite: trixie\n", 0, ""),
        edited(
            "only another name as suite",
            NAMES,
            "Suite: stable\n",
            3,
            refused,
        ),
        edited("another suite", NAMES, other, 3, refused),
        edited("the updates of the suite", NAMES, updates, 3, refused),
        edited(
            "the security updates of the suite",
            NAMES,
            security,
            3,
            refused,
        ),
        edited("neither suite nor codename", NAMES, "", 3, refused),
        edited("empty names", NAMES, "Suite:\nCodename:\n", 3, refused),
        edited("another case", NAMES, "Codename: Trixie\n", 3, refused),
        edited("a longer name", NAMES, "Codename: trixie2\n", 3, refused),
        edited(
            "control characters in a name",
            NAMES,
            "Suite: \x1b[2Jx\n",
            3,
            "\\x1b[2Jx",
        ),
        with(
            allowed,
            edited("another suite, allowed", NAMES, other, 0, warned),
        ),
        with(
            allowed,
            edited("neither name, allowed", NAMES, "", 0, warned),
        ),
        unlisted(edited("another suite", NAMES, other, 0, warned)),
        unlisted(edited("neither suite nor codename", NAMES, "", 0, warned)),
    ]
}

fn dates() -> Vec<Edited> {
    let line = format!("Date: {}\n", date(DATE));
    let at = |time: i64| format!("Date: {}\n", date(time));
    let far = "Date: Fri, 01 Jan 2100 00:00:00 UTC\n";
    vec![
        edited("no Date", &line, "", 3, "it has no Date"),
        edited("an empty Date", &line, "Date:\n", 3, "it has no Date"),
        edited(
            "a Date that is none",
            &line,
            "Date: yesterday\n",
            3,
            "not a date",
        ),
        edited(
            "a Date that does not exist",
            &line,
            "Date: Mon, 31 Feb 2025 00:00:00 UTC\n",
            0,
            "",
        ),
        edited(
            "a Date of another zone",
            &line,
            "Date: Sun, 01 Jun 2025 00:00:00 +0200\n",
            3,
            "not a date",
        ),
        edited("a Date of 1970", &line, &at(0), 0, ""),
        edited("a Date in 4 minutes", &line, &at(now() + 240), 0, ""),
        edited(
            "a Date in 10 minutes",
            &line,
            &at(now() + 600),
            3,
            "check this machine's clock",
        ),
        edited(
            "a Date in 23 hours",
            &line,
            &at(now() + 23 * 3600),
            3,
            "check this machine's clock",
        ),
        edited("a Date of 2100", &line, far, 3, "more than a day before"),
    ]
}

fn expiry() -> Vec<Edited> {
    let line = format!("Date: {}\n", date(DATE));
    let until = |time: i64| format!("{line}Valid-Until: {}\n", date(time));
    let expired = until(now() - 60);
    let future = format!("Date: {}\n", date(now() + 600));
    let lenient: &[&str] = &["--no-check-valid-until"];
    vec![
        edited(
            "a Valid-Until that passed",
            &line,
            &expired,
            3,
            "--no-check-valid-until",
        ),
        with(lenient, edited("the same, allowed", &line, &expired, 0, "")),
        edited("a Valid-Until to come", &line, &until(now() + DAY), 0, ""),
        edited(
            "a Valid-Until that is none",
            &line,
            &format!("{line}Valid-Until: soon\n"),
            3,
            "not a date",
        ),
        with(
            lenient,
            edited(
                "a Date in 10 minutes, lenient",
                &line,
                &future,
                3,
                "check this machine's clock",
            ),
        ),
    ]
}

fn lists_of_files() -> Vec<Edited> {
    let weak = "neither SHA512 nor SHA256";
    let not_a_line = "is not a digest, a size and a path";
    vec![
        edited("SHA-1", "SHA256:", "SHA1:", 3, weak),
        edited("MD5", "SHA256:", "MD5Sum:", 3, weak),
        edited("no list at all", "SHA256:", "X-SHA256:", 3, weak),
        edited(
            "a list that is said to be stronger",
            "SHA256:",
            "SHA512:",
            3,
            not_a_line,
        ),
    ]
}

/// Lines in a list of files, for which `SUM` stands for a digest.
const LINES: [(&str, &str, i32); 8] = [
    ("a line without a path", "SUM 1", 3),
    ("a line of one word", "SUM", 3),
    ("a path with a blank", "SUM 1 a b", 3),
    ("a size below zero", "SUM -1 a", 3),
    ("a size in words", "SUM ten a", 3),
    ("a size beyond 64 bits", "SUM 99999999999999999999 a", 3),
    ("a short digest", "0078 1 a", 3),
    (
        "a file outside of the suite",
        "SUM 1 ../../../etc/passwd",
        0,
    ),
];

fn lines_of_lists() -> Vec<Edited> {
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let not_hexadecimal = format!("SHA256:\n {} 1 a\n", "x".repeat(64));
    let not_a_line = "is not a digest, a size and a path";
    let mut rows = vec![
        edited(
            "a digest that is not hexadecimal",
            "SHA256:\n",
            &not_hexadecimal,
            3,
            not_a_line,
        ),
        edited(
            "Acquire-By-Hash: no",
            "Acquire-By-Hash: yes",
            "Acquire-By-Hash: no",
            0,
            "",
        ),
    ];
    for (name, line, code) in LINES {
        let added = format!("SHA256:\n {}\n", line.replace("SUM", sum));
        let says = if code == 0 { "" } else { not_a_line };
        rows.push(edited(name, "SHA256:\n", &added, code, says));
    }
    rows
}

#[test]
#[ignore = "needs time"]
fn what_a_release_says() {
    let mut rows = suites();
    rows.extend(dates());
    rows.extend(expiry());
    rows.extend(lists_of_files());
    rows.extend(lines_of_lists());
    table::run("trust: releases", 45, &rows);
}
