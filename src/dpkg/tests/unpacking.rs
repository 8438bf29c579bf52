//! Unpacking: where files go, what scripts see, what the database says afterwards.

use std::cell::RefCell;

use super::together::essentials;
use super::*;

#[test]
#[ignore = "needs root"]
fn nothing_leads_outside() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("victim"), "untouched").unwrap();
    std::fs::set_permissions(
        outside.path().join("victim"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    let absolute = outside.path().to_str().unwrap();
    let climbing = format!("../../../../../../../..{}", outside.path().display());
    let world = World::new();
    // The inside of the tree has the same path, so what goes through the links has somewhere to go.
    std::fs::create_dir_all(world.path(&absolute[1..])).unwrap();
    let links = packed(
        "links",
        vec![
            directory("./"),
            symlink("./abs", absolute),
            symlink("./up", &climbing),
            symlink("./victim", &format!("{absolute}/victim")),
        ],
    );
    let through = packed(
        "through",
        vec![
            directory("./"),
            directory("./abs/"),
            file("./abs/a", "a"),
            directory("./up/new/"),
            file("./up/new/b", "b"),
            symlink("./abs/c", "x"),
            hard_link("./abs/d", "./abs/a"),
            hard_link("./e", "./victim").mode(0o4777),
        ],
    );
    world
        .run(&[links, through], (0, &[1, 1]), &|_, _| {})
        .unwrap();
    let found: Vec<_> = outside
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(found, ["victim"]);
    assert_eq!(
        outside
            .path()
            .join("victim")
            .metadata()
            .unwrap()
            .permissions()
            .mode(),
        0o100_640
    );
    for inside in ["a", "new/b", "d"] {
        assert!(world.path(&absolute[1..]).join(inside).exists(), "{inside}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_preinst_sees_and_changes_what_follows() {
    let script = |package: &str, world: &World| {
        let exists = |path| world.path(path).exists();
        match package {
            "divert" => assert!(
                exists("usr/first")
                    && exists("var/lib/dpkg/info/first.list")
                    && !exists("usr/own")
                    && !exists("usr/last")
            ),
            other => panic!("{other}"),
        }
        world.write(
            "var/lib/dpkg/diversions",
            "/usr/own\n/usr/own.divert\ndivert\n/usr/last\n/usr/last.divert\ndivert\n",
        );
    };
    let root = || directory("./");
    let usr = || directory("./usr/");
    let packages = [
        packed("first", vec![root(), usr(), file("./usr/first", "")]),
        Packed(
            "divert",
            "",
            vec![("preinst", "#!/bin/sh\ndivert\n"), ("config", "c")],
            vec![root(), usr(), file("./usr/own", "own")],
        ),
        Packed(
            "last",
            "",
            vec![("preinst", "#!/bin/sh\nexit 0\n")],
            vec![
                root(),
                usr(),
                file("./usr/last", "last"),
                file("./usr/own", "last's"),
            ],
        ),
    ];
    let world = World::new();
    world.run(&packages, (0, &[3]), &script).unwrap();
    let text = |path| world.text(path).unwrap();
    assert_eq!(
        (
            text("usr/own").as_str(),
            text("usr/own.divert").as_str(),
            text("usr/last.divert").as_str()
        ),
        ("own", "last's", "last")
    );
    assert_eq!(world.list("last"), "/.\n/usr\n/usr/last\n/usr/own\n");
    assert!(
        world.path("var/lib/dpkg/info/divert.config").exists() && !world.path("usr/last").exists()
    );
}

#[test]
#[ignore = "needs root"]
fn preinsts_without_effect_may_be_skipped() {
    let run = |preinsts| {
        let ran = RefCell::new(Vec::new());
        let world = World {
            preinsts,
            ..World::new()
        };
        let mut packages = essentials();
        packages.push(Packed(
            "late",
            "",
            vec![("preinst", "#!/bin/sh\nexit 0\n")],
            vec![directory("./"), file("./late", "")],
        ));
        world
            .run(&packages, (4, &[1]), &|name, _| {
                ran.borrow_mut().push(name.to_owned())
            })
            .unwrap();
        (world.dump(), ran.into_inner().len())
    };
    let skipped = run(Preinsts::WithEffect);
    let all = run(Preinsts::All);
    assert_eq!((skipped.1, all.1), (2, 4));
    assert_eq!(skipped.0, all.0);
}

#[test]
#[ignore = "needs root"]
fn a_preinst_that_fails_is_an_error() {
    let world = World::new();
    let packages = [Packed(
        "a",
        "",
        vec![("preinst", "#!/bin/sh\nfalse\n")],
        vec![directory("./"), file("./a", "")],
    )];
    let error = world
        .run(&packages, (0, &[1]), &|_, world| world.write("fail", ""))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Script(failure) if failure.package == "a"),
        "{error}"
    );
    let mut text = error.to_string();
    let cause = std::error::Error::source(&error).unwrap();
    text.push_str(&format!(": {cause}"));
    assert_eq!(
        text,
        "the preinst script of a failed with exit status 1: its output ended with\n    last words"
    );
    assert!(!world.path("a").exists() && !world.path(STAGING).exists());
}

#[test]
#[ignore = "needs root"]
fn what_is_configured_hears_of_what_is_unpacked() {
    let watcher =
        |name, trigger| Packed(name, "", vec![("triggers", trigger)], vec![directory("./")]);
    let man = |name, triggers, path| {
        let data = vec![
            directory("./"),
            directory("./usr/"),
            directory("./usr/man/"),
            file(path, ""),
        ];
        Packed(name, "", vec![("triggers", triggers)], data)
    };
    let world = World::new();
    let unincorporated = |world: &World| world.text("var/lib/dpkg/triggers/Unincorp").unwrap();
    // Who is unpacked together with an interest, or before it, is not heard.
    let together = [
        watcher(
            "early",
            "interest-noawait /usr/man\ninterest ldconfig\ninterest /usr/man/x\n",
        ),
        man("a", "activate ldconfig\n", "./usr/man/a"),
    ];
    world.batch(&together).unwrap();
    assert_eq!(unincorporated(&world), "");
    let status = world
        .text("var/lib/dpkg/status")
        .unwrap()
        .replace("install ok unpacked", "install ok installed");
    world.write("var/lib/dpkg/status", &status);
    world
        .batch(&[
            watcher("late", "interest /usr/man\n"),
            man(
                "b",
                "activate-noawait ldconfig\nactivate nobody\n",
                "./usr/man/x",
            ),
        ])
        .unwrap();
    assert_eq!(
        unincorporated(&world),
        "/usr/man -\n/usr/man/x b\nldconfig -\n"
    );
    assert_eq!(
        world.text("var/lib/dpkg/triggers/File").unwrap(),
        "/usr/man early/noawait\n/usr/man/x early\n/usr/man late\n"
    );
    assert_eq!(
        world.text("var/lib/dpkg/triggers/ldconfig").unwrap(),
        "early\n"
    );
}

#[test]
#[ignore = "needs root"]
fn paths_are_left_out_but_listed() {
    let world = World {
        paths: vec![
            PathRule::new(PathRuleKind::Exclude, "/usr/doc/*").unwrap(),
            PathRule::new(PathRuleKind::Include, "/usr/doc/*/copyright").unwrap(),
        ],
        ..World::new()
    };
    let data = vec![
        directory("./"),
        directory("./usr/"),
        directory("./usr/doc/"),
        directory("./usr/doc/a/"),
        file("./usr/doc/a/README", "readme"),
        file("./usr/doc/a/copyright", "c"),
        hard_link("./usr/linked", "./usr/doc/a/README"),
        symlink("./usr/doc/a/link", "x"),
    ];
    world.batch(&[packed("a", data)]).unwrap();
    assert_eq!(
        world.list("a"),
        "/.\n/usr\n/usr/doc\n/usr/doc/a\n/usr/doc/a/README\n/usr/doc/a/copyright\n/usr/linked\n\
         /usr/doc/a/link\n"
    );
    let exists = |path| world.path(path).symlink_metadata().is_ok();
    assert!(
        !exists("usr/doc/a/README") && exists("usr/doc/a/copyright") && exists("usr/doc/a/link")
    );
    assert_eq!(world.text("usr/linked").unwrap(), "readme");
}

#[test]
#[ignore = "needs root"]
fn one_thread_and_sixteen_give_the_same() {
    let dump = |jobs| {
        let world = World {
            jobs,
            ..World::new()
        };
        let mut packages = essentials();
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let data = vec![
                directory("./"),
                entry("./usr/", b'5', 0o755),
                file("./usr/x", name),
                hard_link(format!("./usr/{name}"), "./usr/x"),
            ];
            packages.push(Packed(
                name,
                "Replaces: a, b, c, d, e, f, g\nX-No-Digests: 1\n",
                vec![],
                data,
            ));
        }
        world.run(&packages, (4, &[3, 5]), &|_, _| {}).unwrap();
        world.dump()
    };
    assert_eq!(dump(1), dump(16));
}

#[test]
#[ignore = "needs root"]
fn directories_keep_their_time_as_after_tar_and_dpkg() {
    let top = || vec![directory("./"), directory("./usr/")];
    let with = |name, data: Vec<TarEntry>| packed(name, [top(), data].concat());
    let packages = [
        with(
            "a",
            vec![
                directory("./usr/in/"),
                directory("./usr/in/real/"),
                symlink("./usr/in/link", "real"),
            ],
        ),
        with(
            "b",
            vec![
                directory("./usr/out/"),
                directory("./usr/out/real/"),
                directory("./usr/x/"),
                symlink("./usr/out/link", "real"),
            ],
        ),
        with(
            "c",
            vec![
                directory("./usr/again/"),
                directory("./usr/again/real/"),
                file("./usr/c", ""),
                symlink("./usr/again/link", "real"),
            ],
        ),
        with("d", vec![directory("./usr/again/")]),
        with(
            "e",
            vec![
                directory("./usr/files/"),
                file("./usr/files/real", ""),
                symlink("./usr/files/link", "real"),
            ],
        ),
        with("f", vec![directory("./usr/empty/")]),
    ];
    let world = World::new();
    world
        .run(&packages, (packages.len(), &[]), &|_, _| {})
        .unwrap();
    let expected = [
        ("in", true),
        ("out", false),
        ("again", true),
        ("files", false),
        ("empty", true),
        ("in/real", true),
    ];
    assert_eq!(
        expected.map(|(name, _)| (name, world.is_shipped(&format!("usr/{name}")))),
        expected
    );
}
