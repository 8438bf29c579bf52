//! What is unpacked by dpkg and here: every kind of entry, conffiles, diversions, statoverrides,
//! Replaces.

use rbootstrap::testing::tar::{TarEntry, directory, entry, file, hard_link, symlink};
use rbootstrap::testing::unpacking::{Packed, World, packed};

/// What it is about, what is in the tree before, and packages that are unpacked as one batch.
pub(super) type Scenario = (&'static str, fn(&World), Vec<Packed>);

pub(super) fn root() -> TarEntry {
    directory("./")
}

pub(super) fn usr() -> TarEntry {
    directory("./usr/")
}

pub(super) fn etc() -> TarEntry {
    directory("./etc/")
}

/// The directories down to /usr, then these.
pub(super) fn in_usr<const N: usize>(entries: [TarEntry; N]) -> Vec<TarEntry> {
    let mut all = vec![root(), usr()];
    all.extend(entries);
    all
}

/// A package of further fields and data.
pub(super) fn with(name: &'static str, fields: &'static str, data: Vec<TarEntry>) -> Packed {
    Packed(name, fields, vec![], data)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let nothing: fn(&World) = |_| {};
    // A package that loses all its files disappears, so each has one that nobody takes.
    let owned = |name, content| {
        packed(
            name,
            in_usr([file("./usr/x", content), file(format!("./usr/{name}"), "")]),
        )
    };
    let foreign = |architecture, content| {
        let fields = if architecture == "amd64" {
            "Multi-Arch: same\nArchitecture: amd64\n"
        } else {
            "Multi-Arch: same\nArchitecture: i386\n"
        };
        // The later one was built later, which does not show in what both have.
        let built = if architecture == "amd64" {
            1_600_000_000
        } else {
            1_600_000_009
        };
        let shared = [file("./usr/same", content), symlink("./usr/link", "same")];
        let shared = shared.map(|item| item.modified(built)).into();
        let data = [
            vec![root(), usr()],
            shared,
            vec![file(format!("./usr/{architecture}"), "")],
        ]
        .concat();
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
        file(format!("./usr/{}", "l".repeat(200)), "long"),
        symlink("./usr/to-long", &"m".repeat(200)),
        TarEntry {
            path: b"./usr/\xe9".to_vec(),
            ..file("", "latin")
        },
        entry("./usr/pipe", b'6', 0o640),
        TarEntry {
            device: (1, 3),
            ..entry("./usr/null", b'3', 0o666)
        },
        entry("./usr/empty/", b'5', 0o700),
    ];
    let members = vec![
        ("conffiles", "/etc/a\n/etc/hard\n"),
        ("triggers", "interest x\ninterest-noawait /usr/x\n"),
        ("shlibs", "s\n"),
    ];
    let conffiles = vec![
        root(),
        etc(),
        file("./etc/a", "a"),
        file("./etc/hard", "h"),
        hard_link("./etc/other", "./etc/hard"),
        file("./etc/b", "b"),
    ];
    vec![
        (
            "every kind of entry",
            nothing,
            vec![packed("kinds", every_kind.clone())],
        ),
        (
            "no digests",
            nothing,
            vec![with("kinds", "X-No-Digests: yes\n", every_kind)],
        ),
        (
            "conffiles and triggers",
            nothing,
            vec![Packed("conf", "", members.clone(), conffiles.clone())],
        ),
        (
            "conffiles without digests",
            nothing,
            vec![Packed(
                "conf",
                "X-No-Digests: yes\nMulti-Arch: foreign\n",
                members,
                conffiles,
            )],
        ),
        (
            "conffiles that are gone or not shipped",
            nothing,
            vec![Packed(
                "conf",
                "",
                vec![(
                    "conffiles",
                    "/etc/not-shipped\nremove-on-upgrade /etc/gone\n",
                )],
                vec![root(), etc()],
            )],
        ),
        (
            "conffiles that are to go, one of them behind a symlink, one diverted",
            |world| {
                for (path, content) in [
                    ("etc/gone", "1"),
                    ("etc/gone.dpkg-dist", "2"),
                    ("etc/real", "3"),
                    ("etc/off", "4"),
                    ("etc/own", "5"),
                ] {
                    world.write(path, content);
                }
                std::os::unix::fs::symlink("real", world.path("etc/link")).unwrap();
                std::os::unix::fs::symlink("nowhere/at/all", world.path("etc/dangling")).unwrap();
                world.write("var/lib/dpkg/diversions", "/etc/on\n/etc/off\n:\n");
            },
            vec![
                packed("other", vec![root(), etc(), file("./etc/own", "own")]),
                Packed(
                    "conf",
                    "",
                    vec![(
                        "conffiles",
                        "remove-on-upgrade /etc/gone\nremove-on-upgrade /etc/none/gone\n\
                         remove-on-upgrade /etc/dangling\nremove-on-upgrade /etc/link\n\
                         remove-on-upgrade /etc/on\nremove-on-upgrade /etc/own\n",
                    )],
                    vec![root(), etc(), file("./etc/more", "")],
                ),
            ],
        ),
        (
            "a conffile behind a symlink",
            |world| {
                world.write("etc/elsewhere/real", "old");
                std::os::unix::fs::symlink("elsewhere/../elsewhere/real", world.path("etc/a"))
                    .unwrap();
            },
            vec![Packed(
                "conf",
                "",
                vec![("conffiles", "/etc/a\n")],
                vec![root(), etc(), file("./etc/a", "new")],
            )],
        ),
        (
            "a diversion by a package and a local one",
            |world| {
                world.write(
                    "var/lib/dpkg/diversions",
                    "/usr/x\n/usr/x.by\ndiverter\n/etc/a\n\
                     /etc/a.local\n:\n/usr/h\n/usr/h.by\n\
                     diverter\n",
                )
            },
            vec![
                Packed(
                    "diverted",
                    "",
                    vec![("conffiles", "/etc/a\n")],
                    in_usr([
                        etc(),
                        file("./usr/x", "theirs"),
                        file("./usr/h", "h"),
                        hard_link("./usr/i", "./usr/h"),
                        file("./etc/a", "a"),
                    ]),
                ),
                owned("diverter", "own"),
            ],
        ),
        (
            "statoverrides",
            |world| {
                world.write(
                    "var/lib/dpkg/statoverride",
                    "mail games 4750 /usr/x\nroot mail 2775 /usr/dir\nroot mail 600 /etc/a\n",
                )
            },
            vec![Packed(
                "over",
                "",
                vec![("conffiles", "/etc/a\n")],
                in_usr([
                    etc(),
                    file("./usr/x", ""),
                    directory("./usr/dir/"),
                    file("./etc/a", ""),
                ]),
            )],
        ),
        (
            "the new replaces the old",
            nothing,
            vec![
                owned("old", "1"),
                with(
                    "new",
                    "Replaces: old (<< 2)\n",
                    in_usr([file("./usr/x", "2")]),
                ),
            ],
        ),
        (
            "the old replaces the new",
            nothing,
            vec![
                with("old", "Replaces: new\n", in_usr([file("./usr/x", "1")])),
                owned("new", "2"),
            ],
        ),
        (
            "a conffile is taken over",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")],
                ),
                Packed(
                    "new",
                    "Replaces: old\n",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "2")],
                ),
            ],
        ),
        (
            "a conffile is taken over by a file",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")],
                ),
                Packed(
                    "new",
                    "Replaces: old\n",
                    vec![],
                    vec![root(), etc(), file("./etc/a", "2")],
                ),
            ],
        ),
        (
            "a file is taken over by a conffile",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![],
                    vec![root(), etc(), file("./etc/a", "1"), file("./etc/old", "")],
                ),
                Packed(
                    "new",
                    "Replaces: old\n",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "2")],
                ),
            ],
        ),
        (
            "a conffile yields to an earlier one",
            nothing,
            vec![
                Packed(
                    "old",
                    "Replaces: new\n",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "1")],
                ),
                Packed(
                    "new",
                    "",
                    vec![("conffiles", "/etc/a\n")],
                    vec![root(), etc(), file("./etc/a", "2")],
                ),
            ],
        ),
        (
            "two architectures",
            nothing,
            vec![foreign("amd64", "equal"), foreign("i386", "equal")],
        ),
        (
            "directories and links in each other's place",
            |world| std::os::unix::fs::symlink("usr", world.path("merged")).unwrap(),
            vec![
                packed(
                    "a",
                    in_usr([
                        directory("./usr/dir/"),
                        file("./usr/dir/x", "1"),
                        directory("./merged/"),
                        file("./merged/y", ""),
                    ]),
                ),
                packed(
                    "b",
                    in_usr([symlink("./usr/dir", "elsewhere"), file("./usr/z", "")]),
                ),
            ],
        ),
        (
            "a directory of two packages",
            nothing,
            vec![
                packed(
                    "a",
                    vec![root(), entry("./usr/", b'5', 0o711), file("./usr/a", "")],
                ),
                packed(
                    "b",
                    vec![root(), usr().owner("games", "mail"), file("./usr/b", "")],
                ),
            ],
        ),
    ]
}
