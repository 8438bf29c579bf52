mod archives;
mod copies;

use std::io::Write;

use super::limits::CONTROL_LIMIT;
use super::*;
use crate::interrupt::Interrupt;
use crate::testing::deb::{control_tar, deb, on_disk};
use crate::testing::tar::{
    TarEntry, ar, compress, directory, entry, file, hard_link, symlink, tar,
};

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\n";

/// The limits for a .deb of no size.
fn limits() -> DebLimits {
    DebLimits::new(0, 0, Interrupt::default())
}

/// The whole archive as text, one line an entry.
fn listing(dialect: Dialect, archive: Vec<u8>) -> Result<Vec<String>, TarError> {
    let mut archive = Archive::new(&archive[..], dialect, limits());
    let mut lines = Vec::new();
    while let Some(e) = archive.next_entry()? {
        let mut content = 0;
        loop {
            match archive.chunk()?.len() {
                0 => break,
                n => content += n,
            }
        }
        assert_eq!(content as u64, e.size);
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        lines.push(format!(
            "{:?} {} {:o} {}:{} {} {}",
            e.kind,
            text(&e.path),
            e.mode,
            e.user,
            e.group,
            e.size,
            text(&e.target)
        ));
    }
    Ok(lines)
}

fn all_of(deb: &Deb) -> Result<usize, TarError> {
    let mut data = deb.data().unwrap();
    let mut entries = 0;
    while data.next_entry()?.is_some() {
        entries += 1;
    }
    Ok(entries)
}

/// A package whose members are called and compressed like this.
fn with_members(control: (&str, Compression), data: (&str, Compression)) -> Vec<u8> {
    let control_member = compress(control.1, &control_tar(CONTROL, &[("preinst", "x")]));
    let data_member = compress(data.1, &tar(&[directory("./"), file("./x", "1")]));
    ar(&[
        ("debian-binary", b"2.0\n"),
        (control.0, &control_member),
        (data.0, &data_member),
    ])
}

#[test]
fn every_compression_and_a_bare_tar() {
    use Compression::{Gzip, None, Xz, Zstd};
    for (control, data) in [
        (("control.tar.gz", Gzip), ("data.tar.xz", Xz)),
        (("control.tar.zst", Zstd), ("data.tar.zst", Zstd)),
        (("control.tar", None), ("data.tar", None)),
        (("control.tar.xz/", Xz), ("data.tar.gz/", Gzip)),
    ] {
        let deb = Deb::read(on_disk(&with_members(control, data))).unwrap();
        assert_eq!(
            (
                deb.stanza.as_str(),
                deb.members.len(),
                deb.member("preinst").unwrap().mode
            ),
            (CONTROL, 1, 0o755)
        );
        assert_eq!(all_of(&deb).unwrap(), 2);
    }
}

#[test]
fn other_members_are_heeded_or_refused() {
    let control = compress(Compression::Gzip, &control_tar(CONTROL, &[]));
    let data = compress(Compression::Gzip, &tar(&[directory("./")]));
    let (version, control, data): ((&str, &[u8]), _, _) = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control[..]),
        ("data.tar.gz", &data[..]),
    );
    let extra: (&str, &[u8]) = ("_gpgorigin", b"odd");
    let read = |members: &[(&str, &[u8])]| Deb::read(on_disk(&ar(members)));
    for good in [
        &[version, extra, control, extra, data][..],
        &[version, control, data, ("junk", b"x")],
        &[("debian-binary", b"2.1\nx\n"), control, data],
    ] {
        assert_eq!(all_of(&read(good).unwrap()).unwrap(), 1);
    }
    for (bad, expected) in [
        (
            &[control, data][..],
            "its member `control.tar.gz` is not the `debian-binary` that has to be there",
        ),
        (
            &[version, data, control],
            "its member `data.tar.gz` is not the `control.tar` that has to be there",
        ),
        (
            &[version, ("junk", b""), control, data],
            "its member `junk` is not the `control.tar` that has to be there",
        ),
        (
            &[version, control, ("data.tar.rar", b"")],
            "its member `data.tar.rar` is not the `data.tar` that has to be there",
        ),
        (&[version, control], "it has no member `data.tar`"),
        (&[version], "it has no member `control.tar`"),
        (&[], "it has no member `debian-binary`"),
        (
            &[("debian-binary", b"3.0\n"), control, data],
            "it has version `3.0` of the format, not 2",
        ),
    ] {
        assert_eq!(read(bad).unwrap_err().to_string(), expected);
    }
}

#[test]
fn damaged_packages_are_errors() {
    use Compression::{Gzip, Xz, Zstd};
    for (name, compression) in [
        ("data.tar.gz", Gzip),
        ("data.tar.xz", Xz),
        ("data.tar.zst", Zstd),
    ] {
        let whole = with_members(("control.tar.gz", Gzip), (name, compression));
        assert!(
            matches!(
                Deb::read(on_disk(&whole[..whole.len() - 20])),
                Err(Error::Member { .. })
            ),
            "{name}: cut"
        );
        let data = compress(compression, &tar(&[file("./x", "1".repeat(5000))]));
        let control = compress(Gzip, &control_tar(CONTROL, &[]));
        let read = |data: &[u8]| {
            all_of(
                &Deb::read(on_disk(&ar(&[
                    ("debian-binary", b"2.0\n"),
                    ("control.tar.gz", &control),
                    (name, data),
                ])))
                .unwrap(),
            )
        };
        let mut flipped = data.clone();
        *flipped
            .iter_mut()
            .nth_back(if compression == Xz { 13 } else { 3 })
            .unwrap() ^= 0x55;
        assert_eq!(read(&data).unwrap(), 1);
        assert!(
            matches!(read(&data[..data.len() - 1]), Err(TarError::Stream(_))),
            "{name}: truncated stream"
        );
        assert!(
            matches!(read(&flipped), Err(TarError::Stream(_))),
            "{name}: wrong check"
        );
        let followed = read(&[&data[..], b"trailing junk"].concat());
        match compression {
            Zstd => assert!(matches!(followed, Err(TarError::Stream(_))), "{name}"),
            _ => assert_eq!(followed.unwrap(), 1, "{name}"),
        }
    }
    for (not_a_deb, expected) in [
        (&b""[..], "it is not a Debian package"),
        (b"!<arch>\n", "it has no member `debian-binary`"),
        (b"PK\x03\x04 something else", "it is not a Debian package"),
        (b"!<arch>\ndebian-binary", "its member at byte 8 is damaged"),
        (b"0.939000\nx", "its member at byte 9 is damaged"),
    ] {
        let error = Deb::read(on_disk(not_a_deb)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{not_a_deb:?}");
    }
}

#[test]
fn control_members_are_bounded_and_plain() {
    let with = |items: &[TarEntry]| {
        let control = compress(Compression::Gzip, &tar(items));
        Deb::read(on_disk(&ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control),
            ("data.tar", &tar(&[])),
        ])))
    };
    let control = || file("./control", CONTROL);
    let huge = TarEntry {
        declared_size: Some(CONTROL_LIMIT + 1),
        ..file("./templates", "")
    };
    assert!(
        with(&[control(), huge])
            .unwrap_err()
            .to_string()
            .contains("control.tar")
    );
    assert!(matches!(
        with(&[file("./preinst", "")]),
        Err(Error::Missing {
            expected: "control"
        })
    ));
    for (links, expected) in [
        (vec![hard_link("./prerm", "./postinst")], "postinst"),
        (vec![symlink("./prerm", "postinst")], "postinst"),
        (
            vec![
                symlink("./prerm", "config"),
                hard_link("./config", "postinst"),
            ],
            "postinst",
        ),
    ] {
        let mut entries = vec![control(), file("./postinst", "#!/bin/sh\n")];
        entries.extend(links);
        let deb = with(&entries).unwrap();
        let found = deb.member("prerm").unwrap();
        let target = deb.member(expected).unwrap();
        assert_eq!(found.content, target.content);
        assert_eq!(found.mode, target.mode);
    }
    let round = [
        control(),
        symlink("./prerm", "postrm"),
        symlink("./postrm", "prerm"),
    ];
    assert!(matches!(with(&round), Err(Error::Control { .. })));
    // As for tar, a hard link follows its target; a symlink need not.
    let postinst = || file("./postinst", "#!/bin/sh\n").mode(0o4755);
    let late = [control(), hard_link("./prerm", "./postinst"), postinst()];
    assert!(matches!(with(&late), Err(Error::Control { .. })));
    let late = [control(), symlink("./prerm", "postinst"), postinst()];
    let deb = with(&late).unwrap();
    assert_eq!(deb.member("prerm").unwrap().mode, 0o4755);
    for odd in [
        file("./sub/x", ""),
        file("../x", ""),
        file("./..", ""),
        symlink("./preinst", "/bin/sh"),
        directory("./sub"),
    ] {
        assert!(
            matches!(with(&[control(), odd.clone()]), Err(Error::Control { .. })),
            "{odd:?}"
        );
    }
    let latin = TarEntry {
        content: b"Package: a\nVersion: 1\nMaintainer: Ren\xe9\n".to_vec(),
        ..file("control", "")
    };
    assert_eq!(
        with(&[latin]).unwrap().stanza,
        "Package: a\nVersion: 1\nMaintainer: René\n"
    );
}

#[test]
fn members_are_read_as_dpkg_reads_them() {
    let control = compress(Compression::Gzip, &control_tar(CONTROL, &[]));
    let data = compress(Compression::Gzip, &tar(&[directory("./")]));
    let package = ar(&[
        ("debian-binary", b"2.0\n"),
        ("_odd", b"123"),
        ("control.tar.gz", &control),
        ("data.tar.gz", &data),
    ]);
    // The padding of `_odd` need not be a newline.
    let mut other_padding = package.clone();
    other_padding[8 + 60 + 4 + 60 + 3] = 0;
    // The time, the owner and the mode need not be numbers.
    let mut no_numbers = package.clone();
    no_numbers[8 + 16..8 + 48].fill(b' ');
    let mut text_for_mode = package.clone();
    text_for_mode[8 + 40..8 + 48].copy_from_slice(b"rw-r--r-");
    for package in [package, other_padding, no_numbers, text_for_mode] {
        let read = Deb::read(on_disk(&package)).unwrap();
        assert_eq!(read.stanza, CONTROL);
        assert_eq!(all_of(&read).unwrap(), 1);
    }
}

#[test]
fn hostile_ar_headers_are_errors() {
    for (what, name, length) in [
        ("longer than the file", "debian-binary", "9999999999"),
        ("no length", "debian-binary", ""),
        ("a negative length", "debian-binary", "-1"),
        ("a huge name table", "//", "9999999999"),
        ("a name that no table has", "/7", "4"),
        ("a huge name", "#1/9999999999", "9999999999"),
    ] {
        let mut package = ar(&[("debian-binary", b"2.0\n")]);
        package[8..24].copy_from_slice(format!("{name:<16}").as_bytes());
        package[56..66].copy_from_slice(format!("{length:<10}").as_bytes());
        let error = Deb::read(on_disk(&package)).unwrap_err();
        assert!(matches!(error, Error::Member { at: 8 }), "{what}: {error}");
    }
    let mut no_magic = ar(&[("debian-binary", b"2.0\n")]);
    no_magic[66] = b'?';
    let error = Deb::read(on_disk(&no_magic)).unwrap_err();
    assert!(matches!(error, Error::Member { at: 8 }), "{error}");
    let junk: (&str, &[u8]) = ("_junk", b"");
    let many = ar(&[junk; 100]);
    let with_version = [&ar(&[("debian-binary", b"2.0\n")])[..], &many[8..]].concat();
    let error = Deb::read(on_disk(&with_version)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Missing {
                expected: "control.tar"
            }
        ),
        "{error}"
    );
}

#[test]
fn the_old_format_is_read() {
    let control = compress(Compression::Gzip, &control_tar(CONTROL, &[]));
    let data = compress(
        Compression::Gzip,
        &tar(&[directory("./"), file("./x", "1")]),
    );
    let old = [
        format!("0.939000\n{}\n", control.len()).as_bytes(),
        &control,
        &data,
    ]
    .concat();
    let read = Deb::read(on_disk(&old)).unwrap();
    assert_eq!((read.stanza.as_str(), all_of(&read).unwrap()), (CONTROL, 2));
    let bad = [&b"0.939000\n999999999\n"[..], &control].concat();
    assert!(matches!(
        Deb::read(on_disk(&bad)),
        Err(Error::Member { at: 9 })
    ));
    assert_eq!(
        all_of(&Deb::read(on_disk(&deb(CONTROL, &[], &[]))).unwrap()).unwrap(),
        0
    );
}
