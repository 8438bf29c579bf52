//! Words that stand for several packages.

use super::*;

#[test]
fn several_packages_are_demanded_by_one_word() {
    let stanzas = "vim 2 Depends:libx\nvim-tiny 2\nlibx 1\nlibx++ 1\neditor-a 1 Provides:editor\n\
                   nano 1 Provides:pico\na.b 1\nbase 1 Essential:yes\nm1 1 Provides:mail\nm2 1 Provides:mail";
    let rows = [
        ("?name(^vim)", "libx vim vim-tiny"),
        ("~n^vim-", ""),
        ("?name(^vim) vim-tiny-", "libx vim"),
        ("?name(^vim)=2", "libx vim vim-tiny"),
        ("vim*", "libx vim vim-tiny"),
        ("^vim-.*$", "vim-tiny"),
        ("vim-tin.", "vim-tiny"),
        ("libx++", "libx++"),
        ("a.b", "a.b"),
        ("?essential", "base"),
        ("?virtual!~nmail", "editor-a nano"),
        (
            "?name(^mail)",
            "`mail` is a virtual package (choose a provider: m1, m2)",
        ),
        ("mail*", ""),
        ("?name(no-such)", ""),
        ("no-such*", "unknown package `no-such*`"),
        ("^no-such$", "unknown package `^no-such$`"),
        ("some-task^", "unknown package `some-task^`"),
        ("?nope", "`?nope` is not a pattern of apt's"),
        ("?name(^vim)=9", "unknown version 9 of `vim` (available: 2)"),
        (
            "?name(^vim)/sid",
            "suite sid does not have `vim` (available in: trixie)",
        ),
    ];
    for (include, expected) in &rows {
        assert_eq!(custom(stanzas, include), *expected, "{include}");
    }
    assert_eq!(rows.len(), 20);
}
