//! tar archives as raw as their headers, for the comparison with dpkg: extensions, types, names,
//! numbers, checksums and ends.

use rbootstrap::testing::TarEntry;
use rbootstrap::testing::tar::{directory, entry, file, hard_link, symlink, tar};

/// A name, and the blocks of an archive without its end.
pub(super) type Row = (&'static str, Vec<u8>);

/// Where fields are in a header.
const NAME: usize = 0;
const MODE: usize = 100;
const UID: usize = 108;
const GID: usize = 116;
const SIZE: usize = 124;
const TIME: usize = 136;
const SUM: usize = 148;
const MAGIC: usize = 257;
const USER: usize = 265;
const DEVICE: usize = 329;
const PREFIX: usize = 345;

/// The blocks of entries.
pub(super) fn blocks(entries: &[TarEntry]) -> Vec<u8> {
    let mut bytes = tar(entries);
    bytes.truncate(bytes.len() - 1024);
    bytes
}

fn a() -> TarEntry {
    file("./a", "content\n")
}

/// A file whose header has these bytes at a place, and the right checksum.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    patch(&a(), &[(at, bytes)])
}

fn patch(entry: &TarEntry, changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut blocks = blocks(std::slice::from_ref(entry));
    for (at, bytes) in changes {
        blocks[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    blocks[SUM..SUM + 8].fill(b' ');
    let sum: u32 = blocks[..512].iter().map(|byte| u32::from(*byte)).sum();
    blocks[SUM..SUM + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    blocks
}

/// An extra header before a file.
fn extended(flag: u8, content: &str) -> Vec<u8> {
    let extra = TarEntry {
        content: content.into(),
        ..entry("extra", flag, 0o644)
    };
    blocks(&[extra, a()])
}

/// A record of a pax header.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}")
}

/// Headers that extend others.
pub(super) fn extensions() -> Vec<Row> {
    let pax = |key, value| extended(b'x', &record(key, value));
    let pair = |first, second| [extended(b'L', first), extended(b'L', second)].concat();
    let link = symlink("./l", "z");
    let mut cases = vec![
        ("pax path", pax("path", "./b")),
        ("pax size", pax("size", "8")),
        ("pax time", pax("mtime", "1500000000.5")),
        ("pax owner", pax("uid", "7")),
        ("pax attribute", pax("SCHILY.xattr.user.x", "y")),
        ("pax comment", pax("comment", "x")),
        ("pax of nothing", extended(b'x', "")),
        (
            "global pax comment",
            extended(b'g', &record("comment", "x")),
        ),
        ("global pax owner", extended(b'g', &record("uid", "7"))),
        ("a long name", extended(b'L', "./long\0")),
        ("a long name without NUL", extended(b'L', "./long")),
        ("a long name with NUL", extended(b'L', "./lo\0ng")),
        ("a long name of NUL", extended(b'L', "\0")),
        ("two long names", pair("./first\0", "./second\0")),
        ("a long name of a directory", extended(b'L', "./d/\0")),
        ("a long target before a file", extended(b'K', "target\0")),
    ];
    let mut targets = extended(b'K', "first\0");
    targets.truncate(1024);
    targets.extend(extended(b'K', "second\0"));
    targets.truncate(2048);
    targets.extend(blocks(&[link]));
    cases.push(("two long targets", targets));
    let mut last = blocks(&[a()]);
    last.extend(&extended(b'L', "./long\0")[..1024]);
    cases.push(("a long name at the end", last));
    cases
}

/// Types of entries, and entries that say one thing and are another.
pub(super) fn types() -> Vec<Row> {
    let of = |flag| blocks(&[entry("./t", flag, 0o644), a()]);
    let sized = |mut item: TarEntry| {
        item.declared_size = Some(8);
        blocks(&[a(), item, file("./b", "x")])
    };
    let filled = |mut item: TarEntry| {
        item.content = b"content\n".to_vec();
        blocks(&[a(), item, file("./b", "x")])
    };
    let second = |item| blocks(&[a(), item]);
    vec![
        ("type NUL", of(0)),
        ("type 7, contiguous", of(b'7')),
        ("type 8", of(b'8')),
        ("type A, of Solaris", of(b'A')),
        (
            "type D, old directory",
            blocks(&[entry("./t/", b'D', 0o755)]),
        ),
        ("type I", of(b'I')),
        ("type M, multi-volume", of(b'M')),
        ("type N", of(b'N')),
        ("type S, sparse", of(b'S')),
        ("type V, volume label", of(b'V')),
        ("type X, of Solaris", of(b'X')),
        ("type Z", of(b'Z')),
        ("a file with a slash", blocks(&[file("./t/", "x")])),
        (
            "a file of type NUL with a slash",
            blocks(&[entry("./t/", 0, 0o755)]),
        ),
        (
            "below a file with a slash",
            blocks(&[entry("./t/", b'0', 0o755), file("./t/a", "")]),
        ),
        (
            "a directory without a slash",
            blocks(&[directory("./t"), file("./t/a", "")]),
        ),
        (
            "a directory of mode 0",
            blocks(&[directory("./t/").mode(0)]),
        ),
        ("a directory with a size", sized(directory("./t/"))),
        ("a directory with content", filled(directory("./t/"))),
        ("a symlink with a size", sized(symlink("./l", "a"))),
        ("a symlink with content", filled(symlink("./l", "a"))),
        ("a symlink with a slash", second(symlink("./l/", "a"))),
        ("a symlink to nothing", second(symlink("./l", ""))),
        ("a pipe with a size", sized(entry("./p", b'6', 0o644))),
        ("a pipe with a slash", second(entry("./p/", b'6', 0o644))),
        ("a hard link", second(hard_link("./l", "./a"))),
        ("a hard link with a size", sized(hard_link("./l", "./a"))),
        ("a hard link with content", filled(hard_link("./l", "./a"))),
        ("a hard link with a slash", second(hard_link("./l/", "./a"))),
        (
            "a hard link to what follows",
            blocks(&[hard_link("./l", "./a"), a()]),
        ),
        (
            "a hard link to nothing",
            second(hard_link("./l", "./missing")),
        ),
        ("a hard link without a target", second(hard_link("./l", ""))),
        (
            "a hard link to an absolute name",
            second(hard_link("./l", "/a")),
        ),
        ("a hard link to a plain name", second(hard_link("./l", "a"))),
        (
            "a hard link to a directory",
            blocks(&[directory("./d/"), hard_link("./l", "./d")]),
        ),
        (
            "a hard link to a symlink",
            blocks(&[symlink("./s", "a"), hard_link("./l", "./s")]),
        ),
    ]
}

/// Names, magics and owners.
pub(super) fn names() -> Vec<Row> {
    let named = |name: &str| blocks(&[directory("./usr/"), file(name, "x")]);
    let prefixed = |magic: &[u8]| {
        let last = patch(&file("a", "x"), &[(MAGIC, magic), (PREFIX, b"./usr")]);
        [blocks(&[directory("./usr/")]), last].concat()
    };
    let owned = |magic: &[u8]| patch(&a().owner("games", "mail"), &[(MAGIC, magic)]);
    vec![
        ("a plain name", named("a")),
        ("an absolute name", named("/a")),
        ("a name with two slashes", named("./usr//b")),
        ("a name with dots", named("././usr/./b")),
        ("a name with a newline", named("./a\nb")),
        (
            "a name of 100 bytes",
            named(&format!("./{}", "n".repeat(98))),
        ),
        (
            "a name of 300 bytes",
            named(&format!("./{}", "n".repeat(300))),
        ),
        ("a name with NUL", patched(NAME, b"./a\0b")),
        ("a name that is not UTF-8", patched(NAME, b"./\xe9")),
        ("no name", patched(NAME, &[0; 8])),
        ("a directory without a name", patch(&directory(""), &[])),
        ("the top as `.`", blocks(&[directory("."), a()])),
        ("the top as `/`", blocks(&[directory("/"), a()])),
        ("the top as a file", named("./.")),
        ("a prefix of ustar", prefixed(b"ustar\x0000")),
        (
            "a prefix of ustar without a version",
            prefixed(b"ustar\0\0\0"),
        ),
        ("a prefix of GNU", prefixed(b"ustar  \0")),
        ("a prefix of v7", prefixed(&[0; 8])),
        ("owners of v7", owned(&[0; 8])),
        ("owners of another magic", owned(b"foobar\0\0")),
        ("an owner of 32 bytes", patched(USER, &[b'u'; 32])),
        (
            "an owner who is unknown",
            blocks(&[a().owner("nobody-here", "none")]),
        ),
        ("a file twice", blocks(&[a(), file("./a", "other\n")])),
    ]
}

/// Numbers in headers.
pub(super) fn numbers() -> Vec<Row> {
    let uid = |bytes: &[u8]| patch(&a(), &[(UID, bytes), (USER, b"\0\0\0\0")]);
    let device = |bytes: &[u8]| {
        let null = TarEntry {
            device: (1, 3),
            ..entry("./n", b'3', 0o666)
        };
        patch(&null, &[(DEVICE, bytes)])
    };
    let empty = |bytes: &[u8]| patch(&file("./a", ""), &[(SIZE, bytes)]);
    vec![
        (
            "a size in base 256",
            patched(SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x08"),
        ),
        (
            "a size in base 64",
            patched(SIZE, b"\xc0\0\0\0\0\0\0\0\0\0\0\x08"),
        ),
        ("a size below zero", patched(SIZE, &[0xff; 12])),
        ("a size with spaces", patched(SIZE, b"        10 \0")),
        ("a size without an end", patched(SIZE, b"000000000010")),
        (
            "a size with junk behind",
            patched(SIZE, b"10 junk\0\0\0\0\0"),
        ),
        ("a size with an 8", patched(SIZE, b"00000000008\0")),
        ("a size of NULs", empty(&[0; 12])),
        ("a size of spaces", empty(&[b' '; 12])),
        (
            "a time in base 256",
            patched(TIME, b"\x80\0\0\0\0\0\0\0\x5f\x5e\x10\0"),
        ),
        ("a time below zero", patched(TIME, &[0xff; 12])),
        ("a time beyond 64 bits", patched(TIME, &[0xbf; 12])),
        ("a time of 12 digits", patched(TIME, b"014000000000")),
        ("a time of NULs", patched(TIME, &[0; 12])),
        ("a time of spaces", patched(TIME, &[b' '; 12])),
        ("a time with a sign", patched(TIME, b"-0000000001\0")),
        ("a mode of letters", patched(MODE, b"000rwx7\0")),
        ("a mode with an 8", patched(MODE, b"0000689\0")),
        ("a mode with junk behind", patched(MODE, b"644 junk")),
        ("a mode with a tab", patched(MODE, b"\t00644\0\0")),
        ("a mode with spaces", patched(MODE, b"    644\0")),
        ("a mode of NULs", patched(MODE, &[0; 8])),
        ("a mode with a type", patched(MODE, b"0100644\0")),
        ("a mode of all bits", patched(MODE, b"7777777\0")),
        (
            "a mode in base 256",
            patched(MODE, b"\x80\0\0\0\0\0\x01\xa4"),
        ),
        ("an owner in base 256", uid(b"\x80\0\0\0\0\x01\x11\x70")),
        ("an owner of 2^31", uid(b"\x80\0\0\0\x80\0\0\0")),
        ("an owner of 2^32-1", uid(b"\x80\0\0\0\xff\xff\xff\xff")),
        ("an owner of 2^32", uid(b"\x80\0\0\x01\0\0\0\0")),
        ("an owner below zero", uid(&[0xff; 8])),
        ("an owner of NULs", uid(&[0; 8])),
        ("an owner of letters", patched(UID, b"0000root")),
        ("a group of letters", patched(GID, b"0000root")),
        ("a device of letters behind", device(b"0000001\x000000003z")),
        ("a device number on a file", patched(DEVICE, b"zzzzzzzz")),
    ]
}

/// Checksums, and ends of archives.
pub(super) fn sums_and_ends() -> Vec<Row> {
    let sum = |text: &dyn Fn(u32) -> Vec<u8>, name: &[u8]| {
        let mut blocks = patched(NAME, name);
        blocks[SUM..SUM + 8].fill(b' ');
        let sum: u32 = blocks[..512].iter().map(|byte| u32::from(*byte)).sum();
        blocks[SUM..SUM + 8].copy_from_slice(&text(sum));
        blocks
    };
    let plain = b"./a\0";
    let then = |rest: &[u8]| [&blocks(&[a()])[..], rest].concat();
    let mut almost_zero = vec![0; 512];
    almost_zero[511] = b'x';
    vec![
        (
            "a signed checksum",
            sum(&|sum| format!("{:06o}\0 ", sum - 256).into(), b"./\xe9\0"),
        ),
        (
            "a checksum of 8 digits",
            sum(&|sum| format!("{sum:08o}").into(), plain),
        ),
        (
            "a checksum after spaces",
            sum(&|sum| format!("{sum:7o}\0").into(), plain),
        ),
        (
            "a checksum with junk behind",
            sum(&|sum| format!("{sum:06o} x").into(), plain),
        ),
        ("a checksum of NULs", sum(&|_| vec![0; 8], plain)),
        ("a wrong checksum", sum(&|_| b"000001\0 ".to_vec(), plain)),
        (
            "one end block, then an entry",
            then(&[&[0; 512][..], &patched(NAME, b"./b\0")].concat()),
        ),
        (
            "the end, then an entry",
            then(&[&[0; 1024][..], &patched(NAME, b"./b\0")].concat()),
        ),
        (
            "the end, then junk",
            then(&[&[0; 1024][..], &b"junk".repeat(200)].concat()),
        ),
        ("a block of almost zeros", then(&almost_zero)),
        ("junk for a header", then(&b"no archive ".repeat(100))),
    ]
}

/// The same archives without an end, and with half an end.
pub(super) fn without_end() -> Vec<Row> {
    let whole = blocks(&[a(), file("./b", "x".repeat(600))]);
    let cut = |at: usize| whole[..at].to_vec();
    vec![
        ("nothing", Vec::new()),
        ("no end", cut(whole.len())),
        ("one end block", [&whole[..], &[0; 512]].concat()),
        ("half a header of zeros", [&whole[..], &[0; 100]].concat()),
        ("half a header", cut(1024 + 300)),
        ("half a content", cut(1024 + 512 + 300)),
        ("no padding", cut(1024 + 512 + 600)),
        ("half the padding", cut(1024 + 512 + 1000)),
    ]
}
