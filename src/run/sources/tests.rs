use super::super::request::ListedSources;
use super::*;
use crate::formats::snapshot_time::SnapshotTime;

fn options(mirror: Option<&str>) -> SourceOptions {
    SourceOptions {
        check_signatures: false,
        ..SourceOptions::from_mirror(mirror)
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tests write their files with the standard library"
)]
fn components_are_those_of_the_suite_unless_given() {
    let directory = tempfile::tempdir().unwrap();
    let text = "distribution = \"debian\"\n[[suites]]\ncodename = \"mine\"\n\
                components = [\"a\", \"b\"]\n";
    std::fs::write(directory.path().join("mine.toml"), text).unwrap();
    for (suite, given, expected) in [
        ("mine", &[][..], &["a", "b"][..]),
        ("mine", &["c"], &["c"]),
        ("trixie", &[], &["main"]),
    ] {
        let options = SourceOptions {
            suite_directories: vec![directory.path().to_owned()],
            components: given.iter().map(|name| (*name).to_owned()).collect(),
            ..options(None)
        };
        let sources = choose(&System::minbase(suite), &options, &Report::silent()).unwrap();
        assert_eq!(sources.list[0].components, expected, "{suite}");
    }
}

/// Suite and mirrors of each source, or the error.
fn chosen(system: &System, options: &SourceOptions) -> String {
    let sources = match choose(system, options, &Report::silent()) {
        Ok(sources) => sources,
        Err(error) => return error.to_string(),
    };
    let mut lines = Vec::new();
    for source in sources.list {
        lines.push(format!("{} {}", source.suite, source.uris.join(" ")));
    }
    lines.join("\n")
}

#[test]
fn a_mirror_serves_the_release_pocket_by_the_users_name() {
    let mut given = options(Some("http://m/debian"));
    given.further_mirrors.push("http://n/debian".into());
    assert_eq!(
        chosen(&System::minbase("stable"), &given),
        "stable http://m/debian http://n/debian"
    );
}

/// The system lists the suite's public archive, unless told otherwise.
#[test]
fn the_systems_sources_are_the_suites_or_the_runs_or_none() {
    use ListedSources::{Nothing, Suite, Used};
    const MAIN: &str = "http://ftp.debian.org/debian";
    const SECURITY: &str = "http://security.debian.org/debian-security";
    const EXTRA: &str = "sid http://x/debian\n";
    let public =
        format!("trixie {MAIN}\ntrixie-updates {MAIN}\ntrixie-security {SECURITY}\n{EXTRA}");
    let release = format!("trixie {MAIN}\n{EXTRA}");
    let mirror = format!("trixie http://m/debian\n{EXTRA}");
    let own = format!("own http://m/debian\n{EXTRA}");
    for (suite, has_mirror, pockets, listed, expected) in [
        ("trixie", true, true, Suite, &public),
        ("trixie", false, true, Suite, &public),
        ("stable", true, true, Suite, &public),
        ("trixie", true, false, Suite, &release),
        ("trixie", false, false, Suite, &release),
        ("trixie", true, true, Used, &mirror),
        ("own", true, true, Suite, &own),
        ("trixie", true, true, Nothing, &String::new()),
        ("own", true, true, Nothing, &String::new()),
    ] {
        let mut given = options(has_mirror.then_some("http://m/debian"));
        given.extra_sources = vec!["deb http://x/debian sid main".into()];
        given.listed = listed;
        given.pockets = pockets;
        let sources = choose(&System::minbase(suite), &given, &Report::silent()).unwrap();
        let mut lines = String::new();
        for source in sources.listed(&[]) {
            lines.push_str(&format!("{} {}\n", source.suite, source.uris[0]));
        }
        assert_eq!(
            &lines, expected,
            "{suite} {has_mirror} {pockets} {listed:?}"
        );
    }
}

#[test]
fn extra_sources_follow_with_one_mirror_each() {
    let mut given = options(Some("http://m/debian"));
    let line = "deb http://x/debian sid main";
    given.extra_sources.push(line.into());
    assert_eq!(
        chosen(&System::minbase("trixie"), &given),
        "trixie http://m/debian\nsid http://x/debian"
    );
}

#[test]
fn snapshots_take_the_place_of_every_mirror() {
    const DEBIAN: &str = "http://snapshot.debian.org/archive/debian/20260912T000000Z";
    const SECURITY: &str = "http://snapshot.debian.org/archive/debian-security/20260912T000000Z";
    let trixie = format!("trixie {DEBIAN}\ntrixie-updates {DEBIAN}\ntrixie-security {SECURITY}");
    let given = |mirror: Option<&str>| SourceOptions {
        snapshot: SnapshotTime::parse("2026-09-12"),
        ..options(mirror)
    };
    let system = System::minbase("trixie");
    assert_eq!(chosen(&system, &given(None)), trixie);
    let sources = choose(&system, &given(None), &Report::silent()).unwrap();
    assert_eq!(sources.list[2].archive, SECURITY);
    assert_eq!(sources.list[0].leniency.as_of, Some(1_789_171_200));
    assert_eq!(
        sources.listed(&[])[0].uris,
        ["http://ftp.debian.org/debian"]
    );
    assert_eq!(
        chosen(&system, &given(Some("http://m/{time}/debian"))),
        "trixie http://m/20260912T000000Z/debian"
    );
    assert_eq!(
        chosen(&system, &given(Some("http://m/debian"))),
        "--snapshot needs `{time}` in the URL of each mirror, which http://m/debian does not have"
    );
}

#[test]
fn further_mirrors_of_snapshots_are_of_the_same_time() {
    let system = System::minbase("trixie");
    let mut given = options(Some("http://m/{time}"));
    given.snapshot = SnapshotTime::parse("2026-09-12");
    given.further_mirrors = vec!["http://n/{time}/".into(), "http://o/x?{time}".into()];
    let sources = choose(&system, &given, &Report::silent()).unwrap();
    assert_eq!(
        sources.list[0].uris,
        [
            "http://m/20260912T000000Z",
            "http://n/20260912T000000Z/",
            "http://o/x?20260912T000000Z"
        ]
    );
    given.further_mirrors.push("http://u:s3cret@live".into());
    assert_eq!(
        chosen(&system, &given),
        "--snapshot needs `{time}` in the URL of each mirror, which http://u:***@live does not have"
    );
}

/// The archive under whose name the dates of the release pocket are remembered.
#[test]
fn dates_belong_to_the_distribution_or_to_the_users_mirror() {
    let listed = "http://ftp.debian.org/debian";
    let slash = "http://ftp.debian.org/debian/";
    for (mirror, has_keys, expected) in [
        (None, false, "debian main"),
        (Some(listed), false, "debian main"),
        (Some(slash), false, "debian main"),
        (Some("http://m/debian"), false, "http://m/debian"),
        (Some(slash), true, listed),
        (None, true, listed),
    ] {
        let mut given = options(mirror);
        if has_keys {
            given.keyrings.push("own.gpg".into());
        }
        let suites = load_suites(&[]).unwrap();
        let suite = suites.find("trixie").unwrap();
        let pockets = suite.pockets_for("amd64");
        let names = archive_names(suite, &pockets, &given);
        assert_eq!(names[0], expected, "{mirror:?} {has_keys}");
    }
}

#[test]
fn a_suite_that_no_file_lists_needs_a_mirror_and_a_keyring() {
    let mirror = Some("http://m/own");
    let mut given = options(None);
    assert_eq!(
        chosen(&System::minbase("own"), &given),
        "unknown suite `own`"
    );
    given.keyrings.push("own.gpg".into());
    assert_eq!(
        chosen(&System::minbase("own"), &given),
        "no suite file lists `own`, so it needs a MIRROR"
    );
    let mut checked = options(mirror);
    checked.check_signatures = true;
    assert_eq!(
        chosen(&System::minbase("own"), &checked),
        "no suite file lists `own`, so it needs a --keyring"
    );
    assert_eq!(
        chosen(&System::minbase("own"), &options(mirror)),
        "own http://m/own"
    );
}

#[test]
fn usr_cannot_be_split_where_packages_ship_it_merged() {
    let mut split = System::minbase("trixie");
    split.merged_usr = Some(false);
    assert_eq!(
        chosen(&split, &options(Some("http://m/debian"))),
        "`trixie` does not support --no-merged-usr"
    );
}

#[test]
fn typing_errors_in_suite_names_are_recognised() {
    let suites = load_suites(&[]).unwrap();
    for typed in ["trixi", "trixiee", "trixei", "trlxie", "rtixie"] {
        assert_eq!(similar_names(&suites, typed), ["trixie"], "{typed}");
    }
    for typed in ["tri", "eixirt", "debian"] {
        let none: [&str; 0] = [];
        assert_eq!(similar_names(&suites, typed), none, "{typed}");
    }
}
