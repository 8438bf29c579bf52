//! What dpkg refuses to unpack is refused here.

use super::*;

#[test]
#[ignore = "needs root"]
fn what_dpkg_refuses_is_refused() {
    let root = || directory("./");
    let usr = || directory("./usr/");
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
    let same = "Multi-Arch: same\nArchitecture: amd64\n";
    let other = "Multi-Arch: same\nArchitecture: i386\n";
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
            "package `a` cannot be read: its member `data.tar`: the header at byte 0 has no valid name",
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
            "package `a` cannot be unpacked: package `a`, control member `conffiles`, line 1: not \
             an absolute path",
        ),
    ] {
        let world = World::new().with_users();
        before(&world);
        let text = world.unpack(&packages).expect_err(expected);
        assert_eq!(text.replace('\n', "?"), expected);
        assert!(!world.path(STAGING).exists(), "{expected}");
    }
}
