use std::collections::BTreeSet;
use std::fs;

use super::*;

fn suites() -> Suites {
    Suites::load(&[]).unwrap()
}

#[test]
fn the_compiled_in_suites_are_read() {
    let suites = suites();
    let mut codenames = BTreeSet::new();
    for suite in suites.all() {
        assert!(codenames.insert(&suite.codename), "{}", suite.codename);
        assert!(!suite.keyrings.is_empty(), "{}", suite.codename);
        let pockets = suite.pockets_for("amd64");
        assert_eq!(
            (pockets[0].name.as_str(), &pockets[0].suite),
            ("release", &suite.codename)
        );
        assert!(
            pockets.iter().all(|pocket| !pocket.uris.is_empty()),
            "{}",
            suite.codename
        );
    }
    for distribution in ["debian", "ubuntu"] {
        assert_ne!(suites.names(distribution), [""; 0], "{distribution}");
    }
}

#[test]
fn suites_are_found_by_every_name() {
    let suites = suites();
    let find = |name| suites.find(name).map(|suite| suite.codename.as_str());
    let expected = [
        ("trixie", Some("trixie")),
        ("stable", Some("trixie")),
        ("oldstable", Some("bookworm")),
        ("oldoldstable", Some("bullseye")),
        ("testing", Some("forky")),
        ("unstable", Some("sid")),
        ("devel", Some("tenacious")),
        ("potato", None),
        ("", None),
    ];
    for (name, codename) in expected {
        assert_eq!(find(name), codename, "{name}");
    }
    assert!(
        suites.names("debian").contains(&"stable") && !suites.names("debian").contains(&"noble")
    );
}

/// Each suite's pockets as one line each, for one architecture.
fn shown(suite: &str, architecture: &str) -> Vec<String> {
    let pockets = suites().find(suite).unwrap().pockets_for(architecture);
    pockets
        .iter()
        .map(|p| format!("{} {} {}", p.name, p.suite, p.uris.join(" ")))
        .collect()
}

#[test]
fn pockets_have_the_mirrors_of_their_architecture() {
    let debian = "http://ftp.debian.org/debian";
    let security = "http://security.debian.org/debian-security";
    let old = "http://archive.debian.org/debian";
    let old_security = "http://archive.debian.org/debian-security";
    let expected = [
        format!("release trixie {debian}"),
        format!("updates trixie-updates {debian}"),
        format!("security trixie-security {security}"),
    ];
    assert_eq!(shown("trixie", "riscv64"), expected);
    assert_eq!(shown("sid", "amd64"), [format!("release sid {debian}")]);
    let expected = [
        format!("release buster {old}"),
        format!("updates buster-updates {old}"),
        format!("security buster/updates {old_security}"),
    ];
    assert_eq!(shown("buster", "amd64"), expected);
    assert_eq!(
        shown("bullseye", "amd64")[2],
        format!("security bullseye-security {security} {old_security}")
    );

    assert_eq!(
        shown("noble", "i386")[2],
        "security noble-security http://security.ubuntu.com/ubuntu"
    );
    assert_eq!(
        shown("noble", "arm64")[2],
        "security noble-security http://ports.ubuntu.com/ubuntu-ports"
    );
    let both = "http://archive.ubuntu.com/ubuntu http://old-releases.ubuntu.com/ubuntu";
    assert_eq!(
        shown("questing", "amd64")[0],
        format!("release questing {both}")
    );

    let noble = suites().find("noble").unwrap().clone();
    assert!(noble.shares_mirrors("amd64", "i386") && !noble.shares_mirrors("amd64", "arm64"));
}

#[test]
fn facts_that_differ_by_suite() {
    use MergedUsr::{MadeFirst, No, Shipped, WithPackage};
    let suites = suites();
    let facts = |name: &str| {
        let suite = suites.find(name).unwrap();
        (suite.merged_usr, suite.deb822_sources, suite.end_of_life)
    };
    assert_eq!(facts("buster"), (MadeFirst, false, true));
    assert_eq!(facts("bullseye"), (MadeFirst, false, false));
    assert_eq!(facts("bookworm"), (WithPackage, true, false));
    assert_eq!(facts("trixie"), (Shipped, true, false));
    assert_eq!(facts("bionic"), (No, false, false));
    assert_eq!(facts("jammy"), (MadeFirst, false, false));
    assert_eq!(facts("noble"), (Shipped, true, false));
}

#[test]
fn a_users_files_add_and_replace() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "debian.toml",
        "distribution = \"debian\"\n[[suites]]\ncodename = \"duke\"\naliases = [\"testing\"]\n\
         [[suites]]\ncodename = \"sid\"\n",
    );
    write(
        "mine.toml",
        r#"
        distribution = "mine"
        keyrings = ["mine"]
        [archives.main]
        mirrors = [{ uris = ["http://mirror.example.org/mine"] }]
        [pocket.release]
        suite = "{codename}"
        archive = "main"
        [keyring.mine]
        file = "mine.gpg"
        tree_path = "/usr/share/keyrings/mine.gpg"
        [[suites]]
        codename = "one"
        "#,
    );
    write("mine.gpg", "key");
    write("notes.txt", "not read");
    let absent = directory.path().join("absent");
    let suites = Suites::load(&[&absent, directory.path()]).unwrap();
    assert_eq!(suites.find("testing").unwrap().codename, "duke");
    assert_eq!(suites.find("sid").unwrap().pockets_for("amd64").len(), 3);
    let one = suites.find("one").unwrap();
    assert_eq!(
        (
            &*one.keyrings[0].bytes,
            one.pockets_for("amd64")[0].uris.concat().as_str()
        ),
        (&b"key"[..], "http://mirror.example.org/mine")
    );
}

#[test]
fn errors_name_the_file_and_the_field() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    let load = |text: &str| {
        fs::write(&file, text).unwrap();
        Suites::load(&[directory.path()]).unwrap_err()
    };
    for (text, expected) in [
        (
            "distribution = 1",
            "invalid type: integer `1`, expected a string",
        ),
        (
            "distribution = \"x\"\nmirrors = []",
            "unknown field `mirrors`",
        ),
    ] {
        let error = load(text);
        assert_eq!(
            error.to_string(),
            format!("{} is not a suite file", file.display())
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(expected), "{source}");
    }
    let suite = "[[suites]]\ncodename = \"y\"\n";
    for (text, expected) in [
        (
            format!("distribution = \"x\"\n{suite}"),
            "field `pockets`: unknown pocket `release`",
        ),
        (
            format!("distribution = \"debian\"\n{suite}keyrings = [\"z\"]"),
            "field `keyrings`: unknown keyring `z`",
        ),
        (
            format!(
                "distribution = \"debian\"\n{suite}[pocket.release]\nsuite = \"a\"\narchive = \"b\""
            ),
            "field `pocket.release.archive`: unknown archive `b`",
        ),
        (
            format!(
                "distribution = \"debian\"\n{suite}[keyring.archive]\nbuilt_in = \"c\"\n\
                 tree_path = \"d\""
            ),
            "field `keyring.archive.built_in`: unknown keyring `c`",
        ),
    ] {
        let message = load(&text).to_string();
        assert!(message.ends_with(expected), "{message}");
    }
    let message = load(&format!("distribution = \"x\"\n{suite}")).to_string();
    let start = format!("{}: suite y: ", file.display());
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn an_unlisted_suite_assumes_little() {
    let suite = Suite::unlisted("kali-rolling");
    let pockets = suite.pockets_for("amd64");
    assert_eq!(
        (
            pockets.len(),
            pockets[0].suite.as_str(),
            pockets[0].uris.len()
        ),
        (1, "kali-rolling", 0)
    );
    assert_eq!(
        (suite.merged_usr, suite.deb822_sources, suite.keyrings.len()),
        (MergedUsr::Shipped, false, 0)
    );
}

#[test]
fn variants_have_every_name() {
    for (name, variant) in [
        ("-", Variant::Important),
        ("minbase", Variant::Minbase),
        ("required", Variant::Minbase),
    ] {
        assert_eq!(name.parse::<Variant>().unwrap(), variant);
    }
    let error = "fakechroot".parse::<Variant>().unwrap_err().to_string();
    assert!(error.starts_with("unknown variant `fakechroot` (expected one of: essential, apt, "));
}
