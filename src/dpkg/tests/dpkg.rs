//! What dpkg does with the same packages, and what it refuses: the measure of everything else here.

mod replaced;
mod scenarios;

use super::*;

/// What is to be equal: the tree, and status with its stanzas and their fields sorted.
fn state(world: &World) -> Vec<String> {
    let status = world.text("var/lib/dpkg/status").unwrap();
    let mut stanzas: Vec<String> = status
        .split("\n\n")
        .map(|stanza| {
            let mut fields: Vec<String> = crate::formats::stanza::fields(stanza)
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            fields.sort();
            fields.join("\n")
        })
        .filter(|stanza| !stanza.is_empty())
        .collect();
    stanzas.sort();
    // What dpkg keeps for itself.
    let own = [
        "status",
        "status-old",
        "available",
        "diversions-old",
        "statoverride-old",
        "arch-native",
        "parts",
        "updates",
    ];
    let own: Vec<String> = own
        .iter()
        .map(|name| format!("/var/lib/dpkg/{name} "))
        .collect();
    let dump = world.dump();
    stanzas.extend(
        dump.lines()
            .filter(|line| !own.iter().any(|o| line.starts_with(o)))
            .map(str::to_owned),
    );
    stanzas
}

/// Has the host's dpkg unpack packages into a tree as one batch.
fn unpack_with_dpkg(world: &World, packages: &[Packed], options: &[&str]) -> std::process::Output {
    let debs = tempfile::tempdir().unwrap();
    let paths = packages.iter().enumerate().map(|(n, package)| {
        let path = debs.path().join(format!("{n}.deb"));
        std::fs::write(&path, package.bytes()).unwrap();
        path
    });
    let paths: Vec<_> = paths.collect();
    let mut dpkg = std::process::Command::new("dpkg");
    dpkg.arg("--root")
        .arg(world.directory.path())
        .args(["--log=/dev/null", "--force-bad-path", "--force-depends"])
        .args(options);
    dpkg.arg("--unpack").args(paths).output().unwrap()
}

#[test]
#[ignore = "needs root, dpkg"]
fn paths_are_left_out_as_by_dpkg() {
    let rules = [
        ("exclude", "/usr/doc/*"),
        ("include", "/usr/doc/*/copyright"),
        ("exclude", "/usr/[m-n]an/??/*"),
        ("exclude", "/usr/links/*"),
        ("include", "/usr/links/kept"),
    ];
    let ours_of = |(word, pattern): (&str, &str)| match word {
        "exclude" => PathRule::new(PathRuleKind::Exclude, pattern).unwrap(),
        _ => PathRule::new(PathRuleKind::Include, pattern).unwrap(),
    };
    let mut data = vec![
        directory("./"),
        directory("./usr/"),
        directory("./usr/doc/"),
        directory("./usr/doc/a/"),
        directory("./usr/man/"),
    ];
    data.extend(["de", "fra"].iter().flat_map(|name| {
        [
            directory(format!("./usr/man/{name}/")),
            file(format!("./usr/man/{name}/x"), "m"),
        ]
    }));
    data.extend([
        file("./usr/doc/a/README", "readme"),
        file("./usr/doc/a/copyright", "c"),
        symlink("./usr/doc/a/link", "x"),
    ]);
    data.extend([
        directory("./usr/links/"),
        file("./usr/links/kept", "k"),
        file("./usr/links/gone", ""),
        entry("./usr/linked", b'6', 0o644),
    ]);
    let conffile = Packed(
        "conf",
        "",
        vec![("conffiles", "/usr/doc/conf\n/usr/links/kept2\n")],
        vec![file("./usr/doc/conf", "c")],
    );
    let packages = [
        packed("a", data.clone()),
        conffile,
        Packed(
            "sums",
            "X-No-Digests: yes\n",
            vec![],
            vec![file("./usr/doc/sums", "s")],
        ),
    ];
    let set_up = || World {
        paths: rules.map(ours_of).to_vec(),
        ..set_up(|_| {})
    };
    let (ours, theirs) = (set_up(), set_up());
    ours.batch(&packages).unwrap();
    let options = rules.map(|(word, pattern)| format!("--path-{word}={pattern}"));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = unpack_with_dpkg(&theirs, &packages, &options);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(state(&ours).join("\n"), state(&theirs).join("\n"));
    // dpkg stops at a hard link over a path that it has left out; here the file appears under the
    // link's name.
    data.push(hard_link("./usr/over", "./usr/doc/a/README"));
    let (ours, theirs) = (set_up(), set_up());
    assert!(
        !unpack_with_dpkg(&theirs, &[packed("a", data.clone())], &options)
            .status
            .success()
    );
    ours.batch(&[packed("a", data)]).unwrap();
    assert_eq!(ours.text("usr/over").unwrap(), "readme");
    assert!(
        !ours.path("usr/doc/a/README").exists()
            && ours.list("a").contains("/usr/doc/a/README\n/usr")
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn dpkg_cannot_tell() {
    let mut differences = Vec::new();
    for (what, before, packages) in scenarios::scenarios()
        .into_iter()
        .chain(replaced::scenarios())
    {
        let ours = set_up(before);
        ours.batch(&packages)
            .unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let theirs = set_up(before);
        let output = unpack_with_dpkg(&theirs, &packages, &[]);
        assert!(
            output.status.success(),
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (ours, theirs) = (state(&ours), state(&theirs));
        differences.extend(
            ours.iter()
                .filter(|l| !theirs.contains(l))
                .map(|l| format!("{what}: ours: {l}")),
        );
        differences.extend(
            theirs
                .iter()
                .filter(|l| !ours.contains(l))
                .map(|l| format!("{what}: dpkg: {l}")),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "needs root, dpkg"]
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
    let is_shipped = |path: &str| world.path(path).metadata().unwrap().mtime() == 1_600_000_000;
    let expected = [
        ("in", true),
        ("out", false),
        ("again", true),
        ("files", false),
        ("empty", true),
        ("in/real", true),
    ];
    assert_eq!(
        expected.map(|(name, _)| (name, is_shipped(&format!("usr/{name}")))),
        expected
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn what_dpkg_refuses_is_refused() {
    let (root, usr) = (|| directory("./"), || directory("./usr/"));
    let shared = |architecture, content| {
        Packed(
            "s",
            architecture,
            vec![],
            vec![root(), usr(), file("./usr/x", content)],
        )
    };
    let owned = |name, fields| {
        Packed(
            name,
            fields,
            vec![],
            vec![root(), usr(), file("./usr/x", name)],
        )
    };
    let divert: fn(&World) = |world| world.write("var/lib/dpkg/diversions", "/usr/y\n/usr/x\nz\n");
    let nothing: fn(&World) = |_| {};
    let (same, other) = (
        "Multi-Arch: same\nArchitecture: amd64\n",
        "Multi-Arch: same\nArchitecture: i386\n",
    );
    for (before, packages, expected) in [
        (
            nothing,
            vec![owned("a", ""), owned("b", "")],
            "package `b` is trying to overwrite /usr/x, which is also in package `a (1)`",
        ),
        (
            nothing,
            vec![owned("a", ""), owned("b", "Replaces: a (<< 1)\n")],
            "package `b` is trying to overwrite /usr/x, which is also in package `a (1)`",
        ),
        (
            nothing,
            vec![shared(same, "1"), shared(other, "2")],
            "package `s` is trying to overwrite /usr/x, which is different in `s:amd64`",
        ),
        (
            nothing,
            vec![
                owned("a", ""),
                packed("b", vec![root(), directory("./usr/x/")]),
            ],
            "package `b` is trying to overwrite /usr/x, which is also in package `a`",
        ),
        (
            divert,
            vec![owned("a", "")],
            "package `a` is trying to overwrite /usr/x, which is the diverted version of /usr/y",
        ),
        (
            nothing,
            vec![owned("../a", "")],
            "`../a:all` is not the name of a package and an architecture",
        ),
        (
            nothing,
            vec![owned("a", "Architecture: a/b\n")],
            "`a:a/b` is not the name of a package and an architecture",
        ),
        (
            nothing,
            vec![packed("a", vec![root(), file("./a\nb", "")])],
            "package `a` cannot be unpacked: `/a?b` is not a path inside the tree",
        ),
        (
            nothing,
            vec![packed("a", vec![root(), file("./../b", "")])],
            "package `a` cannot be unpacked: `./../b` is not a path inside the tree",
        ),
        (
            nothing,
            vec![packed("a", vec![root(), hard_link("./b", "../../b")])],
            "package `a` cannot be unpacked: `../../b` is not a path inside the tree",
        ),
        (
            nothing,
            vec![packed("a", vec![symlink("./", "x")])],
            "package `a` cannot be unpacked: `/` is not a path inside the tree",
        ),
        (
            nothing,
            vec![packed(
                "a",
                vec![
                    root(),
                    TarEntry {
                        declared_size: Some(1 << 33),
                        ..file("./huge", "1")
                    },
                ],
            )],
            "package `a` cannot be read: its member `data.tar`: the archive ends within an entry",
        ),
        (
            nothing,
            vec![Packed("a", "", vec![("conffiles", "etc/a\n")], vec![])],
            "package `a` cannot be unpacked: package `a`, control member `conffiles`, line 1: not an absolute path",
        ),
    ] {
        let world = set_up(before);
        let error = world.batch(&packages).expect_err(expected);
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            text = format!("{text}: {deeper}");
            cause = deeper.source();
        }
        assert_eq!(text.replace('\n', "?"), expected);
        assert!(!world.path(STAGING).exists(), "{expected}");
    }
}
