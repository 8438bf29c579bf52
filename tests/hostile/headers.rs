//! Damaged and lying tar headers: checksums, sizes, long names, pax records, truncation.

use rbootstrap::testing::TarEntry;
use rbootstrap::testing::tar::{directory, entry, file, hard_link, symlink, tar};

use super::case::{Case, accepted, control, refused};
use super::harness::{Canary, run};
use super::reference::compare;

/// Where the fields of a header are.
const SIZE: usize = 124;
const CHECKSUM: usize = 148;

/// An archive of one file whose header has these bytes at a place, and the right checksum.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar(&[file("./a", "content\n")]);
    archive[at..at + bytes.len()].copy_from_slice(bytes);
    archive[CHECKSUM..CHECKSUM + 8].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[CHECKSUM..CHECKSUM + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

/// An archive of one file after an extra header of this type.
fn extended(flag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    extending(flag, content, file("./a", "content\n"))
}

fn extending(flag: u8, content: impl AsRef<[u8]>, last: TarEntry) -> Vec<u8> {
    let extra = TarEntry {
        content: content.as_ref().to_vec(),
        ..entry("extra", flag, 0o644)
    };
    tar(&[extra, last])
}

/// A pax record.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}")
}

fn sizes() -> Vec<Case> {
    let declared = |size| TarEntry {
        declared_size: Some(size),
        ..file("./a", "content\n")
    };
    let two = |size| tar(&[declared(size), file("./b", "x".repeat(600))]);
    let mut wrong_sum = tar(&[file("./a", "x")]);
    wrong_sum[0] ^= 1;
    vec![
        refused("wrong-checksum", "is damaged").data(wrong_sum),
        refused("checksum-of-letters", "no valid check sum").data({
            let mut archive = tar(&[file("./a", "x")]);
            archive[CHECKSUM..CHECKSUM + 6].copy_from_slice(b"123abc");
            archive
        }),
        refused("size-of-letters", "no valid size").data(patched(SIZE, b"0000000001z\0")),
        refused("size-minus-one", "no valid size").data(patched(SIZE, &[0xff; 12])),
        refused("size-beyond-64-bits", "no valid size").data(patched(SIZE, &[0xbf; 12])),
        refused("size-of-8-gigabytes", "ends within an entry").data(two((1 << 33) - 1)),
        refused("size-of-63-bits", "ends within an entry").data(two((1 << 63) - 1)),
        refused("size-over-the-next-header", "ends within an entry").data(two(4000)),
        refused("size-before-the-content", "is damaged").data(two(0)),
        accepted("mode-of-letters").data(patched(100, b"000rwx7\0")),
        refused("owner-of-letters", "no valid owner").data(patched(108, b"0000root")),
        refused("time-of-letters", "no valid time").data(patched(136, b"00000today0\0")),
        refused("time-beyond-64-bits", "no valid time").data(patched(136, &[0xbf; 12])),
        accepted("time-before-the-epoch").data(patched(136, &[0xff; 12])),
        accepted("size-with-spaces").data(patched(SIZE, b"        10 \0")),
        accepted("size-in-base-256").data(patched(SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x08")),
    ]
}

fn truncated() -> Vec<Case> {
    let whole = tar(&[directory("./usr/"), file("./usr/a", "x".repeat(3000))]);
    let cut = |at: usize| whole[..at].to_vec();
    let mut after_the_end = whole.clone();
    after_the_end.extend_from_slice(&tar(&[file("../escaped", "x")]));
    vec![
        refused("cut-in-the-first-header", "ends within an entry").data(cut(300)),
        refused("cut-in-a-header", "ends within an entry").data(cut(512 + 300)),
        refused("cut-in-the-content", "ends within an entry").data(cut(1024 + 1000)),
        refused("cut-in-the-padding", "ends within an entry").data(cut(1024 + 3000)),
        accepted("cut-after-a-long-name").data(tar(&[file("x".repeat(200), "")])[..1024].to_vec()),
        accepted("without-end-blocks").data(cut(1024 + 3072)),
        accepted("with-one-end-block").data(cut(1024 + 3072 + 512)),
        accepted("an-entry-after-the-end").data(after_the_end),
        accepted("nothing-at-all").data(Vec::new()),
        refused("text-for-an-archive", "no valid check sum").data(b"no archive ".repeat(100)),
    ]
}

fn long_names() -> Vec<Case> {
    let outside = "is not a path inside the tree";
    let lying = TarEntry {
        declared_size: Some(1 << 40),
        ..entry("././@LongLink", b'L', 0o644)
    };
    vec![
        refused("long-name-up", outside).data(extended(b'L', "./../escaped\0")),
        refused("long-name-of-a-megabyte", "a longer name")
            .data(extended(b'L', "n".repeat(1 << 20))),
        refused("long-name-of-a-terabyte", "a longer name").data(tar(&[lying])),
        accepted("long-name-without-an-entry").data(tar(&[entry("././@LongLink", b'L', 0o644)])),
        refused("long-target-up", outside).data(extending(
            b'K',
            "../escaped",
            hard_link("./b", "x"),
        )),
        accepted("two-long-names").data(tar(&[
            TarEntry {
                content: b"./first".into(),
                ..entry("x", b'L', 0o644)
            },
            TarEntry {
                content: b"./second".into(),
                ..entry("x", b'L', 0o644)
            },
            file("./a", "x"),
        ])),
        accepted("long-target").data(extending(b'K', "t".repeat(4000), symlink("./b", "x"))),
    ]
}

/// pax headers among the control members, which GNU tar reads; dpkg refuses them among the data.
fn pax() -> Vec<Case> {
    let bad = "no valid pax record";
    let member = |case: Case, flag, content: &str, last| {
        let extra = TarEntry {
            content: content.into(),
            ..entry("extra", flag, 0o644)
        };
        let text = control(&case.name);
        case.control_entries(&[file("./control", text), extra, last])
    };
    let text = |case, content: &str| member(case, b'x', content, file("./a", "content\n"));
    let one = |case, key, value| text(case, &record(key, value));
    let all = |case, key, value| member(case, b'g', &record(key, value), file("./a", "content\n"));
    let outside = hard_link("./b", "x");
    let many = record("comment", "x").repeat(200_000);
    let no_file = "is not a file";
    let limit = "more or larger control members";
    vec![
        refused("pax-data", "(a pax header)").data(extended(b'x', record("path", "./b"))),
        refused("pax-data-for-all", "(a pax header for all entries)")
            .data(extended(b'g', record("comment", "x"))),
        one(refused("pax-path-up", no_file), "path", "../escaped"),
        one(refused("pax-path-of-nothing", no_file), "path", ""),
        member(
            refused("pax-target-up", no_file),
            b'x',
            &record("linkpath", "../escaped"),
            outside,
        ),
        text(refused("pax-length-too-large", bad), "99 path=x\n"),
        text(refused("pax-length-too-small", bad), "5 path=x\n"),
        text(refused("pax-length-zero", bad), "0 path=x\n"),
        text(refused("pax-length-of-letters", bad), "ten path=x\n"),
        text(
            refused("pax-length-beyond-64-bits", bad),
            "99999999999999999999999 path=x\n",
        ),
        text(refused("pax-without-a-value", bad), "8 path\n\n"),
        text(refused("pax-without-a-newline", bad), "9 path=xx"),
        one(refused("pax-size-minus-one", bad), "size", "-1"),
        one(refused("pax-size-of-letters", bad), "size", "many"),
        one(
            refused("pax-size-of-an-exabyte", limit),
            "size",
            "1152921504606846976",
        ),
        one(refused("pax-time-of-letters", bad), "mtime", "noon"),
        text(
            refused("pax-of-two-megabytes", "a longer name or attribute"),
            &many,
        ),
        one(
            refused("pax-sparse-file", "a GNU sparse file"),
            "GNU.sparse.major",
            "1",
        ),
        all(
            refused("pax-path-for-all", "no valid global pax record"),
            "path",
            "./b",
        ),
        all(
            refused("pax-size-for-all", "no valid global pax record"),
            "size",
            "8",
        ),
        all(accepted("pax-owner-for-all"), "uid", "7"),
        one(
            accepted("pax-unknown-key"),
            "SCHILY.xattr.security.capability",
            "x",
        ),
        one(accepted("pax-time-with-decimals"), "mtime", "-1.5"),
    ]
}

/// Where dpkg decides otherwise.
const DIFFERENT: [(&str, &str); 5] = [
    ("long-name-up", "dpkg unpacks beside its root"),
    ("pax-path-for-all", "the last member has the name"),
    ("pax-size-for-all", "the last member has the size"),
    ("pax-of-two-megabytes", "GNU tar has no limit"),
    ("pax-sparse-file", "GNU tar reads sparse files"),
];

fn all() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(truncated());
    cases.extend(long_names());
    cases.extend(pax());
    cases
}

#[test]
#[ignore = "needs root"]
fn headers_that_lie() {
    run("headers", &["--variant=extract"], &Canary::new(), &all());
}

#[test]
#[ignore = "needs root, dpkg"]
fn headers_that_lie_to_dpkg() {
    compare("headers", &all(), &DIFFERENT);
}
