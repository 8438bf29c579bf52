//! What packages ship: compressions, kinds of entries, owners and modes, links, names; and what must not be believed of them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rbootstrap::testing::Compression;

use crate::packages::same_as_dpkg;
use crate::world::deb::{Damage, Deb, Entry, Kind};
use crate::world::{World, base, suite};

#[test]
fn the_base() {
    same_as_dpkg([], &[]);
}

#[test]
fn a_package_with_a_dependency() {
    let Some(world) = same_as_dpkg([], &["hello"]) else {
        return;
    };
    // The conffile's digest is in the status, and nothing says newconffile any more.
    let status = world.read("var/lib/dpkg/status");
    assert!(
        status.contains(" /etc/hello.conf 5fcff1ba4282cd9ba55a13ff3fdca6f5")
            || status.contains(" /etc/hello.conf "),
        "{status}"
    );
    assert!(!status.contains("newconffile"), "{status}");
}

#[test]
fn everything_of_the_base_distribution() {
    same_as_dpkg(
        [],
        &["apt", "build-essential", "hello", "manual-pages", "netbase"],
    );
}

#[test]
fn every_compression() {
    let all = [
        Compression::None,
        Compression::Gzip,
        Compression::Xz,
        Compression::Zstd,
    ];
    let debs = all.map(|compression| {
        let name = format!(
            "in-{}",
            if compression.extension().is_empty() {
                "tar"
            } else {
                compression.extension()
            }
        );
        Deb::new(&name, "1")
            .compressed(compression, compression)
            .file(&format!("usr/share/{name}"), "text\n".repeat(5000))
    });
    same_as_dpkg(debs, &["in-gz", "in-tar", "in-xz", "in-zst"]);
}

#[test]
fn old_compressions_of_data() {
    let debs = [Compression::Bzip2, Compression::Lzma].map(|compression| {
        let name = format!("in-{}", compression.extension());
        Deb::new(&name, "1")
            .compressed(Compression::Gzip, compression)
            .file(&format!("usr/share/{name}"), "text\n".repeat(5000))
    });
    same_as_dpkg(debs, &["in-bz2", "in-lzma"]);
}

#[test]
fn modes_owners_and_times() {
    let deb = Deb::new("modes", "1")
        .entry(Entry::new("usr/bin/setuid", Kind::File(b"x".into())).mode(0o4755))
        .entry(
            Entry::new("usr/bin/setgid", Kind::File(b"x".into()))
                .mode(0o2755)
                .owned((0, "root"), (43, "utmp")),
        )
        .entry(Entry::new("var/spool/sticky", Kind::Directory).mode(0o1777))
        .entry(
            Entry::new("var/spool/private", Kind::Directory)
                .mode(0o700)
                .owned((6, "man"), (12, "man")),
        )
        .entry(
            Entry::new("var/spool/private/by-name", Kind::File(b"x".into()))
                .mode(0o640)
                .owned((999, "man"), (999, "shadow")),
        )
        .entry(
            Entry::new("var/spool/private/by-number", Kind::File(b"x".into()))
                .owned((777, "no-such-user"), (778, "no-such-group")),
        )
        .entry(Entry::new("usr/share/modes/old", Kind::File(b"x".into())).modified(86_400))
        .entry(Entry::new("usr/share/modes/unreadable", Kind::File(b"x".into())).mode(0))
        .entry(Entry::new("usr/share/modes/empty", Kind::File(Vec::new())));
    let Some(world) = same_as_dpkg([deb], &["modes"]) else {
        return;
    };
    assert_eq!(&world.line("usr/bin/setuid")[..10], "f 4755 0:0");
    assert_eq!(
        &world.line("var/spool/private/by-name")[..11],
        "f 0640 6:42"
    );
    assert_eq!(
        fs::metadata(world.root().join("usr/share/modes/old"))
            .unwrap()
            .mtime(),
        86_400
    );
}

#[test]
fn devices_and_pipes() {
    let deb = Deb::new("nodes", "1")
        .entry(Entry::new("usr/lib/nodes/null", Kind::Device(1, 3)).mode(0o666))
        .entry(Entry::new("usr/lib/nodes/pipe", Kind::Fifo).mode(0o600));
    same_as_dpkg([deb], &["nodes"]);
}

#[test]
fn hard_links() {
    let deb = Deb::new("links", "1")
        .file("usr/lib/links/first", "shared\n")
        .hardlink("usr/lib/links/second", "usr/lib/links/first")
        .hardlink("usr/share/links/across", "usr/lib/links/first")
        .symlink("usr/share/links/soft", "../../lib/links/first");
    let Some(world) = same_as_dpkg([deb], &["links"]) else {
        return;
    };
    assert_eq!(
        fs::metadata(world.root().join("usr/share/links/across"))
            .unwrap()
            .nlink(),
        3
    );
}

#[test]
fn long_names_and_names_of_no_encoding() {
    let long = format!("usr/share/{}/{}", "directory".repeat(9), "name".repeat(40));
    let deb = Deb::new("names", "1")
        .file(&long, "long\n")
        .symlink("usr/share/names/link", &format!("/{long}"))
        .entry(Entry::new(
            b"usr/share/names/caf\xe9",
            Kind::File(b"latin\n".into()),
        ))
        .file("usr/share/names/naïve €", "utf-8\n")
        .file("usr/share/names/with space", "space\n")
        .file("usr/share/names/-dash", "dash\n")
        .file("usr/share/names/back\\slash", "slash\n")
        .file(&format!("usr/share/names/{}", "x".repeat(246)), "longest\n");
    same_as_dpkg([deb], &["names"]);
}

#[test]
fn a_directory_behind_another_packages_symlink() {
    let target = Deb::new("target", "1")
        .directory("usr/lib/real")
        .symlink("usr/lib/alias", "real");
    let through = Deb::new("through", "1")
        .field("Pre-Depends", "target")
        .file("usr/lib/alias/inside", "here\n")
        .directory("usr/lib/alias/below");
    let Some(world) = same_as_dpkg([target, through], &["through"]) else {
        return;
    };
    assert_eq!(world.read("usr/lib/real/inside"), "here\n");
    assert_eq!(
        world.line("usr/lib/alias"),
        "l 0777 0:0 ->real /usr/lib/alias"
    );
}

#[test]
fn paths_by_their_old_names() {
    let deb = Deb::new("aliased", "1")
        .program("bin/old-place", "x")
        .file("lib/aliased/module", "x")
        .program("sbin/tool", "x");
    let Some(world) = same_as_dpkg([deb], &["aliased"]) else {
        return;
    };
    assert!(world.root().join("usr/lib/aliased/module").exists());
    assert!(
        world
            .read("var/lib/dpkg/info/aliased.list")
            .contains("/lib/aliased/module\n")
    );
}

#[test]
fn a_directory_of_two_packages() {
    let first = Deb::new("first", "1")
        .entry(Entry::new("var/lib/shared", Kind::Directory).mode(0o750))
        .file("var/lib/shared/first", "1");
    let second = Deb::new("second", "1")
        .field("Pre-Depends", "first")
        .entry(Entry::new("var/lib/shared", Kind::Directory).mode(0o711))
        .file("var/lib/shared/second", "2");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else {
        return;
    };
    assert!(world.line("var/lib/shared").starts_with("d 0750"));
}

#[test]
fn capabilities_set_in_postinst_are_in_the_tar() {
    let Some(mut setcap) = base::program("setcap") else {
        return crate::world::skip("needs setcap (libcap2-bin)");
    };
    setcap.path = b"usr/sbin/setcap".into();
    let mut deb = Deb::new("capable", "1")
        .program("usr/bin/ping", "x")
        .script("postinst", "setcap cap_net_raw+ep /usr/bin/ping")
        .entry(setcap);
    deb.entries.extend(
        base::libraries(&["setcap"])
            .into_iter()
            .filter(|entry| !base_has(&entry.path)),
    );
    let Some(world) = same_as_dpkg([deb], &["capable"]) else {
        return;
    };
    assert!(
        world.line("usr/bin/ping").contains("security.capability="),
        "{}",
        world.line("usr/bin/ping")
    );
    let tar = world
        .run([
            "--variant=essential",
            "--include=capable",
            "fake",
            "-",
            &world.server.url(),
        ])
        .ok()
        .stdout;
    let mut archive = tar::Archive::new(&tar[..]);
    let found = archive.entries().unwrap().any(|entry| {
        let mut entry = entry.unwrap();
        let here = entry.path_bytes().ends_with(b"usr/bin/ping");
        let extensions = entry.pax_extensions().unwrap();
        here && extensions.is_some_and(|mut all| {
            all.any(|one| one.unwrap().key() == Ok("SCHILY.xattr.security.capability"))
        })
    });
    assert!(found, "the tar has no capability on usr/bin/ping");
}

fn base_has(path: &[u8]) -> bool {
    base::base()
        .iter()
        .any(|deb| deb.entries.iter().any(|entry| entry.path == path))
}

#[test]
fn hostile_paths_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().to_str().unwrap();
    let rows: [(&str, Deb); 6] = [
        (
            "up",
            Deb::new("hostile", "1")
                .bare()
                .entry(Entry::new("./../../../../escaped", Kind::File(b"x".into()))),
        ),
        (
            "in-between",
            Deb::new("hostile", "1")
                .bare()
                .entry(Entry::new("./usr/../../escaped", Kind::File(b"x".into()))),
        ),
        (
            "absolute",
            Deb::new("hostile", "1").bare().entry(Entry::new(
                format!("{out}/escaped"),
                Kind::File(b"x".into()),
            )),
        ),
        (
            "link",
            Deb::new("hostile", "1")
                .symlink("usr/share/out", out)
                .file("usr/share/out/escaped", "x"),
        ),
        (
            "links",
            Deb::new("hostile", "1")
                .symlink("usr/share/a", &"../".repeat(20))
                .symlink("usr/share/b", &format!("a{out}"))
                .file("usr/share/b/escaped", "x"),
        ),
        (
            "hard link",
            Deb::new("hostile", "1").entry(Entry::new(
                "usr/share/passwd",
                Kind::Hardlink(b"../../../../../../etc/passwd".into()),
            )),
        ),
    ];
    for (name, deb) in rows {
        let Some(world) = World::new([deb]) else {
            return;
        };
        let outcome = world.make(&["--variant=essential", "--include=hostile"]);
        assert_eq!(
            crate::world::names(outside.path()),
            Vec::<String>::new(),
            "{name}"
        );
        assert!(
            !world
                .directory
                .path()
                .parent()
                .unwrap()
                .join("escaped")
                .exists()
                && !world.path("escaped").exists(),
            "{name}"
        );
        match outcome.code {
            // What stays inside is no harm: the link then leads to a place in the tree.
            Some(0) => {}
            _ => {
                outcome.fails(7).names(&["hostile"]);
                world.assert_nothing_left();
            }
        }
    }
}

#[test]
fn damaged_packages_are_named() {
    for damage in [
        Damage::Truncated,
        Damage::StreamCut,
        Damage::Trailing,
        Damage::NoData,
        Damage::Junk,
    ] {
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let deb = Deb::new("damaged", "1")
                .compressed(compression, compression)
                .file("usr/share/damaged", "text\n".repeat(3000))
                .damaged(damage);
            let Some(world) = World::new([deb]) else {
                return;
            };
            let outcome = world.make(&["--variant=essential", "--include=damaged"]);
            assert_eq!(
                outcome.code,
                Some(7),
                "{damage:?} {compression:?}: {}",
                outcome.stderr
            );
            outcome.names(&["damaged"]);
            world.assert_nothing_left();
        }
    }
}

#[test]
fn a_package_that_is_another_than_its_index_says_is_refused() {
    let world = World::bare_if_able();
    let Some(world) = world else { return };
    let claimed = Deb::new("claimed", "1").file("usr/share/claimed", "x");
    let other = Deb::new("other", "1").file("usr/share/other", "x");
    world.archive.publish(&suite([claimed.clone()]));
    // The pool's file is another package, and the index has that one's digest.
    let stanza = claimed.stanza()
        + &world
            .archive
            .place("pool/main/c/claimed.deb", &other.build())
        + "\n";
    world.archive.publish_appended(&suite([]), &stanza);
    let outcome = world.make(&["--variant=essential", "--include=claimed"]);
    assert!(matches!(outcome.code, Some(3 | 7)), "{outcome:?}");
    outcome.names(&["claimed"]);
    world.assert_nothing_left();
}

#[test]
fn no_md5sums_member() {
    let mut deb = Deb::new("sumless", "1")
        .file("usr/share/sumless/a", "a\n")
        .hardlink("usr/share/sumless/b", "usr/share/sumless/a")
        .conffile("etc/sumless", "c\n");
    deb.md5sums = false;
    let Some(world) = same_as_dpkg([deb], &["sumless"]) else {
        return;
    };
    assert!(
        world
            .read("var/lib/dpkg/info/sumless.md5sums")
            .contains("60b725f10c9c85c70d97880dfe8191b3  usr/share/sumless/a")
    );
}
