//! Damage of the outer archive: headers, sizes, order, missing and repeated members.

use rbootstrap::testing::Compression;
use rbootstrap::testing::tar::{ar, compress, file, tar};

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};
use super::reference::compare;

/// Where the size in the first header is.
const SIZE: usize = 8 + 48;
/// Where the end mark of the first header is.
const MARK: usize = 8 + 58;

const VERSION: (&str, &[u8]) = ("debian-binary", b"2.0\n");

fn whole(name: &str) -> Vec<u8> {
    accepted(name).build()
}

/// A sound package with these bytes in place of its own.
fn patched(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut deb = whole(name);
    deb[at..at + bytes.len()].copy_from_slice(bytes);
    deb
}

fn files() -> Vec<Case> {
    let bytes = |name: &str, says, bytes: &[u8]| refused(name, says).bytes(bytes.to_vec());
    let not_a_package = "not a Debian package";
    let cut = whole("cut-in-the-last-member");
    vec![
        bytes("of-8-zeros", not_a_package, &[0; 8]),
        bytes("web-page", not_a_package, b"<html>sign in, please</html>"),
        bytes(
            "archive-of-nothing",
            "no member `debian-binary`",
            b"!<arch>\n",
        ),
        bytes("thin-archive", not_a_package, b"!<thin>\n"),
        bytes("tar-archive", not_a_package, &tar(&[file("./a", "x")])),
        bytes(
            "cut-in-a-member-header",
            "at byte 8 is damaged",
            b"!<arch>\ndebian-bin",
        ),
        bytes(
            "cut-in-the-last-member",
            "is damaged",
            &cut[..cut.len() - 9],
        ),
        bytes("old-format-of-nothing", "is damaged", b"0.939000\n"),
        bytes(
            "old-format-with-a-long-member",
            "is damaged",
            b"0.939000\n99999\nxx",
        ),
        bytes(
            "old-format-with-letters",
            "is damaged",
            b"0.939000\nmany\nxx",
        ),
        bytes(
            "old-format-of-junk",
            "control.tar",
            b"0.939000\n4\njunkjunk",
        ),
    ]
}

fn headers() -> Vec<Case> {
    let damaged = "is damaged";
    let mut cases = Vec::new();
    for (name, at, bytes) in [
        ("size-of-letters", SIZE, &b"4x        "[..]),
        ("size-minus-one", SIZE, b"-1        "),
        ("size-of-nothing", SIZE, b"          "),
        ("size-beyond-the-file", SIZE, b"9999999999"),
        ("no-end-mark", MARK, b"xx"),
        ("member-of-no-name-table", 8, b"/12             "),
        ("member-of-a-name-table", 8, b"//              "),
        ("member-with-a-bsd-name", 8, b"#1/4000000000   "),
        ("name-of-no-encoding", 8, b"\xff\xfe"),
    ] {
        let case = refused(name, damaged);
        cases.push(case.bytes(patched(name, at, bytes)));
    }
    for (name, says, text) in [
        ("version-three", "version `3.0`", &b"3.0\n"[..]),
        ("version-without-a-line", "version `2.0`", b"2.0 "),
        ("version-of-junk", "version `", b"\x1b[2J"),
    ] {
        let case = refused(name, says);
        cases.push(case.bytes(patched(name, 8 + 60, text)));
    }
    // dpkg does not look at these.
    for (name, at) in [("time-of-letters", 8 + 16), ("owner-of-letters", 8 + 28)] {
        cases.push(accepted(name).bytes(patched(name, at, b"zzzzz")));
    }
    cases
}

fn members() -> Vec<Case> {
    let control = |name: &str| accepted(name).packed_control();
    let data = compress(Compression::Gzip, &tar(&[]));
    let with = |case: Case, order: &[&str]| {
        let control = control(&case.name);
        let mut members: Vec<(&str, &[u8])> = Vec::new();
        for name in order {
            members.push(match *name {
                "debian-binary" => VERSION,
                name if name.starts_with("control.tar") => (name, &control),
                name if name.starts_with("data.tar") => (name, &data),
                name => (name, b"extra"),
            });
        }
        case.ar(&members)
    };
    let sound = ["debian-binary", "control.tar.gz", "data.tar.gz"];
    let extra: Vec<&str> = [&sound[..1], &["_x"; 70][..], &sound[1..]].concat();
    vec![
        with(
            refused("no-version", "`control.tar.gz` is not the `debian-binary`"),
            &sound[1..],
        ),
        with(
            refused("no-control", "is not the `control.tar`"),
            &[sound[0], sound[2]],
        ),
        with(refused("no-data", "no member `data.tar`"), &sound[..2]),
        with(
            refused("version-second", "is not the `debian-binary`"),
            &[sound[1], sound[0], sound[2]],
        ),
        with(
            refused("data-before-control", "is not the `control.tar`"),
            &[sound[0], sound[2], sound[1]],
        ),
        with(
            refused("control-twice", "is not the `data.tar`"),
            &[sound[0], sound[1], sound[1], sound[2]],
        ),
        with(
            refused("version-twice", "is not the `control.tar`"),
            &[sound[0], sound[0], sound[1], sound[2]],
        ),
        with(
            refused("unknown-member", "`evil` is not the `data.tar`"),
            &[sound[0], sound[1], "evil", sound[2]],
        ),
        with(refused("seventy-reserved-members", "no member"), &extra),
        with(
            refused("reserved-member-first", "is not the `debian-binary`"),
            &["_gpg", sound[0], sound[1], sound[2]],
        ),
        with(
            refused("unknown-compression", "is not the `data.tar`"),
            &[sound[0], sound[1], "data.tar.Z"],
        ),
        with(
            refused("two-compressions", "is not the `data.tar`"),
            &[sound[0], sound[1], "data.tar.gz.gz"],
        ),
        with(
            refused("member-in-a-directory", "is not the `data.tar`"),
            &[sound[0], sound[1], "x/data.tar.gz"],
        ),
        with(
            accepted("reserved-member"),
            &[sound[0], "_gpg", sound[1], "_more", sound[2]],
        ),
        with(
            accepted("member-after-the-data"),
            &[sound[0], sound[1], sound[2], "evil"],
        ),
        with(
            accepted("data-twice"),
            &[sound[0], sound[1], sound[2], sound[2]],
        ),
        accepted("junk-after-the-data").bytes({
            let mut deb = ar(&[
                VERSION,
                ("control.tar.gz", &control("junk-after-the-data")),
                ("data.tar.gz", &data),
            ]);
            deb.extend_from_slice(b"\x1b[2J junk");
            deb
        }),
    ]
}

/// What dpkg takes all the same.
const STRICTER: [(&str, &str); 1] = [("seventy-reserved-members", "64 members are looked at")];

fn all() -> Vec<Case> {
    let mut cases = files();
    cases.extend(headers());
    cases.extend(members());
    cases
}

#[test]
#[ignore = "needs root"]
fn damaged_outer_archives() {
    run("ar", &["--variant=extract"], &Canary::new(), &all());
}

#[test]
#[ignore = "needs root, dpkg"]
fn damaged_outer_archives_to_dpkg() {
    compare("ar", &all(), &STRICTER);
}
