//! Compressed members: of another compression, cut, with junk after them, flipped, empty, and with
//! more content than they look.

use rbootstrap::testing::Compression;
use rbootstrap::testing::tar::{compress, ending, file, tar};

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};

const COMPRESSIONS: [Compression; 5] = [
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Xz,
    Compression::Lzma,
    Compression::Zstd,
];

/// More than any package may decode to that says nothing of its size, in MiB.
const LARGE: usize = 192;

/// Bytes that do not compress well.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(length);
    for _ in 0..length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((state >> 24) as u8);
    }
    bytes
}

fn streams() -> Vec<Case> {
    let data = tar(&[file("./a", noise(20_000))]);
    let mut cases = Vec::new();
    for compression in COMPRESSIONS {
        let kind = compression.extension();
        let member = format!("data.tar{}", ending(compression));
        let packed = compress(compression, &data);
        let mut add = |what: &str, content: &[u8]| {
            let name = format!("{kind}-{what}");
            // As for dpkg, which reads these as plain or empty.
            let case = match name.as_str() {
                "gz-of-nothing" | "gz-not-compressed" | "lzma-not-compressed" => accepted(&name),
                _ => refused(&name, "data.tar"),
            };
            cases.push(case.data_member(&member, content));
        };
        add("cut", &packed[..packed.len() - 30]);
        add("cut-in-the-header", &packed[..3]);
        add("of-nothing", b"");
        add("of-text", b"this is no compressed stream at all");
        add("not-compressed", &data);
        let mut flipped = packed.clone();
        flipped[0] ^= 0xff;
        add("flipped", &flipped);
        let other = match compression {
            Compression::Gzip => Compression::Xz,
            _ => Compression::Gzip,
        };
        add("of-another-compression", &compress(other, &data));
    }
    cases
}

/// A window of a gigabyte: the frame's header asks for memory before any data comes.
fn windows() -> Vec<Case> {
    // RFC 8878, 3.1.1: magic, no flags, a window of 2^30 bytes, an empty last block.
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0];
    // The .lzma header: properties, a dictionary of 2^30 bytes, an unknown size.
    let lzma = [&[0x5d, 0, 0, 0, 0x40][..], &[0xff; 8], &[0; 8]].concat();
    vec![
        refused("zstd-window-of-a-gigabyte", "data.tar").data_member("data.tar.zst", &zstd),
        refused("lzma-window-of-a-gigabyte", "data.tar").data_member("data.tar.lzma", &lzma),
    ]
}

fn bombs() -> Vec<Case> {
    let zeros = tar(&[file("./zeros", vec![0; LARGE << 20])]);
    let mut after = tar(&[file("./a", "x")]);
    after.resize(LARGE << 20, 0);
    let promise = "far more than its Installed-Size";
    let mut cases = Vec::new();
    for compression in COMPRESSIONS {
        let member = format!("data.tar{}", ending(compression));
        let packed = compress(compression, &zeros);
        for (what, fields) in [("silent", ""), ("lying", "Installed-Size: 1\n")] {
            let name = format!("{}-bomb-{what}", compression.extension());
            cases.push(
                refused(&name, promise)
                    .fields(fields)
                    .data_member(&member, &packed),
            );
        }
    }
    let packed = compress(Compression::Zstd, &after);
    cases.push(refused("bomb-after-the-end", promise).data_member("data.tar.zst", &packed));
    let packed = compress(Compression::Zstd, &zeros);
    let honest = accepted("honest-about-its-size").fields("Installed-Size: 196608\n");
    cases.push(honest.data_member("data.tar.zst", &packed));
    cases
}

#[test]
#[ignore = "needs root"]
fn streams_that_are_not_what_they_say() {
    let canary = Canary::new();
    let mut cases = streams();
    cases.extend(windows());
    cases.extend(bombs());
    run("compression", &["--variant=extract"], &canary, &cases);
}
