//! Levels, and how many threads compress: neither changes what is read back.

use super::*;

#[test]
#[ignore = "needs time"]
fn the_number_of_threads_changes_no_byte() {
    // More than one of xz's blocks (24 MiB), more than two of zstd's jobs; the others have no
    // blocks as large. xz takes seconds for every further block.
    let large = sparse(50 << 20);
    for compression in WRITTEN {
        let length = match compression {
            Compression::Xz => 26 << 20,
            Compression::Zstd => large.len(),
            _ => 7 << 20,
        };
        let content = &large[..length];
        let one = encode_in(compression, content, 1, 1 << 20);
        // xz has two blocks here, which 16 threads divide no further than 2.
        let several: &[u32] = match compression {
            Compression::Xz => &[16],
            _ => &[2, 16],
        };
        for threads in several {
            let many = encode_in(compression, content, *threads, 77_777);
            assert!(many == one, "{compression:?} on {threads} threads");
        }
        let back = decoded(compression, &one).unwrap();
        assert!(back == content, "{compression:?}");
    }
}

/// Zeros with some text in every 3 MiB.
fn sparse(length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    for (at, piece) in content.chunks_mut(3 << 20).enumerate() {
        let text = text(10_000 + at);
        piece[..9999].copy_from_slice(&text[at..][..9999]);
    }
    content
}

#[test]
#[ignore = "needs time"]
fn every_level_is_read_and_does_not_depend_on_the_threads() {
    let content = text(3 << 20);
    let rows = [
        (Compression::Gzip, 1, 9),
        (Compression::Xz, 0, 6),
        (Compression::Zstd, 1, 19),
    ];
    let mut levels = 0;
    for (compression, first, last) in rows {
        let mut sizes = Vec::new();
        for level in [first, last] {
            let encoding = Encoding::new(compression, Some(level)).unwrap();
            let packed = [1, 4].map(|threads| {
                let interrupt = Interrupt::default();
                let mut encoder = encoder_until(encoding, Vec::new(), threads, &interrupt).unwrap();
                encoder.write_all(&content).unwrap();
                encoder.finish().unwrap()
            });
            assert!(packed[0] == packed[1], "{encoding}");
            assert!(
                decoded(compression, &packed[0]).unwrap() == content,
                "{encoding}"
            );
            sizes.push(packed[0].len());
            levels += 1;
        }
        assert!(sizes[0] > sizes[1], "{compression:?}: {sizes:?}");
    }
    assert_eq!(levels, 6);
}

#[test]
fn levels_that_a_compression_lacks_are_refused() {
    let rows = [
        (Compression::Gzip, 0, "gz has the levels 1 to 9, not 0"),
        (Compression::Gzip, 10, "gz has the levels 1 to 9, not 10"),
        (Compression::Xz, 10, "xz has the levels 0 to 9, not 10"),
        (Compression::Zstd, 20, "zst has the levels 1 to 19, not 20"),
        (Compression::None, 1, "uncompressed output has no level"),
    ];
    for (compression, level, message) in rows {
        let error = Encoding::new(compression, Some(level)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
