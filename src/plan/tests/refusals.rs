//! The messages for demands that cannot be met: the demands, and the chain from each to the
//! conflict.

use super::{Variant, listing, solve};

/// Each with its packages (`i386:` marks those of a second architecture), its demands and
/// exclusions.
const CASES: [(&str, &str, &str, &str); 14] = [
    (
        "two that conflict",
        "nginx 1 Conflicts:apache\napache 2",
        "nginx apache",
        "",
    ),
    (
        "a version is broken",
        "editor 2 Breaks:plugin(<<3)\nplugin 2.9",
        "plugin editor",
        "",
    ),
    (
        "the version is too low",
        "app 1 Depends:lib(>=2)\nlib 1.9",
        "app",
        "",
    ),
    (
        "what is needed is missing",
        "app 1 Depends:lib|other-lib",
        "app",
        "",
    ),
    (
        "a conflict at the end of two chains",
        "web 1 Depends:web-core\nweb-core 1 Depends:cache\ncache 1 Conflicts:lock\n\
         mail 1 Depends:queue\nqueue 1 Depends:lock\nlock 1\nbystander 1",
        "bystander web mail",
        "",
    ),
    (
        "what is needed is excluded",
        "app 1 Depends:lib\nlib 1 Depends:data\ndata 1",
        "app",
        "data",
    ),
    (
        "two architectures in two versions",
        "lib 2 Multi-Arch:same\ni386: lib 1 Multi-Arch:same\ni386: game 1 Depends:lib\n\
         app 1 Depends:lib",
        "app game:i386",
        "",
    ),
    (
        "a Pre-Depends",
        "app 1 Pre-Depends:tool(>=2)\ntool 1",
        "app",
        "",
    ),
    (
        "no package provides it",
        "app 1 Depends:mail-server\nother 1 Suggests:mail-server",
        "app",
        "",
    ),
    (
        "it conflicts with an essential package",
        "coreutils 9 Essential:yes\nbusybox 1 Conflicts:coreutils",
        "busybox",
        "",
    ),
    (
        "all alternatives are barred",
        "app 1 Depends:a|b\na 1\nb 1 Depends:c\nc 1 Conflicts:rival\nrival 1 Conflicts:a",
        "rival app",
        "",
    ),
    (
        "what is needed is demanded as absent",
        "app 1 Depends:lib\nlib 1",
        "app lib-",
        "",
    ),
    (
        "the name is virtual",
        "exim 4 Provides:mta\npostfix 3 Provides:mta",
        "mta",
        "",
    ),
    (
        "two that provide and conflict with one name",
        "exim 4 Provides:mta Conflicts:mta\npostfix 3 Provides:mta Conflicts:mta",
        "exim postfix",
        "",
    ),
];

#[test]
fn a_refusal_names_the_demands_and_the_path_to_each() {
    let mut text = String::new();
    for (what, stanzas, demands, exclude) in CASES {
        let (foreign, native): (Vec<&str>, Vec<&str>) =
            stanzas.lines().partition(|line| line.starts_with("i386: "));
        let foreign: Vec<&str> = foreign
            .into_iter()
            .filter_map(|line| line.strip_prefix("i386: "))
            .collect();
        let listings = vec![
            listing("trixie", "amd64", &native.join("\n")),
            listing("trixie", "i386", &foreign.join("\n")),
        ];
        let error = solve(listings, Variant::Essential, demands, exclude).expect_err(what);
        text += &format!("# {what}: {demands}\n{error}\n\n");
    }
    insta::assert_snapshot!(text);
}
