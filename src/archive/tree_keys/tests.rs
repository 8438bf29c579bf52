use std::path::Path;

use super::*;
use crate::archive::{Release, tree_sources};
use crate::formats::suite::Suites;
use crate::testing::key::ArchiveKey;
use crate::testing::listing::TestRelease;

fn suite(name: &str) -> Suite {
    let suites = Suites::load(&[]).unwrap();
    suites.find(name).unwrap().clone()
}

/// A source that the user's own key has signed, and the distribution's where `by_packaged`.
struct Case {
    uri: &'static str,
    keys: TreeKeys,
    by_packaged: bool,
}

/// The sources file of a suite and the names of the keyrings that are written.
fn written(suite: &Suite, cases: &[Case]) -> (String, Vec<String>) {
    let mut sources = Vec::new();
    for Case {
        uri,
        keys,
        by_packaged,
    } in cases
    {
        let release = Release::for_tests(TestRelease::new("s", "amd64"));
        let source = Source {
            uris: vec![(*uri).to_owned()],
            tree_keys: keys.clone(),
            packaged: packaged(suite),
            ..release.source().clone()
        };
        sources.push(source.in_tree(*by_packaged));
    }
    let file = tree_sources(suite, &sources);
    let names = file.keys.iter().map(|key| key.path.clone());
    (file.text, names.collect())
}

#[test]
fn keyrings_go_where_they_are_named_if_an_image_has_such_a_path() {
    let key = ArchiveKey::new("a");
    let binary = key.binary();
    for (path, expected) in [
        ("/etc/apt/keyrings/x.gpg", "/etc/apt/keyrings/x.gpg"),
        ("/usr/share/keyrings/x.pgp", "/usr/share/keyrings/x.pgp"),
        ("/usr/share/keyrings/x.asc", "/usr/share/keyrings/x.asc"),
        ("/opt/vendor/x.gpg", "/opt/vendor/x.gpg"),
        ("/tmp/a/x.gpg", "/etc/apt/keyrings/x.gpg"),
        ("/home/me/x.asc", "/etc/apt/keyrings/x.asc"),
        ("/root/x", "/etc/apt/keyrings/x.gpg"),
        ("/etc/apt/keyrings/x.key", "/etc/apt/keyrings/x.gpg"),
        ("/usr/../tmp/x.gpg", "/etc/apt/keyrings/x.gpg"),
        ("/etc/apt/a#b.gpg", "/etc/apt/keyrings/a_b.gpg"),
        ("/tmp/\u{e4} b.gpg", "/etc/apt/keyrings/__b.gpg"),
        ("/etc/apt/trusted.gpg.d/x.asc", "/etc/apt/keyrings/x.asc"),
        ("/etc/apt//trusted.gpg.d/x.gpg", "/etc/apt/keyrings/x.gpg"),
        ("/etc/apt/trusted.gpg", "/etc/apt/keyrings/trusted.gpg"),
        ("/tmp/...gpg", "/etc/apt/keyrings/keys.gpg"),
    ] {
        let file = KeyFile::named(Path::new(path), &binary);
        assert_eq!(file.path, expected, "{path}");
        let is_armored = file
            .content
            .starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----");
        assert_eq!(is_armored, expected.ends_with(".asc"), "{path}");
    }
}

#[test]
fn the_form_of_a_keyring_is_that_of_its_name() {
    let key = ArchiveKey::new("a");
    let two = format!("{}\n{}", key.armored(), ArchiveKey::new("b").armored());
    for content in [key.binary(), key.armored().into_bytes(), two.into_bytes()] {
        let before = Keyring::parse(&[("k", &content)]).unwrap().to_binary();
        for name in ["/etc/k.gpg", "/etc/k.asc"] {
            let file = KeyFile::named(Path::new(name), &content);
            let after = Keyring::parse(&[("k", &file.content)]).unwrap();
            assert_eq!(after.to_binary(), before, "{name}");
        }
        let binary = KeyFile::named(Path::new("/etc/k.gpg"), &content);
        assert!(binary.content[0] & 0x80 != 0);
    }
}

#[test]
fn own_keyrings_are_one_file() {
    let contents = [
        ArchiveKey::new("a").binary(),
        ArchiveKey::new("b").armored().into_bytes(),
    ];
    for (name, signed_by, path) in [
        ("trixie", true, "/etc/apt/keyrings/debian.gpg"),
        ("noble", true, "/etc/apt/keyrings/ubuntu.gpg"),
        ("bullseye", false, "/etc/apt/trusted.gpg.d/debian.gpg"),
    ] {
        let keys = TreeKeys::own(&suite(name), &contents);
        assert_eq!(keys.signed_by != TreeSignedBy::Any, signed_by, "{name}");
        assert_eq!(keys.files[0].path, path);
        let keyring = Keyring::parse(&[("k", &keys.files[0].content)]).unwrap();
        assert_eq!(keyring.len(), 2, "{name}");
    }
    let unlisted = TreeKeys::own(&Suite::unlisted("own/x"), &contents);
    assert_eq!(unlisted.files[0].path, "/etc/apt/trusted.gpg.d/own_x.gpg");
}

#[test]
fn keys_of_the_distribution_are_not_written() {
    let trixie = suite("trixie");
    let own = TreeKeys::own(&trixie, &[ArchiveKey::new("a").binary()]);
    for (by_packaged, path, files) in [
        (true, "/usr/share/keyrings/debian-archive-keyring.gpg", 0),
        (false, "/etc/apt/keyrings/debian.gpg", 1),
    ] {
        let case = Case {
            uri: "http://m",
            keys: own.clone(),
            by_packaged,
        };
        let (text, names) = written(&trixie, &[case]);
        assert!(text.contains(&format!("Signed-By: {path}\n")), "{text}");
        assert_eq!(names.len(), files);
    }
}

#[test]
fn one_suite_has_one_signed_by_and_one_path_one_keyring() {
    let file = |path: &str, key: &ArchiveKey| {
        TreeKeys::of_files(vec![KeyFile::named(Path::new(path), &key.binary())])
    };
    let a = ArchiveKey::new("a");
    let b = ArchiveKey::new("b");
    let case = |uri, keys| Case {
        uri,
        keys,
        by_packaged: false,
    };
    let cases = [
        case("http://m", file("/tmp/1/k.gpg", &a)),
        case("http://m/", file("/tmp/3/other.gpg", &a)),
        case("http://u:p@m/", file("/tmp/3/other.gpg", &a)),
        case("http://n", file("/tmp/2/k.gpg", &b)),
        case("http://o", file("/tmp/2/k.gpg", &b)),
        case("http://p", file("/tmp/1/k.gpg", &a)),
    ];
    let (text, names) = written(&suite("trixie"), &cases);
    let signed_by: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Signed-By: /etc/apt/keyrings/"))
        .collect();
    assert_eq!(
        signed_by,
        ["k.gpg", "k.gpg", "k.gpg", "k-2.gpg", "k-2.gpg", "k.gpg"]
    );
    assert_eq!(
        names,
        ["/etc/apt/keyrings/k.gpg", "/etc/apt/keyrings/k-2.gpg"]
    );
}

#[test]
fn two_keyrings_of_one_source_with_one_name_are_two_files() {
    let mut files = Vec::new();
    for (path, key) in [
        ("/tmp/1/k.gpg", "a"),
        ("/tmp/2/k.gpg", "b"),
        ("/tmp/3/k.gpg", "c"),
    ] {
        files.push(KeyFile::named(
            Path::new(path),
            &ArchiveKey::new(key).binary(),
        ));
    }
    // The first is named twice.
    files.push(files[0].clone());
    let fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567!";
    let case = Case {
        uri: "http://m",
        keys: TreeKeys::of_files(files).restricted(&[fingerprint.to_owned()]),
        by_packaged: false,
    };
    let (text, names) = written(&suite("trixie"), &[case]);
    let paths = ["k.gpg", "k-2.gpg", "k-3.gpg"].map(|name| format!("{KEYRINGS}/{name}"));
    assert_eq!(names, paths);
    let [first, second, third] = &paths;
    let signed_by = format!("Signed-By: {first} {second} {third} {first} {fingerprint}\n");
    assert!(text.contains(&signed_by), "{text}");
}

#[test]
fn an_inline_key_stays_inline_where_it_can() {
    let keys = TreeKeys {
        signed_by: TreeSignedBy::Inline(ArchiveKey::new("a").armored()),
        files: Vec::new(),
    };
    let case = |uri| Case {
        uri,
        keys: keys.clone(),
        by_packaged: false,
    };
    let (text, names) = written(&suite("trixie"), &[case("http://m:80/x")]);
    assert!(text.contains("Signed-By:\n -----BEGIN PGP"), "{text}");
    assert!(text.contains("\n .\n"), "{text}");
    assert!(names.is_empty());
    let (text, names) = written(
        &suite("bullseye"),
        &[case("http://u:p@m:80/x"), case("file:/x")],
    );
    assert!(
        text.contains("[signed-by=/etc/apt/keyrings/m.gpg] http://"),
        "{text}"
    );
    assert_eq!(
        names,
        ["/etc/apt/keyrings/m.gpg", "/etc/apt/keyrings/local.gpg"]
    );
}
