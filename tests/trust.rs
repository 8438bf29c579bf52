//! The chain of trust, broken at each of its links: nothing of what it should have vouched for is used, and nothing is left.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rbootstrap::testing::Algorithm;

use crate::world::archive::{Suite, now};
use crate::world::deb::Deb;
use crate::world::key::Key;
use crate::world::server::Fault;
use crate::world::{World, host_architecture};

/// A world whose `dists/fake` a test may tamper with.
fn world(shape: &Suite) -> (World, PathBuf) {
    let world = World::bare();
    world.archive.publish(shape);
    let directory = world.archive.root.join("dists/fake");
    (world, directory)
}

/// Nothing but plain files: works on every host.
fn small() -> Suite {
    Suite::new("fake").with([Deb::new("one", "1")
        .field("Essential", "yes")
        .field("Priority", "required")])
}

/// Asserts that a run is refused for want of trust, names these things, and fetched no package.
#[track_caller]
fn refuses(world: &World, options: &[&str], things: &[&str]) {
    world
        .make(&[&["--variant=essential", "--print-debs"], options].concat())
        .fails(3)
        .names(things);
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb")),
        "{:?}",
        world.server.paths()
    );
    world.assert_nothing_left();
}

#[test]
fn the_right_key_is_enough() {
    let (world, _) = world(&small());
    for name in ["keyring.gpg", "again.pgp", "again.asc"] {
        world.archive.keyring(&world.path(name));
        world
            .make(&["--variant=essential", "--print-debs", "--keyring", name])
            .ok();
    }
}

#[test]
fn several_keys_in_one_armored_file_are_all_read() {
    let (world, _) = world(&small());
    let both = Key::new("Another <another@example.org>").armored() + &world.archive.key.armored();
    fs::write(world.path("keyring.gpg"), both).unwrap();
    world.make(&["--variant=essential", "--print-debs"]).ok();
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let stranger = Arc::new(Key::new("A stranger <stranger@example.org>"));
    let (world, _) = world(&small());
    let signers = Some(vec![stranger, world.archive.key.clone()]);
    world.archive.publish(&Suite {
        signers,
        inline: false,
        ..small()
    });
    world.make(&["--variant=essential", "--print-debs"]).ok();
}

#[test]
fn another_key_is_not_enough() {
    let (world, _) = world(&small());
    fs::write(
        world.path("keyring.gpg"),
        Key::new("A stranger <stranger@example.org>").binary(),
    )
    .unwrap();
    refuses(&world, &[], &["InRelease"]);
}

#[test]
fn an_expired_key_is_not_enough() {
    let expired = Arc::new(Key::expired("Gone <gone@example.org>"));
    let (world, _) = world(&Suite {
        signers: Some(vec![expired.clone()]),
        ..small()
    });
    fs::write(world.path("keyring.gpg"), expired.binary()).unwrap();
    refuses(&world, &[], &["InRelease"]);
}

#[test]
fn no_signature_is_not_enough() {
    let (world, _) = world(&Suite {
        signers: Some(vec![]),
        ..small()
    });
    let refused = world.make(&["--variant=essential", "--print-debs"]);
    assert!(matches!(refused.code, Some(3 | 5)), "{refused:?}");
    world.assert_nothing_left();
    world
        .make(&["--variant=essential", "--print-debs", "--no-check-gpg"])
        .ok()
        .names(&["signature"]);
}

#[test]
fn unchecked_signatures_are_said_loudly_and_digests_still_count() {
    let (world, directory) = world(&small());
    fs::write(
        world.path("keyring.gpg"),
        Key::new("A stranger <stranger@example.org>").binary(),
    )
    .unwrap();
    world
        .make(&["--variant=essential", "--print-debs", "--no-check-gpg"])
        .ok()
        .names(&["warning"]);
    let text = fs::read_to_string(directory.join("Release")).unwrap();
    fs::write(
        directory.join("InRelease"),
        text.replace("SHA256:", "MD5Sum:"),
    )
    .unwrap();
    world
        .make(&["--variant=essential", "--print-debs", "--no-check-gpg"])
        .fails(3);
}

#[test]
fn a_changed_release_is_refused() {
    for inline in [true, false] {
        let (world, directory) = world(&Suite { inline, ..small() });
        let name = if inline { "InRelease" } else { "Release" };
        let text = fs::read_to_string(directory.join(name)).unwrap();
        fs::write(
            directory.join(name),
            text.replace("Origin: Fake", "Origin: Evil"),
        )
        .unwrap();
        refuses(&world, &[], &[name]);
    }
}

#[test]
fn words_outside_the_signed_part_are_not_read() {
    let (world, directory) = world(&small());
    let text = fs::read_to_string(directory.join("InRelease")).unwrap();
    let changed = [
        format!("Origin: Evil\nSHA256:\n\n{text}"),
        format!("{text}\nOrigin: Evil\n"),
    ];
    for changed in changed {
        fs::write(directory.join("InRelease"), changed).unwrap();
        let outcome = world.make(&["--variant=essential", "--print-debs"]);
        // To refuse it is as good as to read the signed part only.
        assert!(matches!(outcome.code, Some(0 | 3)), "{outcome:?}");
        assert!(!outcome.stderr.contains("Evil"), "{}", outcome.stderr);
    }
}

#[test]
fn a_changed_index_is_refused() {
    for by_hash in [true, false] {
        let (world, directory) = world(&Suite { by_hash, ..small() });
        let binary = directory.join(format!("main/binary-{}", host_architecture()));
        let mut changed = Vec::new();
        crate::world::tree::walk(&binary, &mut |path, metadata| {
            if metadata.is_file() {
                changed.push(path.to_owned());
            }
        });
        for path in changed {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        }
        refuses(&world, &[], &["Packages"]);
    }
}

#[test]
fn a_changed_package_is_refused() {
    let Some(world) = World::new([]) else { return };
    let path = format!("hello_2.10-1_{}.deb", host_architecture());
    world.server.fault(&path, Fault::Wrong);
    world
        .make(&["--variant=essential", "--include=hello"])
        .fails(3)
        .names(&["hello", "2.10-1"]);
    world.assert_nothing_left();
    // What was wrong is not in the cache: the next run gets it right.
    world.server.heal();
    world.make(&["--variant=essential", "--include=hello"]).ok();
}

#[test]
fn a_spoilt_cache_is_mended() {
    let Some(world) = World::new([]) else { return };
    world.make(&["--variant=essential", "--download-only"]).ok();
    crate::world::tree::walk(&world.path("cache"), &mut |path, metadata| {
        if metadata.is_file() && metadata.len() > 0 {
            let mut bytes = fs::read(path).unwrap();
            bytes[0] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    });
    world.make(&["--variant=essential"]).ok();
}

#[test]
fn an_expired_index_is_refused_unless_asked_for() {
    let (world, _) = world(&Suite {
        valid_until: Some(now() - 60),
        ..small()
    });
    refuses(&world, &[], &["--no-check-valid-until"]);
    world
        .make(&[
            "--variant=essential",
            "--print-debs",
            "--no-check-valid-until",
        ])
        .ok();
}

#[test]
fn expiry_is_all_that_is_relaxed() {
    let (world, _) = world(&Suite {
        valid_until: Some(now() - 60),
        ..small()
    });
    fs::write(
        world.path("keyring.gpg"),
        Key::new("A stranger <stranger@example.org>").binary(),
    )
    .unwrap();
    refuses(&world, &["--no-check-valid-until"], &["InRelease"]);
}

#[test]
fn an_index_from_the_future_is_refused() {
    let (world, _) = world(&Suite {
        date: now() + 86_400,
        ..small()
    });
    refuses(&world, &[], &["InRelease"]);
    let (world, _) = self::world(&Suite {
        date: now() + 86_400,
        ..small()
    });
    refuses(&world, &["--no-check-valid-until"], &["InRelease"]);
}

#[test]
fn a_release_of_another_suite_is_refused() {
    let (world, _) = world(&Suite {
        suite: "other".to_owned(),
        codename: "another".to_owned(),
        ..small()
    });
    refuses(&world, &[], &["other"]);
}

#[test]
fn weak_digests_are_none() {
    let (world, directory) = world(&small());
    let text = fs::read_to_string(directory.join("Release")).unwrap();
    let weak = text.replace("SHA256:", "SHA1:");
    world.archive.sign(&small(), &directory, &weak);
    refuses(&world, &[], &["InRelease"]);
}

#[test]
fn a_package_without_a_digest_is_not_fetched() {
    let (world, _) = world(&small());
    let shape = Suite {
        digests: vec![Algorithm::Sha256],
        ..small()
    };
    let stanza = "Package: bare\nVersion: 1\nArchitecture: all\nEssential: yes\nPriority: required\nFilename: pool/bare.deb\nSize: 3\nMD5sum: 900150983cd24fb0d6963f7d28e17f72\n\n";
    world.archive.publish_text(
        &shape,
        &format!("main/binary-{}/Packages", host_architecture()),
        stanza,
    );
    world
        .make(&["--variant=essential", "--download-only"])
        .fails(3)
        .names(&["bare"]);
}

#[test]
fn paths_out_of_the_archive_are_not_asked_for() {
    let (world, _) = world(&small());
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for name in [
        "../../../etc/passwd",
        "/etc/passwd",
        "http://127.0.0.1:1/x.deb",
    ] {
        let stanza = format!(
            "Package: bad\nVersion: 1\nArchitecture: all\nEssential: yes\nPriority: required\nFilename: {name}\nSize: 3\nSHA256: {digest}\n\n"
        );
        world.archive.publish_text(
            &small(),
            &format!("main/binary-{}/Packages", host_architecture()),
            &stanza,
        );
        world.server.forget();
        let refused = world.make(&["--variant=essential", "--download-only"]);
        assert!(matches!(refused.code, Some(3 | 5)), "{name}: {refused:?}");
        assert!(
            world.server.paths().iter().all(|path| !path.contains("..")),
            "{:?}",
            world.server.paths()
        );
    }
}

#[test]
fn keyrings_that_are_none_are_named() {
    let (world, _) = world(&small());
    fs::write(world.path("junk.gpg"), "no key").unwrap();
    fs::write(world.path("empty.gpg"), "").unwrap();
    for name in ["junk.gpg", "empty.gpg", "absent.gpg"] {
        let mut command = std::process::Command::new(world.command().get_program());
        command.current_dir(world.directory.path()).args([
            "--variant=essential",
            "--print-debs",
            "--keyring",
            name,
            "fake",
            "root",
            &world.server.url(),
        ]);
        crate::world::outcome(&mut command).fails(2).names(&[name]);
    }
}

#[test]
fn the_world_itself_is_whole() {
    // What the tests above tamper with works untouched, so that they fail for what they did.
    let (world, _) = world(&small());
    assert_eq!(
        world
            .make(&["--variant=essential", "--print-debs"])
            .ok()
            .text()
            .lines()
            .count(),
        1
    );
}
