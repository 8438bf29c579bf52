//! What dpkg does with the same packages, and what it refuses: the measure of everything else here.

use super::*;

/// What it is about, what is in the tree before, and packages that are unpacked as one batch.
type Scenario = (&'static str, fn(&World), Vec<Packed>);

fn scenarios() -> Vec<Scenario> {
    let nothing: fn(&World) = |_| {};
    let (root, usr, etc) = (|| directory("./"), || directory("./usr/"), || directory("./etc/"));
    // A package that loses all its files disappears, so each has one that nobody takes.
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
            "conffiles that are to go, one of them behind a symlink, one diverted",
            |world| {
                for (path, content) in
                    [("etc/gone", "1"), ("etc/gone.dpkg-dist", "2"), ("etc/real", "3"), ("etc/off", "4"), ("etc/own", "5")]
                {
                    world.write(path, content);
                }
                std::os::unix::fs::symlink("real", world.path("etc/link")).unwrap();
                world.write("var/lib/dpkg/diversions", "/etc/on\n/etc/off\n:\n");
            },
            vec![
                packed("other", vec![root(), etc(), file("./etc/own", "own")]),
                Packed(
                    "conf",
                    "",
                    vec![(
                        "conffiles",
                        "remove-on-upgrade /etc/gone\nremove-on-upgrade /etc/link\nremove-on-upgrade /etc/on\nremove-on-upgrade /etc/own\n",
                    )],
                    vec![root(), etc(), file("./etc/more", "")],
                ),
            ],
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
            "a package that is replaced completely",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![("triggers", "interest x\nactivate y\n"), ("shlibs", "")],
                    vec![root(), usr(), file("./usr/x", "1")],
                ),
                packed("witness", vec![root(), usr(), file("./usr/witness", "")]),
                with("new", "Replaces: old\n", vec![root(), usr(), file("./usr/x", "2")]),
            ],
        ),
        (
            "a package that is replaced but for a directory",
            nothing,
            vec![
                packed("old", vec![root(), usr(), directory("./usr/own/"), file("./usr/x", "1")]),
                with("new", "Replaces: old\n", vec![root(), usr(), file("./usr/x", "2")]),
            ],
        ),
        (
            "a directory that others come to share, two packages that go in turn",
            nothing,
            vec![
                packed("old", vec![root(), usr(), directory("./usr/own/"), file("./usr/x", "1")]),
                with("new", "Replaces: old\n", vec![root(), usr(), file("./usr/x", "2"), file("./usr/y", "2")]),
                packed("third", vec![root(), usr(), directory("./usr/own/"), file("./usr/third", "3")]),
                with(
                    "last",
                    "Replaces: new, third\n",
                    vec![root(), usr(), file("./usr/x", "4"), file("./usr/y", "4"), file("./usr/third", "")],
                ),
                packed("more", vec![root(), usr(), directory("./usr/own/"), file("./usr/more", "")]),
            ],
        ),
        (
            "nothing but directories, and nothing at all",
            nothing,
            vec![
                packed("directories", vec![root(), usr(), directory("./usr/d/")]),
                packed("nothing", vec![root()]),
                packed("other", vec![root(), usr(), directory("./usr/d/"), file("./usr/d/x", "")]),
            ],
        ),
        (
            "a replaced package that others need, or do not yet",
            nothing,
            vec![
                packed("needed", vec![root(), usr(), file("./usr/a", "1")]),
                with("provider", "Provides: virtual\n", vec![root(), usr(), file("./usr/b", "1")]),
                packed("wished", vec![root(), usr(), file("./usr/c", "1")]),
                with(
                    "user",
                    "Pre-Depends: needed | nobody\nDepends: virtual\nRecommends: wished\n",
                    vec![root(), usr(), file("./usr/u", "")],
                ),
                with(
                    "new",
                    "Replaces: needed, provider, wished\n",
                    vec![root(), usr(), file("./usr/a", "2"), file("./usr/b", "2"), file("./usr/c", "2")],
                ),
            ],
        ),
        (
            "a replaced package that the new one stands in for, or needs itself",
            nothing,
            vec![
                packed("old", vec![root(), usr(), file("./usr/a", "1")]),
                with("user", "Pre-Depends: old\n", vec![root(), usr(), file("./usr/u", "")]),
                with("new", "Replaces: old\nProvides: old\n", vec![root(), usr(), file("./usr/a", "2")]),
                with("newer", "Replaces: new\nDepends: new\n", vec![root(), usr(), file("./usr/a", "3")]),
            ],
        ),
        (
            "a diverted path keeps its package while the diverting one is unpacked, not after it",
            |world| world.write("var/lib/dpkg/diversions", "/usr/x\n/usr/x.old\nnew\n/usr/y\n/usr/y.old\nlast\n"),
            vec![
                packed("old", vec![root(), usr(), file("./usr/x", "1")]),
                packed("new", vec![root(), usr(), file("./usr/x", "2"), file("./usr/new", "")]),
                packed("third", vec![root(), usr(), file("./usr/y", "3")]),
                packed("last", vec![root(), usr(), file("./usr/y", "4")]),
            ],
        ),
        (
            "a replaced package of two architectures",
            nothing,
            vec![
                with("s", "Multi-Arch: same\nArchitecture: amd64\n", vec![root(), usr(), file("./usr/x", "")]),
                with("s", "Multi-Arch: same\nArchitecture: i386\n", vec![root(), usr(), file("./usr/x", "")]),
                with("new", "Replaces: s\n", vec![root(), usr(), file("./usr/x", "2")]),
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
    dpkg.arg("--root").arg(world.directory.path()).args(["--log=/dev/null", "--force-bad-path", "--force-depends"]).args(options);
    dpkg.arg("--unpack").args(paths).output().unwrap()
}

fn is_able() -> bool {
    is_root() && std::process::Command::new("dpkg").arg("--version").output().is_ok()
}

#[test]
fn paths_are_left_out_as_by_dpkg() {
    if !is_able() {
        return;
    }
    let rules = [
        ("exclude", "/usr/doc/*"),
        ("include", "/usr/doc/*/copyright"),
        ("exclude", "/usr/[m-n]an/??/*"),
        ("exclude", "/usr/links/*"),
        ("include", "/usr/links/kept"),
    ];
    let ours_of = |(word, pattern): (&str, &str)| match word {
        "exclude" => PathRule::Exclude(pattern.into()),
        _ => PathRule::Include(pattern.into()),
    };
    let mut data = vec![directory("./"), directory("./usr/"), directory("./usr/doc/"), directory("./usr/doc/a/"), directory("./usr/man/")];
    data.extend(
        ["de", "fra"].iter().flat_map(|name| [directory(&format!("./usr/man/{name}/")), file(&format!("./usr/man/{name}/x"), "m")]),
    );
    data.extend([file("./usr/doc/a/README", "readme"), file("./usr/doc/a/copyright", "c"), symlink("./usr/doc/a/link", "x")]);
    data.extend([
        directory("./usr/links/"),
        file("./usr/links/kept", "k"),
        file("./usr/links/gone", ""),
        entry("./usr/linked", b'6', 0o644),
    ]);
    let conffile = Packed("conf", "", vec![("conffiles", "/usr/doc/conf\n/usr/links/kept2\n")], vec![file("./usr/doc/conf", "c")]);
    let packages = [packed("a", data.clone()), conffile, Packed("sums", "X-No-Digests: yes\n", vec![], vec![file("./usr/doc/sums", "s")])];
    let set_up = || World { paths: rules.map(ours_of).to_vec(), ..set_up(|_| {}) };
    let (ours, theirs) = (set_up(), set_up());
    ours.batch(&packages).unwrap();
    let options = rules.map(|(word, pattern)| format!("--path-{word}={pattern}"));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = unpack_with_dpkg(&theirs, &packages, &options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(state(&ours).join("\n"), state(&theirs).join("\n"));
    // dpkg stops at a hard link over a path that it has left out; here the file appears under the link's name.
    data.push(hard_link("./usr/over", "./usr/doc/a/README"));
    let (ours, theirs) = (set_up(), set_up());
    assert!(!unpack_with_dpkg(&theirs, &[packed("a", data.clone())], &options).status.success());
    ours.batch(&[packed("a", data)]).unwrap();
    assert_eq!(ours.text("usr/over").unwrap(), "readme");
    assert!(!ours.path("usr/doc/a/README").exists() && ours.list("a").contains("/usr/doc/a/README\n/usr"));
}

#[test]
fn dpkg_cannot_tell() {
    if !is_able() {
        return;
    }
    let mut differences = Vec::new();
    for (what, before, packages) in scenarios() {
        let ours = set_up(before);
        ours.batch(&packages).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let theirs = set_up(before);
        let output = unpack_with_dpkg(&theirs, &packages, &[]);
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
