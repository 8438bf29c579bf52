//! What dpkg does with the same packages, and what it refuses: the measure of everything else here.

use super::*;

/// What it is about, what is in the tree before, and packages that are unpacked as one batch.
type Scenario = (&'static str, fn(&World), Vec<Packed>);

fn scenarios() -> Vec<Scenario> {
    let nothing: fn(&World) = |_| {};
    let (root, usr, etc) = (|| directory("./"), || directory("./usr/"), || directory("./etc/"));
    // A package that loses all its files disappears for dpkg, so each has one that nobody takes.
    let owned = |name, content| packed(name, vec![root(), usr(), file("./usr/x", content), file(&format!("./usr/{name}"), "")]);
    let with = |name, fields, data| Packed(name, fields, vec![], data);
    let foreign = |architecture, content| {
        let fields =
            if architecture == "amd64" { "Multi-Arch: same\nArchitecture: amd64\n" } else { "Multi-Arch: same\nArchitecture: i386\n" };
        let data =
            vec![root(), usr(), file("./usr/same", content), symlink("./usr/link", "same"), file(&format!("./usr/{architecture}"), "")];
        with("shared", fields, data)
    };
    let every_kind = vec![
        root(),
        symlink("./usr/first", "second"),
        usr(),
        file("./usr/su", "su").mode(0o4755),
        file("./usr/mail", "").mode(0o2755).owner("root", "mail"),
        file("./usr/nobody", "").owner("no-such", "neither"),
        entry("./usr/sticky/", b'5', 0o3775).owner("games", "mail"),
        hard_link("./usr/sticky/su", "./usr/su"),
        file(&format!("./usr/{}", "l".repeat(200)), "long"),
        symlink("./usr/to-long", &"m".repeat(200)),
        Item { path: b"./usr/\xe9".to_vec(), ..file("", "latin") },
        entry("./usr/pipe", b'6', 0o640),
        Item { device: (1, 3), ..entry("./usr/null", b'3', 0o666) },
        entry("./usr/empty/", b'5', 0o700),
    ];
    let members = vec![("conffiles", "/etc/a\n/etc/hard\n"), ("triggers", "interest x\ninterest-noawait /usr/x\n"), ("shlibs", "s\n")];
    let conffiles =
        vec![root(), etc(), file("./etc/a", "a"), file("./etc/hard", "h"), hard_link("./etc/other", "./etc/hard"), file("./etc/b", "b")];
    vec![
        ("every kind of entry", nothing, vec![packed("kinds", every_kind.clone())]),
        ("no digests", nothing, vec![with("kinds", "X-No-Digests: yes\n", every_kind)]),
        ("conffiles and triggers", nothing, vec![Packed("conf", "", members.clone(), conffiles.clone())]),
        ("conffiles without digests", nothing, vec![Packed("conf", "X-No-Digests: yes\nMulti-Arch: foreign\n", members, conffiles)]),
        (
            "conffiles that are gone or not shipped",
            nothing,
            vec![Packed("conf", "", vec![("conffiles", "/etc/not-shipped\nremove-on-upgrade /etc/gone\n")], vec![root(), etc()])],
        ),
        (
            "a conffile behind a symlink",
            |world| {
                world.write("etc/elsewhere/real", "old");
                std::os::unix::fs::symlink("elsewhere/../elsewhere/real", world.path("etc/a")).unwrap();
            },
            vec![Packed("conf", "", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "new")])],
        ),
        (
            "a diversion by a package and a local one",
            |world| {
                world
                    .write("var/lib/dpkg/diversions", "/usr/x\n/usr/x.by\ndiverter\n/etc/a\n/etc/a.local\n:\n/usr/h\n/usr/h.by\ndiverter\n")
            },
            vec![
                Packed(
                    "diverted",
                    "",
                    vec![("conffiles", "/etc/a\n")],
                    vec![
                        root(),
                        usr(),
                        etc(),
                        file("./usr/x", "theirs"),
                        file("./usr/h", "h"),
                        hard_link("./usr/i", "./usr/h"),
                        file("./etc/a", "a"),
                    ],
                ),
                owned("diverter", "own"),
            ],
        ),
        (
            "statoverrides",
            |world| world.write("var/lib/dpkg/statoverride", "mail games 4750 /usr/x\nroot mail 2775 /usr/dir\nroot mail 600 /etc/a\n"),
            vec![Packed(
                "over",
                "",
                vec![("conffiles", "/etc/a\n")],
                vec![root(), usr(), etc(), file("./usr/x", ""), directory("./usr/dir/"), file("./etc/a", "")],
            )],
        ),
        (
            "the new replaces the old",
            nothing,
            vec![owned("old", "1"), with("new", "Replaces: old (<< 2)\n", vec![root(), usr(), file("./usr/x", "2")])],
        ),
        (
            "the old replaces the new",
            nothing,
            vec![with("old", "Replaces: new\n", vec![root(), usr(), file("./usr/x", "1")]), owned("new", "2")],
        ),
        (
            "a conffile is taken over",
            nothing,
            vec![
                Packed("old", "", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")]),
                Packed("new", "Replaces: old\n", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "2")]),
            ],
        ),
        (
            "a conffile is taken over by a file",
            nothing,
            vec![
                Packed("old", "", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")]),
                Packed("new", "Replaces: old\n", vec![], vec![root(), etc(), file("./etc/a", "2")]),
            ],
        ),
        (
            "a file is taken over by a conffile",
            nothing,
            vec![
                Packed("old", "", vec![], vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")]),
                Packed("new", "Replaces: old\n", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "2")]),
            ],
        ),
        (
            "a conffile yields to an earlier one",
            nothing,
            vec![
                Packed("old", "Replaces: new\n", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "1")]),
                Packed("new", "", vec![("conffiles", "/etc/a\n")], vec![root(), etc(), file("./etc/a", "2")]),
            ],
        ),
        (
            "all is taken over",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![("triggers", "interest x\n"), ("conffiles", "/etc/a\n")],
                    vec![root(), usr(), etc(), file("./usr/x", ""), file("./etc/a", "1")],
                ),
                Packed(
                    "new",
                    "Replaces: old\n",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), usr(), etc(), file("./usr/x", "2"), file("./etc/a", "2")],
                ),
            ],
        ),
        (
            "all but a directory is taken over",
            nothing,
            vec![
                packed("old", vec![root(), usr(), directory("./usr/old/"), file("./usr/x", "")]),
                with("new", "Replaces: old\n", vec![root(), usr(), file("./usr/x", "2")]),
            ],
        ),
        ("all is taken over, but needed", nothing, taken_over("Depends: old (>= 1)\n", "Replaces: old\nProvides: old\n")),
        ("all is taken over, but recommended", nothing, taken_over("Recommends: old\n", "Replaces: old\n")),
        ("all is taken over, and suggested", nothing, taken_over("Suggests: old\n", "Replaces: old\n")),
        ("all is taken over, and provided", nothing, taken_over("Depends: other | old (<< 2)\n", "Replaces: old\nProvides: old (= 1.5)\n")),
        ("all is taken over by what depends on it", nothing, taken_over("", "Replaces: old\nDepends: old\n")),
        ("all is taken over of what a third provides", nothing, taken_over("Provides: old\nDepends: old\n", "Replaces: old\n")),
        ("two architectures", nothing, vec![foreign("amd64", "equal"), foreign("i386", "equal")]),
        (
            "directories and links in each other's place",
            |world| std::os::unix::fs::symlink("usr", world.path("merged")).unwrap(),
            vec![
                packed(
                    "a",
                    vec![root(), usr(), directory("./usr/dir/"), file("./usr/dir/x", "1"), directory("./merged/"), file("./merged/y", "")],
                ),
                packed("b", vec![root(), usr(), symlink("./usr/dir", "elsewhere"), file("./usr/z", "")]),
            ],
        ),
        (
            "a directory of two packages",
            nothing,
            vec![
                packed("a", vec![root(), entry("./usr/", b'5', 0o711), file("./usr/a", "")]),
                packed("b", vec![root(), usr().owner("games", "mail"), file("./usr/b", "")]),
            ],
        ),
    ]
}

/// A package, one that has to do with it, and one that has the same file.
fn taken_over(related: &'static str, fields: &'static str) -> Vec<Packed> {
    let data = |content| vec![directory("./"), directory("./usr/"), file("./usr/x", content)];
    let of = vec![directory("./"), directory("./usr/"), file("./usr/related", "")];
    vec![Packed("old", "", vec![], data("1")), Packed("related", related, vec![], of), Packed("new", fields, vec![], data("2"))]
}

/// What is to be equal: the tree, and status with its stanzas and their fields sorted.
fn state(world: &World) -> Vec<String> {
    let status = world.text("var/lib/dpkg/status").unwrap();
    let mut stanzas: Vec<String> = status
        .split("\n\n")
        .map(|stanza| {
            let mut fields: Vec<String> = crate::package::fields(stanza).map(|(name, value)| format!("{name}: {value}")).collect();
            fields.sort();
            fields.join("\n")
        })
        .filter(|stanza| !stanza.is_empty())
        .collect();
    stanzas.sort();
    // What dpkg keeps for itself.
    let own = ["status", "status-old", "available", "diversions-old", "statoverride-old", "arch-native", "parts", "updates"];
    let own: Vec<String> = own.iter().map(|name| format!("/var/lib/dpkg/{name} ")).collect();
    let dump = world.dump();
    stanzas.extend(dump.lines().filter(|line| !own.iter().any(|o| line.starts_with(o))).map(str::to_owned));
    stanzas
}

#[test]
fn dpkg_cannot_tell() {
    let there = std::process::Command::new("dpkg").arg("--version").output().is_ok();
    if !is_root() || !there {
        return;
    }
    let mut differences = Vec::new();
    for (what, before, packages) in scenarios() {
        let ours = set_up(before);
        ours.batch(&packages).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let theirs = set_up(before);
        let debs = tempfile::tempdir().unwrap();
        let paths = packages.iter().enumerate().map(|(n, package)| {
            let path = debs.path().join(format!("{n}.deb"));
            std::fs::write(&path, package.bytes()).unwrap();
            path
        });
        let mut dpkg = std::process::Command::new("dpkg");
        dpkg.arg("--root")
            .arg(theirs.directory.path())
            .args(["--log=/dev/null", "--force-bad-path", "--force-depends", "--unpack"])
            .args(paths);
        let output = dpkg.output().unwrap();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let (ours, theirs) = (state(&ours), state(&theirs));
        differences.extend(ours.iter().filter(|l| !theirs.contains(l)).map(|l| format!("{what}: ours: {l}")));
        differences.extend(theirs.iter().filter(|l| !ours.contains(l)).map(|l| format!("{what}: dpkg: {l}")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_dpkg_refuses_is_refused() {
    let (root, usr) = (|| directory("./"), || directory("./usr/"));
    let shared = |architecture, content| Packed("s", architecture, vec![], vec![root(), usr(), file("./usr/x", content)]);
    let owned = |name, fields| Packed(name, fields, vec![], vec![root(), usr(), file("./usr/x", name)]);
    let divert: fn(&World) = |world| world.write("var/lib/dpkg/diversions", "/usr/y\n/usr/x\nz\n");
    let nothing: fn(&World) = |_| {};
    let (same, other) = ("Multi-Arch: same\nArchitecture: amd64\n", "Multi-Arch: same\nArchitecture: i386\n");
    for (before, packages, expected) in [
        (nothing, vec![owned("a", ""), owned("b", "")], "package `b` is trying to overwrite /usr/x, which is also in package `a (1)`"),
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
            vec![owned("a", ""), packed("b", vec![root(), directory("./usr/x/")])],
            "package `b` is trying to overwrite /usr/x, which is also in package `a`",
        ),
        (divert, vec![owned("a", "")], "package `a` is trying to overwrite /usr/x, which is the diverted version of /usr/y"),
        (nothing, vec![owned("../a", "")], "`../a:all` is not the name of a package and an architecture"),
        (nothing, vec![owned("a", "Architecture: a/b\n")], "`a:a/b` is not the name of a package and an architecture"),
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
        (nothing, vec![packed("a", vec![symlink("./", "x")])], "package `a` cannot be unpacked: `/` is not a path inside the tree"),
        (
            nothing,
            vec![packed("a", vec![root(), Item { size: Some(1 << 33), ..file("./huge", "1") }])],
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
