//! Small archives, each made for one rule.
//!
//! A line is a stanza: name, version, then fields without a space in them. `tests/apt` compares the
//! rules together with apt itself.

mod chains;
mod reasons;
mod refusals;

use super::{Call, Chosen, Error, Plan, Selection, plan};
use crate::archive::{Listing, Release};
use crate::formats::suite::Variant;
use crate::testing::listing::{TestRelease, index};

/// A release of `suite`; `experimental` is NotAutomatic.
pub(super) fn release(suite: &str) -> std::sync::Arc<Release> {
    listing(suite, "amd64", "").release().clone()
}

/// A listing of `suite`; `experimental` is NotAutomatic.
pub(super) fn listing(suite: &str, architecture: &str, stanzas: &str) -> Listing {
    let stanza = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let version = words.next()?;
        let mut fields: Vec<String> = words.map(|word| word.replacen(':', ": ", 1)).collect();
        if !line.contains("Architecture:") {
            fields.push(format!("Architecture: {architecture}"));
        }
        Some(format!(
            "Package: {name}\nVersion: {version}\n{}\n\n",
            fields.join("\n")
        ))
    };
    let release = TestRelease {
        not_automatic: suite == "experimental",
        ..TestRelease::new(suite, architecture)
    };
    release.listing(architecture, stanzas.lines().filter_map(stanza).collect())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn solve(
    listings: Vec<Listing>,
    variant: Variant,
    include: &str,
    exclude: &str,
) -> Result<Plan, Error> {
    let selection = Selection {
        variant,
        suite: "trixie".to_owned(),
        architectures: words("amd64 i386"),
        include: words(include),
        exclude: words(exclude),
    };
    plan(&index(listings), &selection)
}

/// Solves with one listing of the native architecture.
fn solve_native(stanzas: &str, variant: Variant, include: &str) -> Result<Plan, Error> {
    solve(
        vec![listing("trixie", "amd64", stanzas)],
        variant,
        include,
        "",
    )
}

/// The names of the packages that demands install, or the error.
fn custom(stanzas: &str, include: &str) -> String {
    match solve_native(stanzas, Variant::Custom, include) {
        Ok(plan) => names(&plan.packages),
        Err(error) => error.to_string(),
    }
}

fn names(packages: &[Chosen]) -> String {
    let mut names = Vec::new();
    for chosen in packages {
        names.push(chosen.package.name.as_str());
    }
    names.sort_unstable();
    names.join(" ")
}

/// The calls with names instead of numbers.
fn calls(plan: &Plan) -> Vec<String> {
    let mut calls = Vec::new();
    for call in &plan.calls {
        let mut line = match call {
            Call::Unpack(_) => "unpack".to_owned(),
            Call::Configure(_) => "configure".to_owned(),
            Call::Remove(_) => "remove".to_owned(),
        };
        for number in call.numbers() {
            line.push(' ');
            line.push_str(&plan.packages[*number].package.name);
        }
        calls.push(line);
    }
    calls
}

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
            "a 1 Depends:b|e\nb 1 Depends:c,d\nc 1\nd 1 Depends:x|y\nx 1 Conflicts:a\ny 1 Breaks:a\ne 1",
            "a",
            "a e",
        ),
        ("recommends do not pull", "a 1 Recommends:b\nb 1", "a", "a"),
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
            "a 1 Depends:m:any\nm 1 Multi-Arch:allowed\nm-guile 1 Multi-Arch:allowed Provides:m(=1)",
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

#[test]
fn refusals_name_demands_and_paths() {
    let trixie = "a 1 Depends:b\nb 1 Depends:c(>=2)\nc 1\nd 1 Depends:e\ne 1 Conflicts:v\nf 2 Depends:g|h\ng 1 Provides:v\nh 1 Provides:v\n\
        nginx 1\nx 2\nx 1\nm 1 Provides:mta\nn 1 Provides:mta\nneedy 1 Pre-Depends:gone|away";
    for (demands, expected) in [
        (
            "a",
            "`a` cannot be installed\n  b 1 depends on c(>=2), but there is only c 1\n  a 1 depends on b",
        ),
        (
            "nginx d x f",
            "`d` and `f` cannot be installed together\n  d 1 depends on e\n  e 1 conflicts with v, which g 1 provides\n  \
             e 1 conflicts with v, which h 1 provides\n  f 2 depends on g | h",
        ),
        (
            "needy",
            "`needy` cannot be installed\n  needy 1 pre-depends on gone | away, which no source has",
        ),
        ("ngnix", "unknown package `ngnix`"),
        ("gone", "unknown package `gone`"),
        ("x=3", "unknown version 3 of `x` (available: 2, 1)"),
        (
            "x/sid",
            "suite sid does not have `x` (available in: trixie)",
        ),
        (
            "mta",
            "`mta` is a virtual package (choose a provider: m, n)",
        ),
        (
            "x:arm64",
            "architecture arm64 of `x:arm64` is not one of the target's",
        ),
        (
            "a e-",
            "`a` cannot be installed\n  b 1 depends on c(>=2), but there is only c 1\n  a 1 depends on b",
        ),
        (
            "d e-",
            "`d` and `e-` cannot be installed together\n  d 1 depends on e",
        ),
    ] {
        assert_eq!(custom(trixie, demands), expected, "{demands}");
    }
}

const BASE: &str = "base 1 Essential:yes Pre-Depends:awk Depends:libc Priority:required\nmawk 1 Provides:awk Priority:required\n\
    gawk 1 Provides:awk Priority:optional\nlibc 1\napt 1 Depends:libapt\nlibapt 1\nmount 1 Priority:required\nvi 1 Priority:important\n\
    less 1 Priority:standard\nbuild-essential 1\ntool 1 Depends:libtool\nlibtool 1";

#[test]
fn variants_select_their_packages() {
    for (variant, second) in [
        (Variant::Essential, "libtool tool"),
        (Variant::Apt, "apt libapt libtool tool"),
        (Variant::Buildd, "apt build-essential libapt libtool tool"),
        (Variant::Minbase, "apt libapt libtool mount tool"),
        (Variant::Important, "apt libapt libtool mount tool vi"),
        (Variant::Standard, "apt less libapt libtool mount tool vi"),
    ] {
        let plan = solve_native(BASE, variant, "tool").unwrap();
        let (base, rest) = plan.packages.split_at(plan.essential_count);
        assert_eq!(names(base), "base libc mawk", "{variant:?}");
        assert_eq!(names(rest), second, "{variant:?}");
    }
    let plan = solve_native(BASE, Variant::Minbase, "tool").unwrap();
    let mut automatic = plan.packages.clone();
    automatic.retain(Chosen::is_automatic);
    assert_eq!(names(&automatic), "libapt libtool");
}

#[test]
fn what_is_excluded_is_as_absent() {
    let plan = solve(
        vec![listing("trixie", "amd64", BASE)],
        Variant::Minbase,
        "",
        "mawk apt unheard-of",
    )
    .unwrap();
    assert_eq!(names(&plan.packages), "base gawk libc mount");
    let message = |include, exclude| {
        solve(
            vec![listing("trixie", "amd64", BASE)],
            Variant::Minbase,
            include,
            exclude,
        )
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        message("tool", "libtool"),
        "`tool` cannot be installed\n  tool 1 depends on libtool, which is excluded"
    );
    assert_eq!(
        message("tool", "tool"),
        "`tool` is both requested and excluded"
    );
    assert_eq!(
        message("", "libc"),
        "`base` cannot be installed\n  base 1 depends on libc, which is excluded"
    );
}

#[test]
fn candidates_come_from_all_sources() {
    let listings = || {
        vec![
            listing(
                "trixie",
                "amd64",
                "a 1\nb 1\nc 1 Depends:b\nd 1\nold 1 Priority:required\nperl 1 Multi-Arch:allowed\nhelper 1\nfallback 1",
            ),
            listing("trixie-security", "amd64", "a 2\nnew 1 Priority:required"),
            listing(
                "experimental",
                "amd64",
                "a 3 Depends:b(>=2)\nb 2\nc 1 Depends:b\nd 1 Depends:b\nhelper 2\npython-any 2 Depends:perl:any(>=1),helper(>=2)|fallback\n\
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
                c.release.suite_in_url()
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
    let all = "LPCNet 1\ncodec 1 Depends:lpcnet\nOCO-Agent 1 Depends:LpcNet,Virtual\nprovider 1 Provides:VIRTUAL";
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
    let native = "lib 1 Multi-Arch:same\ntool 1 Multi-Arch:foreign\nplain 1\nall 1 Architecture:all\nperl 1 Multi-Arch:allowed";
    let foreign = "lib 1 Multi-Arch:same\nplain 1\nskew 1 Multi-Arch:same\nuser 1 Depends:lib,tool,perl:any\nwants 1 Depends:plain\n\
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
        "`wants:i386` and `plain` cannot be installed together\n  plain 1 and plain:i386 1 cannot be installed side by side\n  \
         wants:i386 1 depends on plain"
    );
    assert_eq!(
        solve("wants-all:i386"),
        "`wants-all:i386` cannot be installed\n  wants-all:i386 1 depends on all, but there is only all 1"
    );
}

#[test]
fn a_dependency_of_an_essential_package_can_be_replaced() {
    let stanzas = "base 1 Essential:yes Depends:libold\nlibold 1\nlibnew 1 Provides:libold Conflicts:libold\nnew 1 Depends:libnew\nother 1";
    let plan = solve_native(stanzas, Variant::Essential, "other new").unwrap();
    let expected = [
        "remove libold",
        "unpack libnew",
        "configure libnew",
        "unpack new other",
    ];
    assert_eq!(calls(&plan), expected);
}

#[test]
fn pre_depends_are_configured_first() {
    let stanzas = "a 1 Pre-Depends:b Depends:z\nb 1 Depends:c\nc 1\nd 1\nz 1";
    let plan = solve_native(stanzas, Variant::Essential, "d a").unwrap();
    let expected = ["unpack c b z", "configure c b", "unpack a d"];
    assert_eq!(calls(&plan), expected);
}

#[test]
fn a_stanza_that_cannot_be_read_matters_when_it_is_needed() {
    let stanzas = "a 1\nb 1 Depends:((\nc 1 Depends:b|a";
    assert_eq!(custom(stanzas, "a"), "a");
    let error = solve_native(stanzas, Variant::Custom, "c").unwrap_err();
    assert!(
        matches!(error, Error::Stanza(_)) && error.to_string().contains("`b`"),
        "{error}"
    );
}
