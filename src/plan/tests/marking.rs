//! What apt marks: a table of small archives with the packages of each answer.

use super::*;

#[test]
fn marking_follows_apt() {
    for (rule, stanzas, demands, expected) in [
        ("first alternative", "a 1 Depends:b|c\nb 1\nc 1", "a", "a b"),
        (
            "a later demand spares the default",
            "a 1 Depends:b|c\nb 1\nc 1",
            "a c",
            "a c",
        ),
        (
            "demands in their order",
            "a 1 Depends:b|c\nb 1\nc 1\nd 1 Depends:c",
            "d a",
            "a c d",
        ),
        (
            "demands in their order, reversed",
            "a 1 Depends:b|c\nb 1\nc 1\nd 1 Depends:c",
            "a d",
            "a b c d",
        ),
        (
            "the real package before providers",
            "a 1 Depends:b\nb 1\nc 1 Provides:b",
            "a",
            "a b",
        ),
        (
            "the provider that was mentioned last",
            "x 1 Suggests:d\na 1 Depends:v\nc 1 Provides:v\nd 1 Provides:v",
            "a",
            "a c",
        ),
        (
            "priority before that",
            "a 1 Depends:v\nc 1 Provides:v Priority:important\nd 1 Provides:v Priority:optional",
            "a",
            "a c",
        ),
        (
            "essential before that",
            "a 1 Depends:v\nc 1 Provides:v Essential:yes\nd 1 Provides:v Priority:required",
            "a",
            "a c",
        ),
        (
            "next alternative when the first fails",
            "a 1 Depends:b|c\nb 1 Depends:missing\nc 1",
            "a",
            "a c",
        ),
        (
            "an unversioned provide meets no version",
            "a 1 Depends:b(>=1)|d\nc 1 Provides:b\nd 1",
            "a",
            "a d",
        ),
        (
            "a versioned one does",
            "a 1 Depends:b(>=1)|d\nc 1 Provides:b(=2)\nd 1",
            "a",
            "a c",
        ),
        (
            "versions count",
            "a 1 Depends:b(>>1)|c\nb 1\nc 1",
            "a",
            "a c",
        ),
        (
            "own conflicts first",
            "a 1\nb 1 Depends:c|d\nc 1 Conflicts:a\nd 1",
            "a b",
            "a b d",
        ),
        (
            "a protected package bars what it conflicts with",
            "b 1 Depends:c|d\na 1 Conflicts:c\nc 1\nd 1",
            "a b",
            "a b d",
        ),
        (
            "a package may provide what it conflicts with",
            "a 1 Provides:m Conflicts:m\nb 1 Depends:m",
            "a b",
            "a b",
        ),
        (
            "a failed branch is swept",
            "a 1 Depends:b|e\nb 1 Depends:c,d\nc 1\nd 1 Depends:x|y\nx 1 Conflicts:a\n\
             y 1 Breaks:a\ne 1",
            "a",
            "a e",
        ),
        ("recommends do not pull", "a 1 Recommends:b\nb 1", "a", "a"),
        (
            "advice that is no relation",
            "a 1 Depends:b Recommends:${misc:X} Suggests:x:,b\nb 1",
            "a",
            "a b",
        ),
        (
            "an unequal provide is passed over",
            "a 1 Depends:v|b\nb 1\nc 1 Provides:v(>=2)",
            "a",
            "a b",
        ),
        ("the highest version", "a 1\na 3\na 2", "a", "a"),
        (
            "cycles",
            "a 1 Depends:b\nb 1 Depends:c\nc 1 Pre-Depends:a",
            "a",
            "a b c",
        ),
        (
            "any",
            "a 1 Depends:b:any\nb 1 Multi-Arch:allowed",
            "a",
            "a b",
        ),
        (
            "no package is named NAME:any",
            "a 1 Depends:m:any\nm 1 Multi-Arch:allowed\n\
             m-guile 1 Multi-Arch:allowed Provides:m(=1)",
            "a",
            "a m-guile",
        ),
        (
            "any of what does not allow it",
            "a 1 Depends:b:any|c\nb 1\nc 1",
            "a",
            "a c",
        ),
        (
            "a virtual name with one provider",
            "a 1 Provides:v",
            "v",
            "a",
        ),
        ("a name that ends in +", "a++ 1\na 1", "a++", "a++"),
        (
            "not to be installed",
            "a 1 Depends:b|c\nb 1\nc 1",
            "a b-",
            "a c",
        ),
    ] {
        assert_eq!(custom(stanzas, demands), expected, "{rule}");
    }
}
