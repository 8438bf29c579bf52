mod indexes;

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use super::*;
use crate::archive::index::cheapest_first;
use crate::archive::openpgp::Fault;
use crate::archive::openpgp::tests::signed;
use crate::archive::release::with_extension;
use crate::archive::{BadRelease, Exemptions, Expiry, SignatureError, Trust};
use crate::failure::Class;
use crate::formats::compress::{Compression, encoder};
use crate::formats::digest::{Algorithm, digest};
use crate::report::Event;
use crate::store::tests::{open, sealed};
use crate::testing::server::{Reply, Server};

/// 2026-09-13T00:00:00Z
const NOW: i64 = 1_789_257_600;

const OPTIONS: ReaderOptions = ReaderOptions {
    now: NOW,
    mirror_wait: Duration::from_millis(36),
    for_patterns: false,
};

type Files = HashMap<String, Vec<u8>>;

pub(in crate::archive) fn packages(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("Package: {name}\nVersion: 1\n\n"))
        .collect()
}

pub(in crate::archive) fn compress(compression: Compression, text: &str) -> Vec<u8> {
    let mut out = encoder(compression, Vec::new(), 1).unwrap();
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// A Release file of `suite` with these fields, for these files by their paths below it. As real
/// ones do, it lists the uncompressed indexes too, which no mirror here has.
fn release(suite: &str, fields: &str, files: &Files) -> String {
    let mut files = files.clone();
    let paths: Vec<String> = files.keys().cloned().collect();
    for path in paths {
        if let Some((plain, _)) = path.rsplit_once("Packages.") {
            files.entry(format!("{plain}Packages")).or_default();
        }
    }
    let mut list: Vec<String> = files
        .iter()
        .map(|(path, content)| {
            format!(
                " {} {} {path}\n",
                digest(Algorithm::Sha256, content).hexadecimal(),
                content.len()
            )
        })
        .collect();
    list.sort();
    format!(
        "Suite: {suite}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n{fields}SHA256:\n{}",
        list.concat()
    )
}

fn files(indexes: &[(&str, Compression, &str)]) -> Files {
    let name = |path: &str, compression: Compression| {
        with_extension(&format!("{path}/Packages"), compression)
    };
    indexes
        .iter()
        .map(|(path, compression, text)| (name(path, *compression), compress(*compression, text)))
        .collect()
}

/// What a mirror serves, by path.
fn mirror(content: Files) -> Server {
    let content = Mutex::new(content);
    Server::start(move |asked| {
        content
            .lock()
            .unwrap()
            .get(&asked.target)
            .map_or_else(|| Reply::status(404), |body| Reply::of(body))
    })
}

/// An archive with one suite.
fn archive(suite: &str, release: &str, files: &Files) -> Files {
    let mut all: Files = files
        .iter()
        .map(|(path, content)| (format!("/dists/{suite}/{path}"), content.clone()))
        .collect();
    all.insert(
        format!("/dists/{suite}/Release"),
        release.as_bytes().to_vec(),
    );
    all
}

fn source(uri: String, suite: &str) -> Source {
    Source {
        uris: vec![uri],
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

fn read_all(sources: &[Source]) -> (Result<Index, Error>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let report = {
        let heard = Arc::clone(&heard);
        Report::new(move |event| match event {
            Event::Warning(text) => heard.lock().unwrap().push(format!("warning: {text}")),
            Event::Began { .. } | Event::Ended { .. } => {
                heard.lock().unwrap().push(format!("{event:?}"))
            }
            _ => {}
        })
    };
    let store = open(
        directory.path(),
        false,
        Duration::from_secs(10),
        report.clone(),
    );
    let index = IndexReader::new(&store, sources, OPTIONS, &report).index(&|_| {});
    let heard = heard.lock().unwrap().clone();
    (index, heard)
}

fn shown(index: &Index) -> Vec<String> {
    let line = |l: &Listing| {
        format!(
            "{} {} {}",
            l.release.source().suite,
            l.architecture,
            l.text.replace("\nVersion: 1\n\n", " ")
        )
    };
    index
        .listings
        .iter()
        .map(|listing| line(listing).replace("Package: ", "").trim().to_owned())
        .collect()
}

#[test]
fn listings_come_in_apts_order() {
    let all = files(&[
        (
            "main/binary-amd64",
            Compression::Gzip,
            &packages(&["a", "b"]),
        ),
        ("main/binary-i386", Compression::Zstd, &packages(&["c"])),
        ("main/binary-all", Compression::Xz, &packages(&["d"])),
        ("contrib/binary-amd64", Compression::None, &packages(&["e"])),
        ("contrib/binary-all", Compression::Gzip, ""),
    ]);
    let text = release("trixie", "Architectures: all amd64 i386\n", &all);
    let server = mirror(archive("trixie", &text, &all));
    let mut first = source(server.url(""), "trixie");
    first.components = vec!["contrib".into(), "main".into()];
    first.architectures = vec!["amd64".into(), "i386".into()];
    let security = files(&[("main/binary-amd64", Compression::Gzip, &packages(&["f"]))]);
    let text = release(
        "trixie-security",
        "Architectures: amd64\nComponents: updates/main\n",
        &security,
    );
    let other = mirror(archive("trixie-security", &text, &security));
    let mut second = source(other.url(""), "trixie-security");
    second.components = vec!["updates/main".into()];

    let (index, heard) = read_all(&[first, second]);
    let expected = [
        "trixie amd64 e",
        "trixie all",
        "trixie amd64 a b",
        "trixie i386 c",
        "trixie all d",
        "trixie-security amd64 f",
    ];
    assert_eq!(shown(&index.unwrap()), expected);
    assert_eq!(
        heard,
        [
            "Began { stage: Indexes, total: 0 }",
            "Ended { stage: Indexes }"
        ]
    );
}

#[test]
fn only_a_signed_release_is_read() {
    let all = files(&[("main/binary-amd64", Compression::Gzip, &packages(&["a"]))]);
    let text = release("trixie", "Acquire-By-Hash: yes\n", &all);
    let (inline, keyring) = signed(&text, NOW - 100);
    let mut content = archive("trixie", "not this one", &Files::new());
    content.insert("/dists/trixie/InRelease".into(), inline.into_bytes());
    let packed = &all["main/binary-amd64/Packages.gz"];
    let hash = digest(Algorithm::Sha256, packed).hexadecimal();
    content.insert(
        format!("/dists/trixie/main/binary-amd64/by-hash/SHA256/{hash}"),
        packed.clone(),
    );
    content.insert(
        "/dists/trixie/main/binary-amd64/Packages.gz".into(),
        b"of another day".to_vec(),
    );
    let server = mirror(content);
    let trusting = Source {
        trust: Trust::Keys(Arc::new(keyring)),
        ..source(server.url(""), "trixie")
    };
    assert_eq!(shown(&read_all(&[trusting]).0.unwrap()), ["trixie amd64 a"]);

    let stranger = Source {
        trust: Trust::Keys(Arc::new(signed("", NOW).1)),
        ..source(server.url(""), "trixie")
    };
    let error = read_all(&[stranger]).0.unwrap_err();
    assert_eq!(error.class(), Class::Trust);
    let Error::Signature {
        source: SignatureError::NoneGood { attempts },
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(attempts[0].fault, Fault::UnknownKey);
}

#[test]
fn an_unsigned_release_needs_trust() {
    let text = release("trixie", "", &Files::new());
    let server = mirror(archive("trixie", &text, &Files::new()));
    let checked = Source {
        trust: Trust::Keys(Arc::new(signed("", NOW).1)),
        ..source(server.url(""), "trixie")
    };
    let error = read_all(&[checked]).0.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Signature {
                source: SignatureError::Unsigned,
                ..
            }
        ),
        "{error}"
    );
    let absent = read_all(&[source(server.url(""), "sid")]).0.unwrap_err();
    assert!(
        absent.class() == Class::Network && matches!(absent, Error::Fetch { .. }),
        "{absent}"
    );
}

#[test]
fn a_stale_or_wrong_mirror_is_replaced_by_another() {
    let all = files(&[("main/binary-amd64", Compression::Gzip, &packages(&["a"]))]);
    let stale = mirror(archive(
        "trixie",
        &release(
            "trixie",
            "Valid-Until: Sat, 12 Sep 2026 08:00:00 UTC\n",
            &all,
        ),
        &all,
    ));
    let good = mirror(archive("trixie", &release("trixie", "", &all), &all));
    let both = |first: &Server, second: &Server| Source {
        uris: vec![first.url(""), second.url("")],
        ..source(String::new(), "trixie")
    };
    let index = read_all(&[both(&stale, &good)]).0.unwrap();
    assert_eq!(shown(&index), ["trixie amd64 a"]);
    assert_eq!(index.listings[0].release.source().uris[0], good.url(""));
    let error = read_all(&[both(&stale, &stale)]).0.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Release {
                source: BadRelease::Expired { .. },
                ..
            }
        ),
        "{error}"
    );
    let gone = mirror(Files::new());
    let index = read_all(&[both(&gone, &good)]).0.unwrap();
    assert_eq!(
        index.listings[0].release.source().uris,
        [good.url(""), gone.url("")]
    );
    assert!(matches!(
        read_all(&[both(&stale, &gone)]).0,
        Err(Error::Release { .. })
    ));
}

#[test]
fn a_mirror_that_moves_is_read_again() {
    let old = packages(&["old"]);
    let new = packages(&["new"]);
    let old = files(&[("main/binary-amd64", Compression::Gzip, &old)]);
    let new = files(&[("main/binary-amd64", Compression::Gzip, &new)]);
    let before = release("sid", "", &old);
    let after = release("sid", "", &new);
    let moved = |turns: usize| {
        let before = before.clone();
        let after = after.clone();
        let new = new["main/binary-amd64/Packages.gz"].clone();
        Server::start(move |asked| match asked.target.as_str() {
            "/dists/sid/Release" => Reply::of(if asked.before < turns {
                before.as_bytes()
            } else {
                after.as_bytes()
            }),
            "/dists/sid/main/binary-amd64/Packages.gz" => Reply::of(&new),
            _ => Reply::status(404),
        })
    };
    let server = moved(5);
    assert_eq!(
        shown(&read_all(&[source(server.url(""), "sid")]).0.unwrap()),
        ["sid amd64 new"]
    );
    let server = moved(6);
    let error = read_all(&[source(server.url(""), "sid")]).0.unwrap_err();
    assert!(
        matches!(error, Error::Mismatch { tries: 6, .. }) && error.class() == Class::Trust,
        "{error}"
    );
}

#[test]
fn the_first_failure_that_is_not_a_cancellation_is_reported() {
    let cancelled = || {
        Err(Error::Fetch {
            name: "a".into(),
            source: Box::new(store::Error::Cancelled),
        })
    };
    let own = || Err(Error::NoIndex { suite: "b".into() });
    let failure =
        |results: Vec<Result<(), Error>>| all_or_first_failure(results).unwrap_err().to_string();
    assert_eq!(
        failure(vec![Ok(()), cancelled(), own(), cancelled()]),
        "b has no Packages file"
    );
    assert_eq!(failure(vec![own(), cancelled()]), "b has no Packages file");
    assert_eq!(failure(vec![cancelled(), Ok(())]), "cannot fetch a");
    assert_eq!(all_or_first_failure(vec![Ok(1), Ok(2)]).unwrap(), [1, 2]);
}
