//! Archives in every published form and mirrors with every fault: which files are requested, and
//! what happens without them.

mod names;

use std::fs;

use rbootstrap::testing::{
    Algorithm, Compression, DebBuilder, FakeArchive, FakeSuite, Mirror, MirrorFault,
    host_architecture,
};

use crate::context::{TestContext, suite};

#[test]
#[ignore = "needs time"]
fn every_shape_of_archive_is_read() {
    let one = |compression| FakeSuite {
        compressions: vec![compression],
        ..suite([])
    };
    let rows: [(&str, FakeSuite); 12] = [
        ("as Debian has it", suite([])),
        ("plain indexes", one(Compression::None)),
        ("gzip alone", one(Compression::Gzip)),
        ("xz alone", one(Compression::Xz)),
        (
            "zstd and xz",
            FakeSuite {
                compressions: vec![Compression::Zstd, Compression::Xz],
                ..suite([])
            },
        ),
        (
            "bzip2 and gzip",
            FakeSuite {
                compressions: vec![Compression::Bzip2, Compression::Gzip],
                ..suite([])
            },
        ),
        (
            "SHA512 alone, as the newest Ubuntu",
            FakeSuite {
                digests: vec![Algorithm::Sha512],
                ..suite([])
            },
        ),
        (
            "SHA256 and SHA512",
            FakeSuite {
                digests: vec![Algorithm::Sha256, Algorithm::Sha512],
                ..suite([])
            },
        ),
        (
            "an index of its own for all",
            FakeSuite {
                all_apart: true,
                ..suite([])
            },
        ),
        (
            "no by-hash",
            FakeSuite {
                by_hash: false,
                ..suite([])
            },
        ),
        (
            "InRelease alone",
            FakeSuite {
                detached: false,
                ..suite([])
            },
        ),
        (
            "Release and Release.gpg alone",
            FakeSuite {
                inline: false,
                ..suite([])
            },
        ),
    ];
    for (name, shape) in rows {
        let context = TestContext::of(&shape);
        let printed = context.make(&["--include=hello", "--print-debs"]);
        assert_eq!(printed.code, Some(0), "{name}: {}", printed.stderr);
        assert!(
            printed.text().contains("manual-pages") || printed.text().contains("netbase=6.4:"),
            "{name}: {}",
            printed.text()
        );
    }
}

#[test]
fn sha512_alone_goes_all_the_way() {
    let context = TestContext::of(&FakeSuite {
        digests: vec![Algorithm::Sha512],
        ..suite([])
    });
    context.download(&["--include=hello"]).ok();
}

#[test]
fn by_hash_is_used_where_it_is_offered() {
    for digests in [
        vec![Algorithm::Sha256],
        vec![Algorithm::Sha256, Algorithm::Sha512],
    ] {
        let strongest = digests.iter().max().unwrap().field();
        let context = TestContext::of(&FakeSuite {
            digests,
            ..suite([])
        });
        context.make(&["--print-debs"]).ok();
        let indexes: Vec<String> = context
            .mirror
            .paths()
            .into_iter()
            .filter(|path| path.contains("/binary-"))
            .collect();
        assert!(!indexes.is_empty());
        assert!(
            indexes
                .iter()
                .all(|path| path.contains(&format!("/by-hash/{strongest}/"))),
            "{indexes:?}"
        );
    }
}

#[test]
fn a_missing_by_hash_file_is_read_by_its_name() {
    let context = TestContext::new([]);
    let directory = context.archive.root.join(format!(
        "dists/fake/main/binary-{}/by-hash",
        host_architecture()
    ));
    fs::remove_dir_all(directory).unwrap();
    context.make(&["--print-debs"]).ok();
}

#[test]
fn a_file_mirror_serves() {
    let context = TestContext::new([]);
    let root = context.archive.root.display();
    for url in [format!("file:{root}"), format!("file://{root}")] {
        let arguments = [
            "--download-only",
            "--variant=essential",
            "fake",
            "root",
            &url,
        ];
        context.run(arguments).ok();
        fs::remove_dir_all(context.path("cache")).unwrap();
    }
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_is_made_from_a_file_mirror() {
    let context = TestContext::new([]);
    let url = format!("file:{}", context.archive.root.display());
    context
        .run(["--variant=essential", "fake", "root", &url])
        .ok();
    assert!(context.root().join("usr/bin/dpkg").exists());
}

#[test]
fn components_are_what_was_asked_for() {
    let shape = suite([])
        .component("contrib", [DebBuilder::new("odd-one", "1")])
        .component("non-free", [DebBuilder::new("odder-one", "1")]);
    let context = TestContext::of(&shape);
    context
        .make(&["--include=odd-one", "--print-debs"])
        .fails(4)
        .names(&["odd-one"]);
    for option in [
        &["--components=main,contrib"][..],
        &["--components", "main", "--components", "contrib"],
    ] {
        context
            .make(&[option, &["--include=odd-one", "--print-debs"]].concat())
            .ok();
    }
    context
        .make(&["--components=main,nonsense", "--print-debs"])
        .ok()
        .names(&["fake has no component nonsense"]);
    context
        .make(&["--components=nonsense", "--print-debs"])
        .fails(2)
        .names(&["nonsense"]);
}

#[test]
fn pockets_are_resolved_together() {
    let security =
        FakeSuite::new("fake-security")
            .with([DebBuilder::new("netbase", "6.4+deb13u1").field("Priority", "important")]);
    let context = TestContext::new([]);
    context.archive.publish(&security);
    let line = format!(
        "deb [signed-by={}] {} fake-security main",
        context.path("keyring.gpg").display(),
        context.mirror.url()
    );
    let printed = context
        .make(&["--print-debs", "--source", &line])
        .ok()
        .text();
    assert!(printed.contains("netbase=6.4+deb13u1:"), "{printed}");
    fs::write(context.path("more.list"), format!("# security\n{line}\n")).unwrap();
    let stanza = format!(
        "Types: deb\nURIs: {}\nSuites: fake-security\nComponents: main\nSigned-By: {}\n",
        context.mirror.url(),
        context.path("keyring.gpg").display()
    );
    fs::write(context.path("more.sources"), stanza).unwrap();
    for file in ["more.list", "more.sources"] {
        let printed = context
            .make(&["--print-debs", "--source", file])
            .ok()
            .text();
        assert!(
            printed.contains("netbase=6.4+deb13u1:"),
            "{file}: {printed}"
        );
    }
}

#[test]
fn backports_wait_to_be_asked() {
    let backports = FakeSuite {
        extra: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n".to_owned(),
        ..FakeSuite::new("fake-backports")
            .with([DebBuilder::new("hello", "3.0~bpo1").architecture(host_architecture())])
    };
    let context = TestContext::new([]);
    context.archive.publish(&backports);
    let line = format!(
        "deb [signed-by={}] {} fake-backports main",
        context.path("keyring.gpg").display(),
        context.mirror.url()
    );
    let printed = context
        .make(&["--print-debs", "--include=hello", "--source", &line])
        .ok()
        .text();
    assert!(printed.contains("hello=2.10-1:"), "{printed}");
    let printed = context
        .make(&[
            "--print-debs",
            "--include=hello/fake-backports",
            "--source",
            &line,
        ])
        .ok()
        .text();
    assert!(printed.contains("hello=3.0~bpo1:"), "{printed}");
}

#[test]
fn a_known_suite_comes_from_another_mirror() {
    let context = TestContext::of(&FakeSuite {
        name: "trixie".to_owned(),
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        ..suite([])
    });
    let url = context.mirror.url();
    context
        .run([
            "--download-only",
            "--variant=minbase",
            "trixie",
            "root",
            &url,
        ])
        .ok();
    for path in context.mirror.paths() {
        assert!(
            path.starts_with("/dists/trixie/") || path.starts_with("/pool/"),
            "{path}"
        );
    }
}

#[test]
fn a_further_mirror_takes_over() {
    let context = TestContext::new([]);
    let second = Mirror::start(context.archive.root.clone());
    context.mirror.fault(".deb", MirrorFault::Missing);
    context
        .download(&["--variant=essential", "--mirror", &second.url()])
        .ok();
    assert!(second.paths().iter().any(|path| path.ends_with(".deb")));
}

#[test]
fn redirects_are_followed() {
    let context = TestContext::new([]);
    let second = Mirror::start(context.archive.root.clone());
    context.mirror.fault(
        "/dists/fake/InRelease",
        MirrorFault::Redirect(format!("{}/dists/fake/InRelease", second.url())),
    );
    context.make(&["--print-debs"]).ok();
    assert_eq!(second.paths(), ["/dists/fake/InRelease"]);
}

#[test]
fn a_mirror_that_moves_between_release_and_index_is_read_again() {
    for by_hash in [true, false] {
        let context = TestContext::bare();
        let old = FakeArchive {
            root: context.path("archive"),
            key: context.archive.key.clone(),
        };
        old.publish(&FakeSuite {
            by_hash,
            ..suite([DebBuilder::new("news", "1")])
        });
        let new = FakeArchive {
            root: context.path("archive-new"),
            key: context.archive.key.clone(),
        };
        new.publish(&FakeSuite {
            by_hash,
            date: rbootstrap::testing::archive::DATE + 3600,
            ..suite([DebBuilder::new("news", "2")])
        });
        context.mirror.fault(
            "/dists/fake/InRelease",
            MirrorFault::MoveTo(new.root.clone()),
        );
        let printed = context
            .make(&["--print-debs", "--include=news"])
            .ok()
            .text();
        assert!(printed.contains("news=2:"), "{printed}");
    }
}

/// Expects an error for a file that breaks off in every try.
#[track_caller]
fn assert_cut_is_noticed(ending: &str) {
    let context = TestContext::of(&FakeSuite {
        by_hash: false,
        compressions: vec![Compression::Xz],
        ..suite([])
    });
    context.mirror.fault(ending, MirrorFault::Break(1000));
    context
        .download(&["--variant=essential", "--tries=2"])
        .fails(5)
        .names(&[ending, &context.mirror.url()]);
    context.assert_nothing_left();
}

#[test]
fn a_cut_index_is_noticed() {
    assert_cut_is_noticed("Packages.xz");
}

#[test]
fn a_cut_package_is_noticed() {
    assert_cut_is_noticed(".deb");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let context = TestContext::new([]);
    context
        .mirror
        .fault("/dists/fake/InRelease", MirrorFault::Endless);
    context.print_debs(&[]).fails(5).names(&["InRelease"]);
}
