//! Entries in both forms, what they mean, and which are refused.

mod mirror_lists;
mod of_the_host;

use std::sync::Arc;

use super::*;
use crate::archive::{Keyring, TreeKeys, Trust};

/// The keys of a run that checks no signatures.
fn unchecked() -> SourceKeys {
    SourceKeys {
        trust: Trust::Unchecked,
        tree: TreeKeys::default(),
        packaged: None,
    }
}

/// Entries as text, one line each.
fn shown(text: &str) -> Vec<String> {
    let entries = parse("test", text).unwrap();
    let line = |e: &SourceEntry| {
        let signed_by = match &e.signed_by {
            None => String::new(),
            Some(SignedBy::Inline(key)) => format!(" by key of {} lines", key.lines().count()),
            Some(SignedBy::Keys {
                files,
                fingerprints,
            }) if fingerprints.is_empty() => format!(" by {files:?}"),
            Some(SignedBy::Keys { fingerprints, .. }) => format!(" by {fingerprints:?}"),
        };
        let flags = [
            (e.trusted, " trusted"),
            (e.expiry == Expiry::Ignore, " unexpiring"),
        ];
        let flags: String = flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name)
            .collect();
        format!(
            "{} {} {:?} {:?}{signed_by}{flags}",
            e.uri, e.suite, e.components, e.architectures
        )
    };
    entries.iter().map(line).collect()
}

#[test]
fn lines_are_parsed() {
    let text = "# comment\n\ndeb http://m/debian trixie main contrib # more\n\
                deb-src http://m/debian trixie main\n\
                deb [arch=amd64,i386 signed-by=/k/a.gpg,/k/b.gpg check-valid-until=no] \
                http://m/x  sid   main\n\
                deb [ trusted=yes lang=none ] file:/srv/repo ./\n\
                deb\t[ Arch=amd64 ]\thttp://m/y\tnoble\tmain\n";
    let expected = [
        r#"http://m/debian trixie ["main", "contrib"] []"#,
        r#"http://m/x sid ["main"] ["amd64", "i386"] by ["/k/a.gpg", "/k/b.gpg"] unexpiring"#,
        r#"file:/srv/repo ./ [] [] trusted"#,
        r#"http://m/y noble ["main"] ["amd64"]"#,
    ];
    assert_eq!(shown(text), expected);
    assert_eq!(shown("deb http://m/debian sid main").len(), 1);
    assert_eq!(shown("# nothing\n"), [""; 0]);
}

#[test]
fn deb822_is_parsed() {
    let text = "# comment\nTypes: deb deb-src\nURIs: http://a/debian http://b/debian\n\
                Suites: trixie trixie-updates\nComponents: main\n\
                # in between\n contrib\nSigned-By: /k/a.pgp\nArchitectures: amd64\n\n\
                Enabled: no\nTypes: deb\nURIs: http://c\nSuites: x\nComponents: y\n\n\
                Types: deb-src\nURIs: http://d\nSuites: x\nComponents: y\n\n\
                types: deb\nuris: http://e\nsuites: ./\ntrusted: yes\nCheck-Valid-Until: no\n\
                Signed-By:\n\
                \x20-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n\
                \x20-----END PGP PUBLIC KEY BLOCK-----\n";
    let expected = [
        r#"http://a/debian trixie ["main", "contrib"] ["amd64"] by ["/k/a.pgp"]"#,
        r#"http://a/debian trixie-updates ["main", "contrib"] ["amd64"] by ["/k/a.pgp"]"#,
        r#"http://b/debian trixie ["main", "contrib"] ["amd64"] by ["/k/a.pgp"]"#,
        r#"http://b/debian trixie-updates ["main", "contrib"] ["amd64"] by ["/k/a.pgp"]"#,
        r#"http://e ./ [] [] by key of 4 lines trusted unexpiring"#,
    ];
    assert_eq!(shown(text), expected);
    let digits = "0123456789abcdefABCD0123456789abcdefABCD";
    let fingerprints = format!(
        "Types: deb\nURIs: http://m\nSuites: s\nComponents: c\nSigned-By: {digits} {digits}!\n"
    );
    let expected = format!(r#"http://m s ["c"] [] by ["{digits}", "{digits}!"]"#);
    assert_eq!(shown(&fingerprints), [expected]);
}

/// apt's quoting: what is in quotes or brackets is one word, and `%20` is a blank.
#[test]
fn words_are_quoted_as_for_apt() {
    let entry = |line: &str| parse("test", line).unwrap().remove(0);
    for (line, uri, suite) in [
        (
            r#"deb "http://m/debian" sid main"#,
            "http://m/debian",
            "sid",
        ),
        (r#"deb http://m/"a b" "sid" main"#, "http://m/a%20b", "sid"),
        ("deb http://m/a%20b s%69d main", "http://m/a%20b", "sid"),
        (
            "deb http://u:p%40s:w%2Frd@m/ sid main",
            "http://u:p%40s:w%2Frd@m/",
            "sid",
        ),
        (
            "deb [ arch=amd64] http://[::1]:80/x sid main # y",
            "http://[::1]:80/x",
            "sid",
        ),
    ] {
        let found = entry(line);
        assert_eq!(
            (found.uri.as_str(), found.suite.as_str()),
            (uri, suite),
            "{line}"
        );
        assert_eq!(found.components, ["main"], "{line}");
    }
    for (options, expected) in [
        (r#"signed-by="/k/a.gpg""#, "/k/a.gpg"),
        ("signed-by=/k%2Fa.gpg", "/k/a.gpg"),
        ("signed-by=/a.gpg,/b.gpg", "/a.gpg"),
    ] {
        let found = entry(&format!("deb [{options}] http://m sid main"));
        let Some(SignedBy::Keys { files, .. }) = found.signed_by else {
            panic!("{options}");
        };
        assert_eq!(files[0], Path::new(expected), "{options}");
    }
    for bad in [
        r#"deb "http://m sid main"#,
        "deb [arch=amd64 http://m sid main",
        r#"deb [signed-by="/a] http://m sid main"#,
    ] {
        assert!(
            matches!(parse("test", bad), Err(BadSource::Line { .. })),
            "{bad}"
        );
    }
}

#[test]
fn options_have_apts_meaning_in_both_forms() {
    let architectures = ["amd64".to_owned(), "i386".to_owned()];
    let table: [(&str, &str, &[&str]); 7] = [
        ("arch=i386", "Architectures: i386", &["i386"]),
        ("arch-=i386", "Architectures-Remove: i386", &["amd64"]),
        (
            "arch+=armhf",
            "Architectures-Add: armhf",
            &["amd64", "i386"],
        ),
        (
            "arch=amd64 arch+=i386",
            "Architectures: amd64\nArchitectures-Add: i386",
            &["amd64", "i386"],
        ),
        (
            "arch+=i386 arch=amd64",
            "Architectures-Add: i386\nArchitectures: amd64",
            &["amd64", "i386"],
        ),
        (
            "lang=de by-hash=no",
            "Languages: de\nBy-Hash: no",
            &["amd64", "i386"],
        ),
        (
            "target=Packages pdiffs=no",
            "Targets: Packages\nPDiffs: no",
            &["amd64", "i386"],
        ),
    ];
    for (line, fields, expected) in table {
        let line = format!("deb [{line}] http://m/$(ARCH)/x s-$(ARCH) c");
        let stanza = format!(
            "Types: deb\nURIs: http://m/$(ARCH)/x\nSuites: s-$(ARCH)\nComponents: c\n{fields}\n"
        );
        for text in [&line, &stanza] {
            let entry = parse("test", text).unwrap().remove(0);
            assert_eq!(entry.unknown, [""; 0], "{text}");
            let source = entry
                .source(&architectures, &unchecked(), Path::new("/"))
                .unwrap();
            assert_eq!(source.architectures, expected, "{text}");
            assert_eq!(source.uris, ["http://m/amd64/x"], "{text}");
            // As for apt: of a line, only the suite of a flat archive.
            let is_line = text.starts_with("deb ");
            let suite = if is_line { "s-$(ARCH)" } else { "s-amd64" };
            assert_eq!(source.suite, suite, "{text}");
        }
    }
    let flat = parse("test", "deb http://m s-$(ARCH)/").unwrap().remove(0);
    let source = flat.source(&architectures, &unchecked(), Path::new("/"));
    assert_eq!(source.unwrap().suite, "s-amd64/");
    for (options, ahead, unknown) in [
        ("check-date=no", Some(i64::MAX), ""),
        ("date-max-future=3600", Some(3600), ""),
        ("check-date=yes", None, ""),
        ("check-date=no check-date=yes", None, ""),
        ("check-date=no date-max-future=1", Some(i64::MAX), ""),
        ("snapshot=enable color=red", None, "snapshot color"),
        ("x-own=1", None, ""),
    ] {
        let line = format!("deb [{options}] http://m s c");
        let entry = parse("test", &line).unwrap().remove(0);
        assert_eq!(entry.max_future(), ahead, "{options}");
        assert_eq!(entry.unknown.join(" "), unknown, "{options}");
    }
}

#[test]
fn errors_name_the_bad_line() {
    for bad in [
        "deb http://m/debian trixie",
        "deb http://m/debian",
        "deb",
        "deb [arch=amd64 http://m sid main",
        "deb [arch] http://m sid main",
        "deb http://m ./ main",
        "rpm http://m sid main",
        "<html>",
        "Types: deb\nSuites: sid\nComponents: main\n",
        "Types: deb\nURIs: http://m\nComponents: main\n",
        "Types: deb\nURIs: http://m\nSuites: sid\n",
        "URIs: http://m\nSuites: sid\nComponents: main\n",
        "deb [signed-by=key.gpg] http://m sid main",
        "deb [signed-by=/a%20b.gpg] http://m sid main",
        "deb [signed-by=0123] http://m sid main",
        "Types: deb\nURIs: http://m\nSuites: s\nComponents: c\nSigned-By: \"/k.gpg\"\n",
        "deb [pin-priority=0] http://m sid main",
        "deb [pin-priority=] http://m sid main",
        "deb [pin-priority=low] http://m sid main",
        "deb [pin-priority=32768] http://m sid main",
        "deb [pin-priority=1.5] http://m sid main",
        "Types: deb\nURIs: http://m\nSuites: sid\nComponents: main\nPin-Priority: 0\n",
    ] {
        assert!(
            matches!(parse("test", bad), Err(BadSource::Line { .. })),
            "{bad}"
        );
    }
}

#[test]
fn pins_are_parsed() {
    for (text, expected) in [
        ("deb http://m s c", None),
        ("deb [pin-priority=50] http://m s c", Some(50)),
        ("deb [arch=amd64 Pin-Priority=-1] http://m s c", Some(-1)),
        (
            "Types: deb\nURIs: http://m\nSuites: s\nComponents: c\nPin-Priority: 1001\n",
            Some(1001),
        ),
        (
            "Types: deb\nURIs: http://m\nSuites: s\nComponents: c\npin-priority: -32768\n",
            Some(i16::MIN),
        ),
    ] {
        let entry = &parse("test", text).unwrap()[0];
        let source = entry
            .source(&["amd64".to_owned()], &unchecked(), Path::new("/"))
            .unwrap();
        assert_eq!(source.pin.map(NonZeroI16::get), expected, "{text}");
    }
}

#[test]
fn entries_become_sources() {
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("key.gpg"),
        include_bytes!("../../../suites/keyrings/ubuntu-archive-keyring.gpg"),
    )
    .unwrap();
    let architectures = ["amd64".to_owned(), "i386".to_owned()];
    let source = |line: &str| {
        parse("test", line).unwrap()[0].source(&architectures, &unchecked(), root.path())
    };

    let plain = source("deb http://m s c").unwrap();
    assert!(
        matches!(plain.trust, Trust::Unchecked)
            && plain.architectures == architectures
            && plain.tree_keys == TreeKeys::default()
    );
    let signed = source("deb [signed-by=/key.gpg arch=i386,armhf] http://m s c").unwrap();
    assert!(matches!(&signed.trust, Trust::Keys(keys) if keys.len() == 3));
    assert_eq!(signed.architectures.concat(), "i386");
    assert_eq!(signed.tree_keys.files[0].path, "/etc/apt/keyrings/key.gpg");
    assert!(matches!(
        source("deb [signed-by=/absent.gpg] http://m s c"),
        Err(BadSource::UnreadableKey { .. })
    ));

    let keys = SourceKeys {
        trust: Trust::Keys(Arc::new(
            Keyring::parse(&[("k", &fs::read(root.path().join("key.gpg")).unwrap())]).unwrap(),
        )),
        ..unchecked()
    };
    let one = parse(
        "test",
        "deb [signed-by=F6ECB3762474EDA9D21B7022871920D1991BC93C] http://m s c",
    )
    .unwrap();
    assert!(
        matches!(one[0].source(&architectures, &keys, root.path()).unwrap().trust, Trust::Keys(keys) if keys.len() == 1)
    );
    let trusted = parse("test", "deb [trusted=yes] http://m s c").unwrap();
    assert!(matches!(
        trusted[0]
            .source(&architectures, &keys, root.path())
            .unwrap()
            .trust,
        Trust::Unchecked
    ));
}

#[test]
fn names_that_need_quotes_are_not_writable() {
    for (line, expected) in [
        ("deb http://m/debian sid main", true),
        ("deb http://m/a%20b sid main", true),
        ("deb http://[::1]:80/x sid main", true),
        ("deb cdrom:[Debian]/ sid main", false),
        ("deb http://m/[x] sid main", false),
        ("deb http://[::1]/[x] sid main", false),
        (
            "Types: deb\nURIs: a]b://[/x\nSuites: sid\nComponents: main\n",
            false,
        ),
        (
            "Types: deb\nURIs: http://m/x]\nSuites: sid\nComponents: main\n",
            false,
        ),
        ("deb http://m s%20d main", false),
        ("deb http://m sid m%23n", false),
        ("deb http://m sid \"\"", false),
        ("deb [signed-by=/k%23y.gpg] http://m sid main", true),
    ] {
        let entry = parse("test", line).unwrap().remove(0);
        assert_eq!(entry.is_writable(), expected, "{line}");
    }
}
