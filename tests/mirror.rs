//! Mirrors in every shape and every mood: which of an archive's files are asked for, and what happens when they do not come.

use std::collections::BTreeMap;
use std::fs;

use rbootstrap::testing::Algorithm;
use rbootstrap::testing::Compression;

use crate::world::archive::{self, Archive, Suite};
use crate::world::deb::Deb;
use crate::world::server::{Fault, Server};
use crate::world::{World, host_architecture, suite};

#[test]
fn every_shape_of_archive_is_read() {
    let one = |compression| Suite {
        compressions: vec![compression],
        ..suite([])
    };
    let rows: [(&str, Suite); 12] = [
        ("as Debian has it", suite([])),
        ("plain indexes", one(Compression::None)),
        ("gzip alone", one(Compression::Gzip)),
        ("xz alone", one(Compression::Xz)),
        (
            "zstd and xz",
            Suite {
                compressions: vec![Compression::Zstd, Compression::Xz],
                ..suite([])
            },
        ),
        (
            "bzip2 and gzip",
            Suite {
                compressions: vec![Compression::Bzip2, Compression::Gzip],
                ..suite([])
            },
        ),
        (
            "SHA512 alone, as the newest Ubuntu",
            Suite {
                digests: vec![Algorithm::Sha512],
                ..suite([])
            },
        ),
        (
            "SHA256 and SHA512",
            Suite {
                digests: vec![Algorithm::Sha256, Algorithm::Sha512],
                ..suite([])
            },
        ),
        (
            "an index of its own for all",
            Suite {
                all_apart: true,
                ..suite([])
            },
        ),
        (
            "no by-hash",
            Suite {
                by_hash: false,
                ..suite([])
            },
        ),
        (
            "InRelease alone",
            Suite {
                detached: false,
                ..suite([])
            },
        ),
        (
            "Release and Release.gpg alone",
            Suite {
                inline: false,
                ..suite([])
            },
        ),
    ];
    for (name, shape) in rows {
        let Some(world) = World::of(&shape) else {
            return;
        };
        let printed = world.make(&["--include=hello", "--print-debs"]);
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
    let Some(world) = World::of(&Suite {
        digests: vec![Algorithm::Sha512],
        ..suite([])
    }) else {
        return;
    };
    world.make(&["--include=hello"]).ok();
}

#[test]
fn by_hash_is_used_where_it_is_offered() {
    for digests in [
        vec![Algorithm::Sha256],
        vec![Algorithm::Sha256, Algorithm::Sha512],
    ] {
        let strongest = digests.iter().max().unwrap().field();
        let Some(world) = World::of(&Suite {
            digests,
            ..suite([])
        }) else {
            return;
        };
        world.make(&["--print-debs"]).ok();
        let indexes: Vec<String> = world
            .server
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
    let Some(world) = World::new([]) else { return };
    let directory = world.archive.root.join(format!(
        "dists/fake/main/binary-{}/by-hash",
        host_architecture()
    ));
    fs::remove_dir_all(directory).unwrap();
    world.make(&["--print-debs"]).ok();
}

#[test]
fn a_file_mirror_serves() {
    let Some(world) = World::new([]) else { return };
    for url in [
        format!("file:{}", world.archive.root.display()),
        format!("file://{}", world.archive.root.display()),
    ] {
        let made = world
            .run([
                "--variant=essential".as_ref(),
                "fake".as_ref(),
                world.root().as_os_str(),
                url.as_ref(),
            ])
            .ok();
        assert!(made.stdout.is_empty());
        fs::remove_dir_all(world.root()).unwrap();
    }
    assert_eq!(world.server.paths(), Vec::<String>::new());
}

#[test]
fn the_paths_of_ports_and_odd_versions_are_escaped() {
    let odd = Deb::new("odd", "1:2.0+dfsg~rc1-1").file("usr/share/odd", "odd\n");
    let Some(mut world) = World::bare_if_able() else {
        return;
    };
    let ports = world.archive.root.join("ubuntu-ports");
    let archive = Archive {
        root: ports,
        key: world.archive.key.clone(),
    };
    archive.publish(&suite([odd]));
    world.archive = archive;
    let url = format!("{}/ubuntu-ports/", world.server.url());
    world
        .run([
            "--variant=essential".as_ref(),
            "--include=odd".as_ref(),
            "fake".as_ref(),
            world.root().as_os_str(),
            url.as_ref(),
        ])
        .ok();
    assert_eq!(world.read("usr/share/odd"), "odd\n");
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| path.starts_with("/ubuntu-ports/dists/")
                || path.starts_with("/ubuntu-ports/pool/")),
        "{:?}",
        world.server.paths()
    );
}

/// File names of an index, and the paths by which apt asks a server for them (`%`, `+`, `~` and spaces are encoded; we
/// encode `?` and `#` as well, for which apt asks in vain).
const ODD_NAMES: [(&str, &str); 8] = [
    ("pool/odd_1%3a2_all.deb", "pool/odd_1%253a2_all.deb"),
    ("pool/100%.deb", "pool/100%25.deb"),
    ("pool/with space.deb", "pool/with%20space.deb"),
    ("pool/a+b~c.deb", "pool/a%2bb%7ec.deb"),
    ("pool/what?.deb", "pool/what%3f.deb"),
    ("pool/no#1.deb", "pool/no%231.deb"),
    ("pool/\u{e4}.deb", "pool/%c3%a4.deb"),
    ("./in/place.deb", "in/place.deb"),
];

/// What the indexes say of a package `oddN` for each of [`ODD_NAMES`], whose files are in the pool.
fn odd_packages(world: &World) -> String {
    let mut text = String::new();
    for (number, (name, _)) in ODD_NAMES.iter().enumerate() {
        let deb = Deb::new(&format!("odd{number}"), "1");
        text += &deb.stanza();
        text += &world.archive.place(name, &crate::world::built(&deb.into()));
        text += "\n";
    }
    text
}

/// Downloads the odd packages from a source, given as the arguments behind the options, into an empty cache.
fn download_odd_packages(world: &World, source: &[&str]) {
    let names: Vec<String> = (0..ODD_NAMES.len()).map(|n| format!("odd{n}")).collect();
    let include = format!("--include={}", names.join(","));
    let options = ["--download-only", "--variant=custom", &include];
    let _ = fs::remove_dir_all(world.path("cache"));
    world.run(options.iter().chain(source)).ok();
}

#[test]
fn file_names_are_encoded_as_apt_encodes_them() {
    let world = World::bare();
    let index = format!("main/binary-{}/Packages", host_architecture());
    let text = odd_packages(&world);
    world.archive.publish_text(&suite([]), &index, &text);
    download_odd_packages(&world, &["fake", "root", &world.server.url()]);
    let paths = world.server.paths();
    for (name, asked) in ODD_NAMES {
        assert!(paths.contains(&format!("/{asked}")), "{name}: {paths:#?}");
    }
    // On this host, a file has the very name that the index gives it.
    let local = format!("file:{}", world.archive.root.display());
    download_odd_packages(&world, &["fake", "root", &local]);
    assert_eq!(world.server.paths(), paths);
}

#[test]
fn file_names_of_flat_archives_are_encoded() {
    let world = World::bare();
    world.archive.publish(&suite([]));
    let flat = world.archive.root.join("flat+1");
    fs::create_dir(&flat).unwrap();
    fs::write(flat.join("Packages"), odd_packages(&world)).unwrap();
    let text = fs::read(flat.join("Packages")).unwrap();
    let files = BTreeMap::from([("Packages".to_owned(), text)]);
    let shape = suite([]);
    world
        .archive
        .sign(&shape, &flat, &archive::release(&shape, &files));
    for (base, is_served) in [
        (world.server.url(), true),
        (format!("file:{}", world.archive.root.display()), false),
    ] {
        world.server.forget();
        let line = format!(
            "deb [signed-by={}] {base} flat+1/",
            world.path("keyring.gpg").display()
        );
        let url = format!("file:{}", world.archive.root.display());
        download_odd_packages(&world, &["--source", &line, "fake", "root", &url]);
        let paths = world.server.paths();
        let asked = paths.iter().filter(|path| path.ends_with(".deb")).count();
        let expected = if is_served { ODD_NAMES.len() } else { 0 };
        assert_eq!(asked, expected, "{base}: {paths:#?}");
        assert_eq!(
            is_served,
            paths.iter().any(|path| path == "/flat%2b1/InRelease")
        );
    }
}

#[test]
fn components_are_what_was_asked_for() {
    let shape = suite([])
        .component("contrib", [Deb::new("odd-one", "1")])
        .component("non-free", [Deb::new("odder-one", "1")]);
    let Some(world) = World::of(&shape) else {
        return;
    };
    world
        .make(&["--include=odd-one", "--print-debs"])
        .fails(4)
        .names(&["odd-one"]);
    for option in [
        &["--components=main,contrib"][..],
        &["--components", "main", "--components", "contrib"],
    ] {
        world
            .make(&[option, &["--include=odd-one", "--print-debs"]].concat())
            .ok();
    }
    world
        .make(&["--components=main,nonsense", "--print-debs"])
        .fails(2)
        .names(&["nonsense"]);
}

#[test]
fn pockets_are_resolved_together() {
    let security = Suite::new("fake-security")
        .with([Deb::new("netbase", "6.4+deb13u1").field("Priority", "important")]);
    let Some(world) = World::new([]) else { return };
    world.archive.publish(&security);
    let line = format!(
        "deb [signed-by={}] {} fake-security main",
        world.path("keyring.gpg").display(),
        world.server.url()
    );
    let printed = world.make(&["--print-debs", "--source", &line]).ok().text();
    assert!(printed.contains("netbase=6.4+deb13u1:"), "{printed}");
    fs::write(world.path("more.list"), format!("# security\n{line}\n")).unwrap();
    let stanza = format!(
        "Types: deb\nURIs: {}\nSuites: fake-security\nComponents: main\nSigned-By: {}\n",
        world.server.url(),
        world.path("keyring.gpg").display()
    );
    fs::write(world.path("more.sources"), stanza).unwrap();
    for file in ["more.list", "more.sources"] {
        let printed = world.make(&["--print-debs", "--source", file]).ok().text();
        assert!(
            printed.contains("netbase=6.4+deb13u1:"),
            "{file}: {printed}"
        );
    }
}

#[test]
fn backports_wait_to_be_asked() {
    let backports = Suite {
        extra: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n".to_owned(),
        ..Suite::new("fake-backports")
            .with([Deb::new("hello", "3.0~bpo1").architecture(host_architecture())])
    };
    let Some(world) = World::new([]) else { return };
    world.archive.publish(&backports);
    let line = format!(
        "deb [signed-by={}] {} fake-backports main",
        world.path("keyring.gpg").display(),
        world.server.url()
    );
    let printed = world
        .make(&["--print-debs", "--include=hello", "--source", &line])
        .ok()
        .text();
    assert!(printed.contains("hello=2.10-1:"), "{printed}");
    let printed = world
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
    let shape = Suite {
        name: "trixie".to_owned(),
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        ..suite([])
    };
    let Some(world) = World::of(&shape) else {
        return;
    };
    let url = world.server.url();
    world
        .run(["--variant=minbase", "trixie", "root", &url])
        .ok();
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| path.starts_with("/dists/trixie/") || path.starts_with("/pool/")),
        "{:?}",
        world.server.paths()
    );
    assert!(world.line("bin").ends_with("->usr/bin /bin"));
}

#[test]
fn what_may_pass_is_tried_again() {
    for fault in [Fault::Status(503, 2), Fault::Refuse(2), Fault::Reset(1)] {
        let Some(world) = World::new([]) else { return };
        for ending in ["InRelease", ".deb"] {
            world.server.fault(ending, fault.clone());
        }
        let made = world.make(&["--variant=essential"]);
        assert_eq!(made.code, Some(0), "{fault:?}: {}", made.stderr);
    }
}

#[test]
fn a_further_mirror_takes_over() {
    let Some(world) = World::new([]) else { return };
    let second = Server::start(world.archive.root.clone());
    world.server.fault(".deb", Fault::Missing);
    world
        .make(&["--variant=essential", "--mirror", &second.url()])
        .ok();
    assert!(second.paths().iter().any(|path| path.ends_with(".deb")));
}

#[test]
fn redirects_are_followed() {
    let Some(world) = World::new([]) else { return };
    let second = Server::start(world.archive.root.clone());
    world.server.fault(
        "/dists/fake/InRelease",
        Fault::Redirect(format!("{}/dists/fake/InRelease", second.url())),
    );
    world.make(&["--print-debs"]).ok();
    assert_eq!(second.paths(), ["/dists/fake/InRelease"]);
}

#[test]
fn a_mirror_that_moves_between_release_and_index_is_read_again() {
    for by_hash in [true, false] {
        let Some(world) = World::bare_if_able() else {
            return;
        };
        let old = Archive {
            root: world.path("archive"),
            key: world.archive.key.clone(),
        };
        old.publish(&Suite {
            by_hash,
            ..suite([Deb::new("news", "1")])
        });
        let new = Archive {
            root: world.path("archive-new"),
            key: world.archive.key.clone(),
        };
        new.publish(&Suite {
            by_hash,
            date: crate::world::archive::DATE + 3600,
            ..suite([Deb::new("news", "2")])
        });
        world
            .server
            .fault("/dists/fake/InRelease", Fault::MoveTo(new.root.clone()));
        let printed = world.make(&["--print-debs", "--include=news"]).ok().text();
        assert!(printed.contains("news=2:"), "{printed}");
    }
}

#[test]
fn a_cut_index_or_package_is_not_taken_for_whole() {
    for ending in ["Packages.xz", ".deb"] {
        let Some(world) = World::of(&Suite {
            by_hash: false,
            compressions: vec![Compression::Xz],
            ..suite([])
        }) else {
            return;
        };
        world.server.fault(ending, Fault::Reset(1000));
        world
            .make(&["--variant=essential"])
            .fails(5)
            .names(&[ending, &world.server.url()]);
        world.assert_nothing_left();
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let Some(world) = World::new([]) else { return };
    world.server.fault("/dists/fake/InRelease", Fault::Endless);
    let refused = world.make(&["--print-debs"]);
    assert!(matches!(refused.code, Some(3 | 5)), "{refused:?}");
    refused.names(&["InRelease"]);
}
