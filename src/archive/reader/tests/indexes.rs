//! Which index files are read.

use super::*;

#[test]
fn a_missing_compression_is_replaced_by_another() {
    let text = packages(&["a"]);
    let all = files(&[
        ("main/binary-amd64", Compression::Gzip, &text),
        ("main/binary-amd64", Compression::Xz, &text),
        ("main/binary-amd64", Compression::None, &text),
    ]);
    let release = release("trixie", "", &all);
    for kept in ["Packages.gz", "Packages.xz", "Packages"] {
        let mut there = all.clone();
        there.retain(|path, _| path.ends_with(&format!("/{kept}")));
        let server = mirror(archive("trixie", &release, &there));
        assert_eq!(
            shown(&read_all(&[source(server.url(""), "trixie")]).0.unwrap()),
            ["trixie amd64 a"],
            "{kept}"
        );
    }
    let server = mirror(archive("trixie", &release, &Files::new()));
    assert!(matches!(
        read_all(&[source(server.url(""), "trixie")]).0,
        Err(Error::Fetch { .. })
    ));
}

#[test]
fn errors_name_what_no_source_has() {
    let all = files(&[
        ("main/binary-amd64", Compression::Gzip, ""),
        ("universe/binary-amd64", Compression::Gzip, ""),
    ]);
    let server = mirror(archive(
        "noble",
        &release("noble", "Architectures: amd64 arm64\n", &all),
        &all,
    ));
    // As for apt, the rest is read.
    let partly = Source {
        components: vec!["main".into(), "univers".into()],
        ..source(server.url(""), "noble")
    };
    let (index, heard) = read_all(&[partly]);
    assert_eq!(shown(&index.unwrap()), ["noble amd64"]);
    let warning = "warning: noble has no component univers (it has main, universe)";
    assert!(heard.contains(&warning.to_owned()), "{heard:?}");
    let typo = Source {
        components: vec!["univers".into()],
        ..source(server.url(""), "noble")
    };
    let error = read_all(&[typo]).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no source has component univers; noble has main, universe"
    );
    assert!(error.hint().unwrap().contains("--components"));
    let foreign = Source {
        architectures: vec!["amd64".into(), "armhf".into()],
        ..source(server.url(""), "noble")
    };
    let error = read_all(std::slice::from_ref(&foreign)).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no source has architecture armhf; noble has amd64, arm64"
    );
    assert!(error.hint().unwrap().contains("--arch"));

    // Another source has it, so it is only a warning.
    let ported = files(&[("main/binary-armhf", Compression::Gzip, "")]);
    let ports = mirror(archive(
        "ports",
        &release("ports", "Architectures: armhf\n", &ported),
        &ported,
    ));
    let second = Source {
        architectures: vec!["armhf".into()],
        ..source(ports.url(""), "ports")
    };
    let (index, heard) = read_all(&[foreign, second]);
    assert_eq!(shown(&index.unwrap()), ["noble amd64", "ports armhf"]);
    assert!(
        heard.contains(&"warning: noble has no architecture armhf".to_owned()),
        "{heard:?}"
    );
}

#[test]
fn flat_repositories_are_read() {
    let all: Files = [(
        "Packages.gz".to_owned(),
        compress(Compression::Gzip, &packages(&["a"])),
    )]
    .into();
    let text = release("whatever", "", &all);
    let mut content: Files = all
        .iter()
        .map(|(path, content)| (format!("/repo/{path}"), content.clone()))
        .collect();
    content.insert("/repo/Release".into(), text.into_bytes());
    let server = mirror(content);
    let flat = Source {
        components: Vec::new(),
        ..source(server.url("repo"), "./")
    };
    assert_eq!(shown(&read_all(&[flat]).0.unwrap()), ["./ amd64 a"]);
    let empty = mirror(
        [(
            "/repo/Release".to_owned(),
            release("x", "", &files(&[("a", Compression::Gzip, "")])).into_bytes(),
        )]
        .into(),
    );
    let flat = Source {
        components: Vec::new(),
        ..source(empty.url("repo"), "./")
    };
    assert!(matches!(read_all(&[flat]).0, Err(Error::NoIndex { .. })));
}

#[test]
fn the_cheapest_compression_is_taken() {
    let sizes = [
        (Compression::Xz, 9_500_000),
        (Compression::Gzip, 13_000_000),
        (Compression::None, 56_000_000),
    ];
    let hash = digest(Algorithm::Sha256, b"").hexadecimal();
    let list: String = sizes
        .iter()
        .map(|(c, size)| format!(" {hash} {size} {}\n", with_extension("Packages", *c)))
        .collect();
    let text = format!("Date: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n{list}");
    let release = Release::parse(&text, &source(String::new(), "./"), NOW).unwrap();
    let xz = Compression::Xz;
    let gz = Compression::Gzip;
    let plain = Compression::None;
    for (rate, expected) in [
        (1e6, [xz, gz, plain]),
        (10e6, [xz, gz, plain]),
        (20e6, [gz, xz, plain]),
        (1e9, [gz, xz, plain]),
    ] {
        assert_eq!(
            cheapest_first(&release, "Packages", rate),
            expected,
            "{rate}"
        );
    }
}

#[test]
fn an_index_is_cached_by_all_its_compressions() {
    let good = packages(&["good"]);
    let evil = packages(&["evil"]);
    let of = |plain: &str| {
        files(&[
            ("main/binary-amd64", Compression::Gzip, plain),
            ("main/binary-amd64", Compression::Xz, &good),
        ])
    };
    let honest = of(&good);
    let forged = of(&evil);
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), "state");
    for (all, expected) in [
        (&forged, "trixie amd64 evil"),
        (&honest, "trixie amd64 good"),
    ] {
        let server = mirror(archive("trixie", &release("trixie", "", all), &{
            let mut there = all.clone();
            there.retain(|path, _| path.ends_with(".gz"));
            there
        }));
        let sources = [source(server.url(""), "trixie")];
        let index = IndexReader::new(&store, &sources, OPTIONS, &Report::silent())
            .index(&|_| {})
            .unwrap();
        assert_eq!(shown(&index), [expected]);
    }
}
