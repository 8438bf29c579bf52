//! Which version of a package is installed, from several sources and architectures.

use super::*;

#[test]
fn candidates_come_from_all_sources() {
    let listings = || {
        vec![
            listing(
                "trixie",
                "amd64",
                "a 1\nb 1\nc 1 Depends:b\nd 1\nold 1 Priority:required\n\
                 perl 1 Multi-Arch:allowed\nhelper 1\nfallback 1",
            ),
            listing("trixie-security", "amd64", "a 2\nnew 1 Priority:required"),
            listing(
                "experimental",
                "amd64",
                "a 3 Depends:b(>=2)\nb 2\nc 1 Depends:b\nd 1 Depends:b\nhelper 2\n\
                 python-any 2 Depends:perl:any(>=1),helper(>=2)|fallback\n\
                 python-plain 2 Depends:perl(>=1),helper(=2)",
            ),
        ]
    };
    let versions = |variant, include| {
        let plan = solve(listings(), variant, include, "").unwrap();
        let shown = plan.packages.iter().map(|c| {
            format!(
                "{}={}@{}",
                c.package.name,
                c.package.version,
                c.release.as_ref().unwrap().suite_in_url()
            )
        });
        let mut shown: Vec<String> = shown.collect();
        shown.sort_unstable();
        shown.join(" ")
    };
    for (include, expected) in [
        ("a", "a=2@trixie-security"),
        ("a=1", "a=1@trixie"),
        ("a/experimental", "a=3@experimental b=2@experimental"),
        ("a/trixie", "a=1@trixie"),
        ("c", "b=1@trixie c=1@trixie"),
        ("c/experimental", "b=1@trixie c=1@trixie"),
        // The same version number with other dependencies is another version.
        ("d", "d=1@trixie"),
        ("d=1", "d=1@trixie"),
        ("d/experimental", "b=1@trixie d=1@experimental"),
        (
            "python-any/experimental",
            "fallback=1@trixie perl=1@trixie python-any=2@experimental",
        ),
        (
            "python-plain/experimental",
            "helper=2@experimental perl=1@trixie python-plain=2@experimental",
        ),
    ] {
        assert_eq!(versions(Variant::Custom, include), expected, "{include}");
    }
    // Only the suite's own priorities count.
    let plan = solve(
        vec![
            listing("trixie", "amd64", "apt 1\nold 1 Priority:required"),
            listing("x", "amd64", "new 1 Priority:required\nold 2"),
        ],
        Variant::Minbase,
        "",
        "",
    );
    assert_eq!(names(&plan.unwrap().packages[..2]), "apt old");
}

#[test]
fn names_are_the_same_in_either_case() {
    let all = "LPCNet 1\ncodec 1 Depends:lpcnet\nOCO-Agent 1 Depends:LpcNet,Virtual\n\
               provider 1 Provides:VIRTUAL";
    for (include, exclude, expected) in [
        ("codec", "", "codec lpcnet"),
        ("lpcnet", "", "lpcnet"),
        ("LPCnet=1", "", "lpcnet"),
        ("oco-agent", "", "lpcnet oco-agent provider"),
        ("OCO-AGENT:amd64", "", "lpcnet oco-agent provider"),
        ("virtual", "", "provider"),
    ] {
        let listings = vec![listing("trixie", "amd64", all)];
        let plan = solve(listings, Variant::Custom, include, exclude).unwrap();
        let mut names: Vec<&str> = plan
            .packages
            .iter()
            .map(|chosen| chosen.package.name.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{include}");
    }
    let listings = vec![listing("trixie", "amd64", all)];
    let refused = solve(listings, Variant::Custom, "codec", "LPCNET").unwrap_err();
    assert!(refused.to_string().contains("lpcnet"), "{refused}");
}

#[test]
fn architectures_meet_by_multi_arch() {
    let native = "lib 1 Multi-Arch:same\ntool 1 Multi-Arch:foreign\nplain 1\n\
                  all 1 Architecture:all\nperl 1 Multi-Arch:allowed";
    let foreign = "lib 1 Multi-Arch:same\nplain 1\nskew 1 Multi-Arch:same\n\
                   user 1 Depends:lib,tool,perl:any\nwants 1 Depends:plain\n\
        wants-all 1 Depends:all";
    let solve = |include| {
        let listings = vec![
            listing("trixie", "amd64", native),
            listing("trixie", "i386", foreign),
        ];
        match solve(listings, Variant::Custom, include, "") {
            Ok(plan) => {
                let mut names: Vec<_> = plan
                    .packages
                    .iter()
                    .map(|c| format!("{}:{}", c.package.name, c.package.architecture))
                    .collect();
                names.sort_unstable();
                names.join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        solve("user:i386 lib"),
        "lib:amd64 lib:i386 perl:amd64 tool:amd64 user:i386"
    );
    assert_eq!(solve("user"), "lib:i386 perl:amd64 tool:amd64 user:i386");
    assert_eq!(
        solve("wants:i386 plain"),
        "`wants:i386` and `plain` cannot be installed together\n\
         \x20 plain 1 and plain:i386 1 cannot be installed side by side\n  \
         wants:i386 1 depends on plain"
    );
    assert_eq!(
        solve("wants-all:i386"),
        "`wants-all:i386` cannot be installed\n  wants-all:i386 1 depends on all, but there is \
         only all 1"
    );
}
