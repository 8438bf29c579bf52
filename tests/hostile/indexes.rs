//! Indexes that a release vouches for, and that cost far more than they weigh: in bytes, in
//! stanzas, in names, in the work of choosing packages.

use std::fmt::Write;

use rbootstrap::testing::{Compression, FakeSuite, host_architecture};

use super::harness::limited;
use crate::context::{TestContext, suite};

/// An index, and a part of the message that refuses it.
pub struct Row {
    pub name: &'static str,
    says: &'static str,
    pub text: String,
    pub options: &'static [&'static str],
}

/// All indexes of the table.
pub fn rows() -> Vec<Row> {
    let mut rows = of_bytes();
    rows.push(of_names());
    rows.extend(of_work());
    rows
}

/// A stanza of a package with these fields.
fn stanza(name: &str, version: usize, fields: &str) -> String {
    format!("Package: {name}\nVersion: {version}\nArchitecture: all\n{fields}\n")
}

fn row(name: &'static str, says: &'static str, text: String) -> Row {
    Row {
        name,
        says,
        text,
        options: &["--variant=custom", "--include=p0"],
    }
}

fn of_bytes() -> Vec<Row> {
    vec![
        row(
            "zeros",
            "a stanza of more bytes than",
            "\0".repeat(100 << 20),
        ),
        row(
            "newlines",
            "without a Package field",
            "\n".repeat(100 << 20),
        ),
        row(
            "one long line",
            "a stanza of more bytes than",
            "x".repeat(20 << 20),
        ),
        row(
            "one long field",
            "a stanza of more bytes than",
            stanza("p0", 1, &format!("Depends: {}\n", "a, ".repeat(2 << 20))),
        ),
        row(
            "many fields",
            "a stanza of more bytes than",
            "A: b\n".repeat(4 << 20),
        ),
        row(
            "many lines",
            "a stanza of more bytes than",
            format!("A:{}", "\n b".repeat(4 << 20)),
        ),
        row(
            "many stanzas",
            "more stanzas than",
            "Package: p0\n\n".repeat(5 << 18),
        ),
        row(
            "bytes of no encoding",
            "a stanza of more bytes than",
            "\u{fffd}".repeat(4 << 20),
        ),
    ]
}

fn of_names() -> Row {
    let mut text = stanza("p0", 1, "");
    for number in 0..45 {
        let mut names = String::from("Suggests: ");
        for name in 0..100_000 {
            write!(names, "{:x},", number * 100_000 + name).unwrap();
        }
        text += &stanza("p", number, &(names + "\n"));
    }
    row("many names", "packages, versions or names", text)
}

fn of_work() -> Vec<Row> {
    let steps = "choosing the packages takes more than";
    let mut versions = String::new();
    for version in 0..40_000 {
        versions += &stanza("p0", version, "");
    }
    let mut providers = stanza(
        "p0",
        1,
        &format!("Depends: {}\n", "v (>= 9), ".repeat(16_000)),
    );
    for number in 1..16_000 {
        providers += &stanza(&format!("p{number}"), 1, "Provides: v\n");
    }
    let mut rivals = String::new();
    for number in 0..16_000 {
        let fields = "Priority: required\nProvides: v\nConflicts: v\n";
        rivals += &stanza(&format!("p{number}"), 1, fields);
    }
    rivals += &stanza("apt", 1, "");
    let circle = |count: usize, more: &str| {
        let mut text = stanza("apt", 1, "");
        for number in 0..count {
            let next = (number + 1) % count;
            let fields = format!("{more}Pre-Depends: p{next}\n");
            text += &stanza(&format!("p{number}"), 1, &fields);
        }
        text
    };
    let deep = "the chain of dependencies";
    let required: &[&str] = &["--variant=minbase"];
    let mut rows = vec![
        row("versions of one package", steps, versions),
        row("providers of what is needed", steps, providers),
        row("a circle", deep, circle(30_000, "")),
    ];
    for (name, says, text) in [
        ("required rivals", steps, rivals),
        (
            "a circle of required packages",
            deep,
            circle(30_000, "Priority: required\n"),
        ),
        (
            "a circle of essential packages",
            deep,
            circle(30_000, "Essential: yes\n"),
        ),
    ] {
        rows.push(Row {
            options: required,
            ..row(name, says, text)
        });
    }
    rows
}

/// Sizes that only a lie can have are neither wrapped nor believed.
#[test]
fn sizes_beyond_all_disks() {
    let digest = "0".repeat(64);
    let mut text = String::new();
    for name in ["p0", "p1", "p2"] {
        let sizes = "Size: 18446744073709551615\nInstalled-Size: 1152921504606846976\n";
        text += &stanza(
            name,
            1,
            &format!("{sizes}Filename: {name}.deb\nSHA256: {digest}\n"),
        );
    }
    let context = TestContext::bare();
    let name = format!("main/binary-{}/Packages", host_architecture());
    context.archive.publish_text(&suite([]), &name, &text);
    for goal in ["--print-debs", "--simulate"] {
        let options = [goal, "--variant=custom", "--include=p0,p1,p2"];
        context.make(&options).ok();
    }
}

#[test]
#[ignore = "needs time"]
fn indexes_that_cost_too_much() {
    let rows = rows();
    let context = TestContext::bare();
    let name = format!("main/binary-{}/Packages", host_architecture());
    let mut wrong = Vec::new();
    for row in &rows {
        let published = FakeSuite {
            compressions: vec![Compression::Zstd],
            ..suite([])
        };
        context.archive.publish_text(&published, &name, &row.text);
        let mut command = context.command();
        command.arg("--print-debs").args(row.options);
        let outcome = limited(command.arg("fake").arg("root").arg(context.mirror.url()));
        if outcome.code != Some(3) || !outcome.stderr.contains(row.says) {
            wrong.push(format!(
                "{}: {:?}\n{}",
                row.name, outcome.code, outcome.stderr
            ));
        }
        context.assert_nothing_left();
    }
    println!("indexes: {} cases", rows.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
