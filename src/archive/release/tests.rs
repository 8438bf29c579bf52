use super::time::parse_date;
use super::*;
use crate::archive::{Exemptions, Trust};
use crate::formats::digest::Algorithm;

/// 2026-09-13T00:00:00Z
const NOW: i64 = 1_789_257_600;
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn source(suite: &str) -> Source {
    Source {
        uris: vec![
            "http://a.example.org/debian/".into(),
            "http://b.example.org/debian".into(),
        ],
        suite: suite.into(),
        components: vec!["main".into()],
        architectures: vec!["amd64".into()],
        trust: Trust::Unchecked,
        expiry: Expiry::Check,
        tree_keys: crate::archive::TreeKeys::default(),
        packaged: None,
        pin: None,
        exemptions: Exemptions::default(),
        archive: String::new(),
        leniency: crate::archive::Leniency::default(),
    }
}

fn text(fields: &str) -> String {
    format!(
        "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n\
         Acquire-By-Hash: yes\n\
         Architectures: all amd64 arm64\nComponents: main contrib\n{fields}MD5Sum:\n\
         \x203e498904a30e240573dac8ddac594e6f 5 main/binary-amd64/Release\n\
         SHA256:\n {HASH}   10 main/binary-amd64/Packages.xz\n\
         \x20{HASH} 20 main/binary-amd64/Packages\n {HASH} 30 contrib/binary-arm64/Packages.gz\n"
    )
}

fn parse(text: &str, suite: &str) -> Result<Release, BadRelease> {
    Release::parse(text, &source(suite), NOW)
}

#[test]
fn a_release_is_parsed() {
    let release = parse(&text(""), "trixie").unwrap();
    assert_eq!(
        (release.suite.as_deref(), release.codename.as_deref()),
        (Some("stable"), Some("trixie"))
    );
    assert_eq!(
        (release.date, release.valid_until, release.separate_all),
        (Some(1_789_199_741), None, true)
    );
    assert_eq!(release.files["main/binary-amd64/Packages.xz"].size, 10);
    assert_eq!(release.offered_components(), ["contrib", "main"]);
    assert!(
        !parse(
            &text("No-Support-for-Architecture-all: Packages\n"),
            "trixie"
        )
        .unwrap()
        .separate_all
    );
}

#[test]
fn it_must_be_of_the_requested_suite() {
    for good in [
        "trixie",
        "stable",
        "trixie/updates",
        "trixie/x",
        "./",
        "any/path/",
    ] {
        let release = parse(&text(""), good).unwrap();
        assert_eq!(release.suite_in_url(), good);
    }
    for bad in [
        "sid",
        "bookworm",
        "trixie-security",
        "trixie/x/y",
        "stable-updates",
        "",
        "updates",
    ] {
        assert!(
            matches!(parse(&text(""), bad), Err(BadRelease::OtherSuite { .. })),
            "{bad}"
        );
    }
    let security = text("")
        .replace("stable", "stable-security")
        .replace("trixie", "trixie-security");
    for good in ["trixie-security", "stable-security"] {
        assert_eq!(parse(&security, good).unwrap().suite_in_url(), good);
    }
    for bad in ["trixie", "stable"] {
        assert!(
            matches!(parse(&security, bad), Err(BadRelease::OtherSuite { .. })),
            "{bad}"
        );
    }
    let unnamed = text("").replace("Suite: stable\nCodename: trixie\n", "");
    assert!(matches!(
        parse(&unnamed, "whatever"),
        Err(BadRelease::OtherSuite { .. })
    ));
    let mut lenient = source("whatever");
    lenient.leniency.other_suite = true;
    for accepted in [&unnamed, &text("")] {
        let release = Release::parse(accepted, &lenient, NOW).unwrap();
        assert!(!release.is_requested());
    }
}

#[test]
fn it_must_be_valid_now() {
    let until = "Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n";
    let at = |fields: &str, now| Release::parse(&text(fields), &source("trixie"), now);
    let date = 1_789_199_741;
    let expiry = date + 7 * 86400;
    for now in [date, expiry] {
        assert_eq!(at(until, now).unwrap().valid_until, Some(expiry));
    }
    assert!(matches!(
        at(until, expiry + 1),
        Err(BadRelease::Expired { .. })
    ));
    for now in [expiry + 86400 * 3000, date - CLOCK_TOLERANCE] {
        assert_eq!(at("", now).unwrap().date(), Some(date));
    }
    assert!(matches!(
        at("", date - CLOCK_TOLERANCE - 1),
        Err(BadRelease::Future { .. })
    ));
    let ignoring = Source {
        expiry: Expiry::Ignore,
        ..source("trixie")
    };
    let expired = Release::parse(&text(until), &ignoring, expiry + 1).unwrap();
    assert_eq!(expired.valid_until, Some(expiry));
    assert!(matches!(
        Release::parse(&text(until), &ignoring, date - 86400),
        Err(BadRelease::Future { .. })
    ));
    let shown = at(until, expiry + 1).unwrap_err().to_string();
    assert_eq!(
        shown,
        "it was valid until 2026-09-19T07:55:41Z, which is before 2026-09-19T07:55:42Z"
    );
}

#[test]
fn a_source_can_lengthen_or_shorten_its_validity() {
    const DAY: i64 = 86_400;
    let date = 1_789_199_741;
    let until = "Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n";
    for (fields, shortest, longest, expected) in [
        (until, None, None, Some(7)),
        (until, Some(10), None, Some(10)),
        (until, Some(3), None, Some(7)),
        (until, None, Some(3), Some(3)),
        (until, None, Some(10), Some(7)),
        ("", Some(10), None, None),
        ("", None, Some(3), Some(3)),
    ] {
        let seconds = |days: Option<u32>| days.map(|days| days * 86_400);
        let mut own = source("trixie");
        own.exemptions.shortest = seconds(shortest);
        own.exemptions.longest = seconds(longest);
        let release = Release::parse(&text(fields), &own, date).unwrap();
        let expected = expected.map(|days: i64| date + days * DAY);
        assert_eq!(
            release.valid_until, expected,
            "{fields}{shortest:?} {longest:?}"
        );
    }
}

#[test]
fn dates_have_several_forms() {
    for good in [
        "Sat, 21 Nov 2026  9:52:04 UTC",
        "Sat, 21 Nov 2026 09:52:04 +0000",
        "sat, 21 nov 2026 09:52:04 GMT",
        "Mon, 21 November 2026 9:52:4 Z",
        "Fri, 21 Nov 2026 09:52:04 -0000",
        "Sat Nov 21 09:52:04 2026",
        "Saturday, 21-Nov-126 09:52:04 GMT",
    ] {
        assert_eq!(parse_date(good), Some(1_795_254_724), "{good}");
    }
    for bad in [
        "",
        "yesterday",
        "Sat, 21 Nov 2026 09:52:04",
        "Sat, 21 Nov 2026 09:52:04 +0200",
        "21 Nov 2026 09:52:04 GMT",
        "mer., 21 nov. 2026 09:52:04 UTC",
        "Sat, 21 Nov 2026 24:52:04 UTC",
        "Sat, 21 Nov 2026 09:52 UTC",
        "Sat, 21 Nov 2026 09:52:04 utc",
        "Sat, 32 Nov 2026 09:52:04 UTC",
        "Sat Nov 21 09:52:04 UTC 2026",
        "2026-11-21T09:52:04Z",
        "1795254724",
        "1 Jan 1970 1:2 UTC",
    ] {
        assert_eq!(parse_date(bad), None, "{bad}");
    }
    for (same, date) in [
        (
            "Sat, 31 Feb 2026 09:52:04 UTC",
            "Tue, 3 Mar 2026 09:52:04 UTC",
        ),
        (
            "Sat, 21 Nov 2026 09:51:60 UTC",
            "Sat, 21 Nov 2026 09:52:00 UTC",
        ),
    ] {
        assert_eq!(parse_date(same), parse_date(date), "{same}");
    }
    let bad = text("").replace("Sat, 12 Sep 2026 07:55:41 UTC", "soon");
    assert!(matches!(
        parse(&bad, "trixie"),
        Err(BadRelease::Date { field: "Date", .. })
    ));
    assert!(matches!(
        parse("Suite: stable\nSHA256:\n", "stable"),
        Err(BadRelease::Missing { field: "Date" })
    ));
}

#[test]
fn the_strongest_digests_are_used() {
    let sha512 = HASH.repeat(2);
    let both = format!(
        "{}SHA512:\n {sha512} 11 main/binary-amd64/Packages.gz\n",
        text("")
    );
    let release = parse(&both, "trixie").unwrap();
    assert_eq!(release.files.len(), 1);
    assert_eq!(
        release.files["main/binary-amd64/Packages.gz"]
            .digest
            .algorithm(),
        Algorithm::Sha512
    );
    let weak = text("").replace("SHA256:", "SHA1:");
    assert!(matches!(
        parse(&weak, "trixie"),
        Err(BadRelease::NoStrongDigests)
    ));
    for line in [
        "xyz 1 a",
        &format!("{HASH} a b"),
        HASH,
        &format!("{HASH} 1 a b"),
    ] {
        let bad = format!("{} {line}\n", text(""));
        assert!(
            matches!(parse(&bad, "trixie"), Err(BadRelease::File { .. })),
            "{line}"
        );
    }
}

#[test]
fn indexes_are_found_by_their_paths() {
    let release = parse(&text(""), "trixie").unwrap();
    assert_eq!(
        release.index_path("main", "amd64").as_deref(),
        Some("main/binary-amd64/Packages")
    );
    assert_eq!(
        release.index_path("updates/main", "amd64").as_deref(),
        Some("main/binary-amd64/Packages")
    );
    assert_eq!(
        (
            release.index_path("main", "arm64"),
            release.index_path("universe", "amd64")
        ),
        (None, None)
    );
    assert_eq!(
        release
            .compressions("main/binary-amd64/Packages")
            .collect::<Vec<_>>(),
        [Compression::Xz, Compression::None]
    );

    let digest = &release.files["main/binary-amd64/Packages.xz"].digest;
    let urls = release.urls("main/binary-amd64/Packages.xz", digest);
    let below = |mirror: &str, rest: &str| {
        format!("http://{mirror}.example.org/debian/dists/trixie/main/binary-amd64/{rest}")
    };
    let by_hash = format!("by-hash/SHA256/{HASH}");
    assert_eq!(
        urls,
        [
            below("a", &by_hash),
            below("a", "Packages.xz"),
            below("b", &by_hash),
            below("b", "Packages.xz")
        ]
    );
    let without = parse(&text("").replace("Acquire-By-Hash: yes\n", ""), "trixie").unwrap();
    assert_eq!(
        without.urls("x/Packages", digest),
        ["a", "b"].map(|m| format!("http://{m}.example.org/debian/dists/trixie/x/Packages"))
    );
}

#[test]
fn suites_have_directories() {
    for (uri, suite, url) in [
        ("http://m/debian/", "trixie", "http://m/debian/dists/trixie"),
        (
            "http://m/debian",
            "buster/updates",
            "http://m/debian/dists/buster/updates",
        ),
        ("http://m/repo", "./", "http://m/repo"),
        ("http://m/repo/", "/", "http://m/repo"),
        ("http://m/repo", "./amd64/", "http://m/repo/amd64"),
        ("file:/srv/repo", "a/b/", "file:/srv/repo/a/b"),
    ] {
        assert_eq!(suite_url(uri, suite), url);
    }
}
