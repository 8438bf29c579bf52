//! The tar archives inside: kinds of entries, names, numbers, and what is hostile.

use super::*;
use crate::testing::tar::{TarEntry, tar};

#[test]
fn every_kind_of_entry() {
    let lines = listing(
        Dialect::Dpkg,
        tar(&[
            directory("./"),
            file("./bin/su", "12345")
                .mode(0o4755)
                .owner("root", "shadow"),
            symlink("./bin/sh", "dash"),
            hard_link("./bin/x", "./bin/su"),
            TarEntry {
                device: (1, 3),
                ..entry("./dev/null", b'3', 0o666)
            },
            entry("./dev/pipe", b'6', 0o600),
            entry("./tmp/", b'5', 0o1777),
        ]),
    );
    let expected = [
        "Directory ./ 755 root:root 0 ",
        "File ./bin/su 4755 root:shadow 5 ",
        "Symlink ./bin/sh 777 root:root 0 dash",
        "HardLink ./bin/x 644 root:root 0 ./bin/su",
        "Character ./dev/null 666 root:root 0 ",
        "Fifo ./dev/pipe 600 root:root 0 ",
        "Directory ./tmp/ 1777 root:root 0 ",
    ];
    assert_eq!(lines.unwrap(), expected);
}

#[test]
fn an_interrupt_ends_reading() {
    let interrupt = Interrupt::default();
    let bytes = tar(&[file("./a", vec![0; 1 << 20])]);
    let mut archive = Archive::new(
        &bytes[..],
        Dialect::Dpkg,
        DebLimits::new(0, 0, interrupt.clone()),
    );
    archive.next_entry().unwrap();
    interrupt.raise(2);
    assert!(matches!(archive.next_entry(), Err(TarError::Interrupted)));
}

/// A pax record, which begins with its own length.
fn record(text: &str) -> Vec<u8> {
    let length = (1..)
        .map(|digits| digits + 2 + text.len())
        .find(|n| n.to_string().len() + 2 + text.len() == *n);
    format!("{} {text}\n", length.unwrap()).into_bytes()
}

#[test]
fn long_and_strange_names() {
    let long = format!("./{}/x", "d".repeat(300));
    let pax = |records: &[&str]| TarEntry {
        content: records.iter().flat_map(|r| record(r)).collect(),
        ..entry("pax", b'x', 0o644)
    };
    let lines = listing(
        Dialect::GnuTar,
        tar(&[
            file(&long, "1"),
            symlink("./l", &long),
            TarEntry {
                path: b"./\xe9t\xe9".to_vec(),
                ..file("", "2")
            },
            pax(&[
                "path=./long",
                "linkpath=../some",
                "uname=x",
                "mtime=1234.56789",
                "SCHILY.dev=12",
            ]),
            symlink("./short", "x"),
            TarEntry {
                flag: b'g',
                ..pax(&["mtime=7"])
            },
            file("./after", ""),
        ]),
    );
    let lines = lines.unwrap();
    assert_eq!(
        lines[..2],
        [
            format!("File {long} 644 root:root 1 "),
            format!("Symlink ./l 777 root:root 0 {long}")
        ]
    );
    assert_eq!(lines[2], "File ./\\xe9t\\xe9 644 root:root 1 ");
    assert_eq!(
        lines[3..],
        [
            "Symlink ./long 777 root:root 0 ../some",
            "File ./after 644 root:root 0 "
        ]
    );
}

#[test]
fn numbers_in_base_256_and_v7_headers() {
    let mut archive = tar(&[file("./a/", "")]);
    archive[257..345].fill(0);
    // A uid of 0x01020304, where octal has room for 2097151.
    archive[108..116].copy_from_slice(&[0x80, 0, 0, 0, 1, 2, 3, 4]);
    archive[148..156].copy_from_slice(b"        ");
    let sum: u32 = archive[..512].iter().map(|&b| u32::from(b)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let entry = Archive::new(&archive[..], Dialect::Dpkg, limits())
        .next_entry()
        .unwrap()
        .unwrap();
    assert_eq!(
        (entry.kind, entry.uid, &*entry.user),
        (Kind::File, 0x0102_0304, "")
    );
}

#[test]
fn hostile_archives_are_errors() {
    let sized = |size| TarEntry {
        declared_size: Some(size),
        ..file("./x", "1")
    };
    let long = |flag, size| TarEntry {
        declared_size: Some(size),
        flag,
        ..file("./x", "1")
    };
    let mut damaged = tar(&[file("./x", "1")]);
    damaged[0] = b'/';
    let cut = |length: usize| tar(&[file("./x", "1".repeat(600))])[..length].to_vec();
    for (what, archive, expected) in [
        (
            "content longer than the archive",
            tar(&[sized(1 << 32)]),
            "the archive ends within an entry",
        ),
        (
            "a length near the end of numbers",
            tar(&[sized((1 << 33) - 1)]),
            "the archive ends within an entry",
        ),
        (
            "an endless name",
            tar(&[long(b'L', 1 << 30)]),
            "it has a longer name or attribute than 65536",
        ),
        (
            "an endless attribute",
            tar(&[long(b'x', 1 << 30)]),
            "it has a longer name or attribute than 1048576",
        ),
        (
            "an attribute that lies about its length",
            tar(&[TarEntry {
                flag: b'x',
                ..file("./x", "8 path=x\n")
            }]),
            "the header at byte 0 has no valid pax record",
        ),
        (
            "an unknown type",
            tar(&[long(b'S', 0)]),
            "the entry at byte 0 is of the type `S` (a GNU sparse file), which cannot be unpacked",
        ),
        (
            "a damaged header",
            damaged,
            "the header at byte 0 is damaged",
        ),
        (
            "half a header",
            cut(300),
            "the archive ends within an entry",
        ),
        (
            "half a content",
            cut(700),
            "the archive ends within an entry",
        ),
        (
            "no padding",
            cut(512 + 600),
            "the archive ends within an entry",
        ),
    ] {
        assert_eq!(
            listing(Dialect::GnuTar, archive).unwrap_err().to_string(),
            expected,
            "{what}"
        );
    }
    // The end of the stream at the end of an entry is an end too, as it is for dpkg.
    assert_eq!(listing(Dialect::Dpkg, cut(1536)).unwrap().len(), 1);
}
