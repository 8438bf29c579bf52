//! tar archives as raw as their headers: what dpkg takes is taken, with the same tree; what it
//! refuses is refused.
//!
//! dpkg reads the data itself and has GNU tar read the control member. The table was made with dpkg
//! 1.22.22 (trixie). dpkg 1.21.22 (bookworm) differs in one row, `an empty long name`, for which it
//! reads memory that is not the name's.

mod rows;

use std::fs;
use std::process::Command;

use rbootstrap::testing::tar::{ar, directory, file, tar};
use rbootstrap::testing::unpacking::World;

use self::rows::{Row, blocks, extensions, names, numbers, sums_and_ends, types, without_end};
use super::{set_up, state};

const CONTROL: &str = "Package: t\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\n\
                       Description: x\n";

/// Rows of data in which rbootstrap differs, and why.
const OTHER_DATA: [(&str, &str); 5] = [
    (
        "a device of letters behind",
        "devices other than every tree's are refused",
    ),
    (
        "a name with two slashes",
        "the list has the path without them",
    ),
    ("a name with dots", "the list has the path without them"),
    ("the top as `/`", "the list has `/.`, as for every package"),
    ("a file twice", "the list has it once"),
];

/// Rows of control members in which rbootstrap differs, and why.
const OTHER_CONTROL: [(&str, &str); 4] = [
    ("pax owner", "the files of the database belong to root"),
    (
        "global pax owner",
        "the files of the database belong to root",
    ),
    ("type S, sparse", "its content would be a map and pieces"),
    (
        "a signed checksum",
        "the name, which is not UTF-8, is decoded",
    ),
];

fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", control),
        ("data.tar", data),
    ])
}

/// Has dpkg unpack the package below a root. Returns its error.
fn dpkg(world: &World, package: &[u8]) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.deb");
    fs::write(&path, package).unwrap();
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--root").arg(world.path(""));
    dpkg.args(["--log=/dev/null", "--force-bad-path", "--force-unsafe-io"]);
    let output = dpkg.arg("--unpack").arg(path).output().unwrap();
    let refused = !output.status.success();
    refused.then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The differences of one package's trees, and of what is refused.
fn compare(name: &str, package: &[u8], is_known: bool) -> Vec<String> {
    let ours = set_up(|_| {});
    let theirs = set_up(|_| {});
    let our_error = ours.unpack_deb("t", package.to_vec()).err();
    let their_error = dpkg(&theirs, package);
    let mut differences = Vec::new();
    match (our_error, their_error) {
        (None, None) => {
            let ours = state(&ours);
            let theirs = state(&theirs);
            let only = |some: &[String], others: &[String], who: &str| -> Vec<String> {
                let lines = some.iter().filter(|line| !others.contains(line));
                lines.map(|line| format!("{name}: {who}: {line}")).collect()
            };
            differences.extend(only(&ours, &theirs, "ours"));
            differences.extend(only(&theirs, &ours, "dpkg"));
        }
        (Some(_), Some(_)) => {}
        (Some(error), None) => differences.push(format!("{name}: only we refuse: {error}")),
        (None, Some(error)) => differences.push(format!("{name}: only dpkg refuses: {error}")),
    }
    match (is_known, differences.is_empty()) {
        (true, false) => Vec::new(),
        (true, true) => vec![format!("{name}: does not differ")],
        (false, _) => differences,
    }
}

/// A table of archives, and the rows in which rbootstrap differs.
struct Table {
    name: &'static str,
    rows: Vec<Row>,
    known: &'static [(&'static str, &'static str)],
}

fn compare_all(table: &Table, package: impl Fn(&[u8]) -> Vec<u8>) {
    let mut differences = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (name, archive) in &table.rows {
        names.push(name);
        let is_known = table.known.iter().any(|(known, _)| known == name);
        differences.extend(compare(name, &package(archive), is_known));
    }
    for (known, _) in table.known {
        assert!(names.contains(known), "no row {known}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table.rows.len(), "two rows have one name");
    let failed = differences.len();
    println!(
        "{}: {} cases, {failed} differences",
        table.name,
        names.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "needs root, dpkg"]
fn data_archives_are_taken_as_by_dpkg() {
    let mut rows = extensions();
    rows.extend(types());
    rows.extend(names());
    rows.extend(numbers());
    rows.extend(sums_and_ends());
    for (_, archive) in &mut rows {
        archive.extend([0; 1024]);
    }
    rows.extend(without_end());
    let control = tar(&[
        directory("./"),
        file("./control", CONTROL),
        file("./md5sums", ""),
    ]);
    let table = Table {
        name: "data archives",
        rows,
        known: &OTHER_DATA,
    };
    compare_all(&table, |data| deb(&control, data));
}

#[test]
#[ignore = "needs root, dpkg"]
fn control_archives_are_taken_as_by_dpkg() {
    let mut rows = extensions();
    rows.extend(types());
    rows.extend(sums_and_ends());
    // dpkg waits for ever for the writer of a pipe. It keeps links among control members as links;
    // here they become files.
    rows.retain(|(name, _)| !name.contains("pipe") && !name.contains("link"));
    let first = blocks(&[
        directory("./"),
        file("./control", CONTROL),
        file("./md5sums", ""),
    ]);
    let data = tar(&[directory("./"), file("./z", "z")]);
    let table = Table {
        name: "control archives",
        rows,
        known: &OTHER_CONTROL,
    };
    compare_all(&table, |rest| {
        deb(&[&first[..], rest, &[0; 1024]].concat(), &data)
    });
}
