//! Streams that are whole, joined, cut, followed by other bytes, or ask for too much memory.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write their own input, with every writer of the standard library"
)]

mod levels;

use super::*;

const READ: [Compression; 5] = [
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Xz,
    Compression::Lzma,
    Compression::Zstd,
];
const WRITTEN: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

/// Text that is neither random nor all the same, `length` bytes of it.
fn text(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    for at in 0_u32.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend_from_slice(
            format!(
                "usr/share/doc/{}/copyright\n",
                at.wrapping_mul(2_654_435_761) >> 12
            )
            .as_bytes(),
        );
    }
    bytes.truncate(length);
    bytes
}

/// One stream, made by the libraries that we do not write with where we do not write.
fn encoded(compression: Compression, content: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Lzma => {
            let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        _ => encode_in(compression, content, 2, content.len().max(1)),
    }
}

fn encode_in(compression: Compression, content: &[u8], threads: u32, pieces: usize) -> Vec<u8> {
    let mut encoder = encoder(compression, Vec::new(), threads).unwrap();
    content
        .chunks(pieces)
        .for_each(|piece| encoder.write_all(piece).unwrap());
    encoder.finish().unwrap()
}

fn decoded(compression: Compression, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    decoder(compression, input, Integrity::Unknown)?.read_to_end(&mut content)?;
    Ok(content)
}

#[test]
#[ignore = "needs time"]
fn what_is_written_is_read() {
    for length in [
        0,
        1,
        5000,
        gzip::BLOCK - 1,
        gzip::BLOCK,
        gzip::BLOCK + 1,
        3 * gzip::BLOCK,
    ] {
        let content = [text(5000.min(length)), vec![0; length.saturating_sub(5000)]].concat();
        for compression in READ {
            assert!(
                decoded(compression, &encoded(compression, &content)).unwrap() == content,
                "{compression:?} of {length}"
            );
        }
        assert!(decoded(Compression::None, &content).unwrap() == content);
    }
}

#[test]
#[ignore = "needs time"]
fn bytes_that_do_not_compress_are_kept() {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(2 * gzip::BLOCK + 7).collect();
    for compression in WRITTEN {
        assert!(
            decoded(compression, &encoded(compression, &noise)).unwrap() == noise,
            "{compression:?}"
        );
    }
}

#[test]
#[ignore = "needs time"]
fn the_system_tools_read_it() {
    let content = text(gzip::BLOCK + 99);
    for (compression, tool) in [
        (Compression::Gzip, "gzip"),
        (Compression::Xz, "xz"),
        (Compression::Zstd, "zstd"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("stream");
        std::fs::write(&file, encoded(compression, &content)).unwrap();
        let input = std::fs::File::open(file).unwrap();
        if let Ok(output) = std::process::Command::new(tool)
            .arg("-dc")
            .stdin(input)
            .output()
        {
            assert!(
                output.status.success() && output.stdout == content && output.stderr.is_empty(),
                "{tool}"
            );
        }
    }
}

/// The formats whose further streams apt reads. Of the others it reads the first stream only.
const READ_ON: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

#[test]
fn streams_that_follow_are_read_as_by_apt() {
    for compression in READ {
        let three = [&b"one "[..], b"", b"two"]
            .map(|content| encoded(compression, content))
            .concat();
        let expected: &[u8] = if READ_ON.contains(&compression) {
            b"one two"
        } else {
            b"one "
        };
        let content = decoded(compression, &three).unwrap();
        assert_eq!(content, expected, "{compression:?}");
    }
    // gzip as it was written before, in members of a single deflate stream.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    member.write_all(b"three").unwrap();
    let both = [
        encoded(Compression::Gzip, b"one "),
        member.finish().unwrap(),
    ]
    .concat();
    assert_eq!(decoded(Compression::Gzip, &both).unwrap(), b"one three");
}

#[test]
fn a_truncated_stream_is_an_error() {
    let content = text(4000);
    for compression in READ {
        let whole = encoded(compression, &content);
        let twice = [&whole[..], &whole[..]].concat();
        for cut in (0..whole.len())
            .step_by(7)
            .chain(whole.len().saturating_sub(16)..whole.len())
        {
            let outcome = decoded(compression, &whole[..cut]);
            // gzip's magic is what tells it from a file that is not compressed.
            let is_plain = compression == Compression::Gzip && cut < 2;
            assert!(
                outcome.is_err() || cut == 0 || is_plain,
                "{compression:?} cut at {cut} of {}",
                whole.len()
            );
            if cut > 1 && READ_ON.contains(&compression) {
                let outcome = decoded(compression, &twice[..whole.len() + cut]);
                // Like zlib, of gzip, it takes no notice of a start that gives nothing.
                let is_ignored = compression == Compression::Gzip
                    && outcome.as_ref().is_ok_and(|text| *text == content);
                assert!(
                    outcome.is_err() || is_ignored,
                    "the second {compression:?} cut at {cut}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_no_stream() {
    for compression in READ {
        let nothing = decoded(compression, b"").map_err(|e| e.kind());
        match compression {
            Compression::Gzip => assert_eq!(nothing, Ok(Vec::new())),
            _ => assert_eq!(
                nothing,
                Err(io::ErrorKind::UnexpectedEof),
                "{compression:?}"
            ),
        }
    }
    assert!(decoded(Compression::None, b"").unwrap().is_empty());
}

#[test]
fn other_bytes_that_follow_are_ignored_as_by_apt() {
    for compression in READ {
        for junk in [
            &b"x"[..],
            b"\0",
            b"\0\0\0\0\0",
            b"junk that is longer than any header would be",
        ] {
            let stream = [&encoded(compression, b"content")[..], junk].concat();
            let content = decoded(compression, &stream).ok();
            let expected = match compression {
                Compression::Zstd => None,
                _ => Some(b"content".to_vec()),
            };
            assert_eq!(content, expected, "{compression:?} with {junk:?}");
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error() {
    let content = text(3000);
    // The old lzma format has no check.
    for compression in [
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Zstd,
    ] {
        let whole = encoded(compression, &content);
        for at in (whole.len() / 4..whole.len()).step_by(11) {
            let mut broken = whole.clone();
            broken[at] ^= 0x10;
            assert!(
                decoded(compression, &broken).map_or(true, |got| got == content),
                "{compression:?} with byte {at} changed"
            );
        }
    }
}

/// Headers that ask for windows of 1 GiB and more, in front of next to nothing.
#[test]
fn windows_have_a_limit() {
    // RFC 8878, 3.1.1.1: magic, no flags, window 2^31, then a last raw block of one byte.
    let zstd = [
        &0xfd2f_b528_u32.to_le_bytes()[..],
        &[0, (31 - 10) << 3, 9, 0, 0, b'x'],
    ]
    .concat();
    let refused = decoded(Compression::Zstd, &zstd).unwrap_err();
    assert!(refused.to_string().contains("memory"), "{refused}");

    let mut lzma = encoded(Compression::Lzma, b"content");
    lzma[1..5].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let refused = decoded(Compression::Lzma, &lzma).unwrap_err();
    assert!(refused.to_string().contains("memory"), "{refused}");

    // The block header's first byte is its size in fours less one; size of the dictionary is behind
    // the filter's id and length.
    let mut xz = encoded(Compression::Xz, b"content");
    let start = 12;
    let size = (usize::from(xz[12]) + 1) * 4;
    let filter = (start..start + size)
        .find(|&at| xz[at..at + 2] == [0x21, 1])
        .unwrap();
    xz[filter + 2] = 36;
    let mut check = flate2::Crc::new();
    check.update(&xz[start..start + size - 4]);
    xz[start + size - 4..start + size].copy_from_slice(&check.sum().to_le_bytes());
    let refused = decoded(Compression::Xz, &xz).unwrap_err();
    assert!(refused.to_string().contains("memory"), "{refused}");
}

#[test]
fn an_encoder_that_is_dropped_leaves_nothing_behind() {
    for compression in WRITTEN {
        let mut encoder = encoder(compression, Vec::new(), 3).unwrap();
        encoder.write_all(&vec![1; 5 * gzip::BLOCK]).unwrap();
        drop(encoder);
    }
}

#[test]
fn old_compressions_are_not_written() {
    for compression in [Compression::Bzip2, Compression::Lzma] {
        let Err(error) = encoder(compression, Vec::new(), 1) else {
            panic!("{compression:?} has an encoder");
        };
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}

#[test]
fn extensions_name_compressions() {
    for compression in [Compression::None].into_iter().chain(READ) {
        assert_eq!(
            Compression::from_extension(compression.extension()),
            Some(compression)
        );
    }
    assert_eq!(
        (
            Compression::from_extension("tgz"),
            Compression::from_extension("tar")
        ),
        (Some(Compression::Gzip), None)
    );
}

#[test]
fn a_decoder_may_go_to_another_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let stream = encoded(Compression::Xz, b"content");
    let mut content = String::new();
    sent(decoder(Compression::Xz, &stream[..], Integrity::Unknown).unwrap())
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "content");
}
