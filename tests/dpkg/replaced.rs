//! Packages that lose all they had to others, and so disappear, or are kept by something.

use super::scenarios::{Scenario, etc, in_usr, root, with};

use rbootstrap::testing::tar::{directory, file};
use rbootstrap::testing::unpacking::{Packed, World, packed};

pub(super) fn scenarios() -> Vec<Scenario> {
    let nothing: fn(&World) = |_| {};
    vec![
        (
            "all is taken over, but needed",
            nothing,
            taken_over("Depends: old (>= 1)\n", "Replaces: old\nProvides: old\n"),
        ),
        (
            "all is taken over, but recommended",
            nothing,
            taken_over("Recommends: old\n", "Replaces: old\n"),
        ),
        (
            "all is taken over, and suggested",
            nothing,
            taken_over("Suggests: old\n", "Replaces: old\n"),
        ),
        (
            "all is taken over, and provided",
            nothing,
            taken_over(
                "Depends: other | old (<< 2)\n",
                "Replaces: old\nProvides: old (= 1.5)\n",
            ),
        ),
        (
            "all is taken over by what depends on it",
            nothing,
            taken_over("", "Replaces: old\nDepends: old\n"),
        ),
        (
            "all is taken over of what a third provides",
            nothing,
            taken_over("Provides: old\nDepends: old\n", "Replaces: old\n"),
        ),
        (
            "a package that is replaced completely",
            nothing,
            vec![
                Packed(
                    "old",
                    "",
                    vec![
                        ("triggers", "interest x\nactivate y\n"),
                        ("shlibs", ""),
                        ("conffiles", "/etc/a\n"),
                    ],
                    in_usr([etc(), file("./usr/x", "1"), file("./etc/a", "1")]),
                ),
                packed("witness", in_usr([file("./usr/witness", "")])),
                Packed(
                    "new",
                    "Replaces: old\n",
                    vec![("conffiles", "/etc/a\n")],
                    in_usr([etc(), file("./usr/x", "2"), file("./etc/a", "2")]),
                ),
            ],
        ),
        (
            "a package that is replaced but for a directory",
            nothing,
            vec![
                packed(
                    "old",
                    in_usr([directory("./usr/own/"), file("./usr/x", "1")]),
                ),
                with("new", "Replaces: old\n", in_usr([file("./usr/x", "2")])),
            ],
        ),
        (
            "a directory that others come to share, two packages that go in turn",
            nothing,
            vec![
                packed(
                    "old",
                    in_usr([directory("./usr/own/"), file("./usr/x", "1")]),
                ),
                with(
                    "new",
                    "Replaces: old\n",
                    in_usr([file("./usr/x", "2"), file("./usr/y", "2")]),
                ),
                packed(
                    "third",
                    in_usr([directory("./usr/own/"), file("./usr/third", "3")]),
                ),
                with(
                    "last",
                    "Replaces: new, third\n",
                    in_usr([
                        file("./usr/x", "4"),
                        file("./usr/y", "4"),
                        file("./usr/third", ""),
                    ]),
                ),
                packed(
                    "more",
                    in_usr([directory("./usr/own/"), file("./usr/more", "")]),
                ),
            ],
        ),
        (
            "nothing but directories, and nothing at all",
            nothing,
            vec![
                packed("directories", in_usr([directory("./usr/d/")])),
                packed("nothing", vec![root()]),
                packed(
                    "other",
                    in_usr([directory("./usr/d/"), file("./usr/d/x", "")]),
                ),
            ],
        ),
        (
            "a replaced package that others need, or do not yet",
            nothing,
            vec![
                packed("needed", in_usr([file("./usr/a", "1")])),
                with(
                    "provider",
                    "Provides: virtual\n",
                    in_usr([file("./usr/b", "1")]),
                ),
                packed("wished", in_usr([file("./usr/c", "1")])),
                with(
                    "user",
                    "Pre-Depends: needed | nobody\nDepends: virtual\nRecommends: wished\n",
                    in_usr([file("./usr/u", "")]),
                ),
                with(
                    "new",
                    "Replaces: needed, provider, wished\n",
                    in_usr([
                        file("./usr/a", "2"),
                        file("./usr/b", "2"),
                        file("./usr/c", "2"),
                    ]),
                ),
            ],
        ),
        (
            "a replaced package that the new one stands in for, or needs itself",
            nothing,
            vec![
                packed("old", in_usr([file("./usr/a", "1")])),
                with("user", "Pre-Depends: old\n", in_usr([file("./usr/u", "")])),
                with(
                    "new",
                    "Replaces: old\nProvides: old\n",
                    in_usr([file("./usr/a", "2")]),
                ),
                with(
                    "newer",
                    "Replaces: new\nDepends: new\n",
                    in_usr([file("./usr/a", "3")]),
                ),
            ],
        ),
        (
            "a diverted path keeps its package while the diverting one is unpacked, not after it",
            |world| {
                world.write(
                    "var/lib/dpkg/diversions",
                    "/usr/x\n/usr/x.old\nnew\n/usr/y\n/usr/y.old\nlast\n",
                )
            },
            vec![
                packed("old", in_usr([file("./usr/x", "1")])),
                packed("new", in_usr([file("./usr/x", "2"), file("./usr/new", "")])),
                packed("third", in_usr([file("./usr/y", "3")])),
                packed("last", in_usr([file("./usr/y", "4")])),
            ],
        ),
        (
            "a replaced package of two architectures",
            nothing,
            vec![
                with(
                    "s",
                    "Multi-Arch: same\nArchitecture: amd64\n",
                    in_usr([file("./usr/x", "")]),
                ),
                with(
                    "s",
                    "Multi-Arch: same\nArchitecture: i386\n",
                    in_usr([file("./usr/x", "")]),
                ),
                with("new", "Replaces: s\n", in_usr([file("./usr/x", "2")])),
            ],
        ),
    ]
}

/// A package, one that has to do with it, and one that has the same file.
fn taken_over(related: &'static str, fields: &'static str) -> Vec<Packed> {
    let data = |content| in_usr([file("./usr/x", content)]);
    let of = in_usr([file("./usr/related", "")]);
    vec![
        Packed("old", "", vec![], data("1")),
        Packed("related", related, vec![], of),
        Packed("new", fields, vec![], data("2")),
    ]
}
