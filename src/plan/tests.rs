//! Small archives, each made to show one rule.
//!
//! A line is a stanza: name, version, then fields without a blank in them. That the rules together give what apt gives is shown by
//! tests/apt, which asks apt itself.

mod reasons;
mod refusals;

use super::{Call, Error, Plan, Selection, plan};
use crate::archive::{Index, Listing, Release};
use crate::formats::suite::Variant;
use crate::testing::listing;

/// A release of `suite`, `experimental` being NotAutomatic.
pub(super) fn release(suite: &str) -> std::sync::Arc<Release> {
    listing(suite, "amd64", "").release
}

/// A listing of `suite`, `experimental` being NotAutomatic.
pub(super) fn listing(suite: &str, architecture: &str, stanzas: &str) -> Listing {
    let stanza = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        let mut fields: Vec<String> = words.map(|word| word.replacen(':', ": ", 1)).collect();
        if !line.contains("Architecture:") {
            fields.push(format!("Architecture: {architecture}"));
        }
        Some(format!(
            "Package: {name}\nVersion: {version}\n{}\n\n",
            fields.join("\n")
        ))
    };
    let release = Release {
        not_automatic: suite == "experimental",
        ..listing::release(suite, architecture)
    };
    listing::listing(
        release,
        architecture,
        stanzas.lines().filter_map(stanza).collect(),
    )
}

fn solve(
    listings: Vec<Listing>,
    variant: Variant,
    include: &str,
    exclude: &str,
) -> Result<Plan, Error> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let (suite, architectures) = ("trixie".to_owned(), words("amd64 i386"));
    plan(
        &Index { listings },
        &Selection {
            variant,
            suite,
            architectures,
            include: words(include),
            exclude: words(exclude),
        },
    )
}

/// What a demand brings, by name: `name`, `name=version` where several are known.
fn custom(stanzas: &str, include: &str) -> String {
    match solve(
        vec![listing("trixie", "amd64", stanzas)],
        Variant::Custom,
        include,
        "",
    ) {
        Ok(plan) => names(&plan, 0..plan.packages.len()),
        Err(error) => error.to_string(),
    }
}

fn names(plan: &Plan, which: std::ops::Range<usize>) -> String {
    let mut names: Vec<&str> = plan.packages[which]
        .iter()
        .map(|chosen| chosen.package.name.as_str())
        .collect();
    names.sort_unstable();
    names.join(" ")
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
            "versions are heeded",
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
            "a protected package bars what it is against",
            "b 1 Depends:c|d\na 1 Conflicts:c\nc 1\nd 1",
            "a b",
            "a b d",
        ),
        (
            "providing what one is against",
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
            "any is nobody's own name",
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
fn variants_are_staged() {
    for (variant, second) in [
        (Variant::Essential, "libtool tool"),
        (Variant::Apt, "apt libapt libtool tool"),
        (Variant::Buildd, "apt build-essential libapt libtool tool"),
        (Variant::Minbase, "apt libapt libtool mount tool"),
        (Variant::Important, "apt libapt libtool mount tool vi"),
        (Variant::Standard, "apt less libapt libtool mount tool vi"),
    ] {
        let plan = solve(vec![listing("trixie", "amd64", BASE)], variant, "tool", "").unwrap();
        let (first, rest) = (
            names(&plan, 0..plan.essential_count),
            names(&plan, plan.essential_count..plan.packages.len()),
        );
        assert_eq!(
            (first.as_str(), rest.as_str()),
            ("base libc mawk", second),
            "{variant:?}"
        );
    }
    let plan = solve(
        vec![listing("trixie", "amd64", BASE)],
        Variant::Minbase,
        "tool",
        "",
    )
    .unwrap();
    let automatic: Vec<&str> = plan
        .packages
        .iter()
        .filter(|c| c.automatic)
        .map(|c| c.package.name.as_str())
        .collect();
    assert_eq!(automatic, ["libapt", "libtool"]);
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
    assert_eq!(names(&plan, 0..plan.packages.len()), "base gawk libc mount");
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
                "a 1\nb 1\nc 1 Depends:b\nold 1 Priority:required\nperl 1 Multi-Arch:allowed\nhelper 1\nfallback 1",
            ),
            listing("trixie-security", "amd64", "a 2\nnew 1 Priority:required"),
            listing(
                "experimental",
                "amd64",
                "a 3 Depends:b(>=2)\nb 2\nc 1\nhelper 2\npython-any 2 Depends:perl:any(>=1),helper(>=2)|fallback\n\
                 python-plain 2 Depends:perl(>=1),helper(=2)",
            ),
        ]
    };
    let versions = |variant, include| {
        let plan = solve(listings(), variant, include, "").unwrap();
        let shown = plan.packages.iter().map(|c| {
            format!(
                "{}={}@{}",
                c.package.name, c.package.version, c.release.source.suite
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
    // Priorities count where the suite itself has them.
    let plan = solve(
        vec![
            listing("trixie", "amd64", "apt 1\nold 1 Priority:required"),
            listing("x", "amd64", "new 1 Priority:required\nold 2"),
        ],
        Variant::Minbase,
        "",
        "",
    );
    assert_eq!(names(&plan.unwrap(), 0..2), "apt old");
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
fn essentials_company_can_be_replaced() {
    let stanzas = "base 1 Essential:yes Depends:libold\nlibold 1\nlibnew 1 Provides:libold Conflicts:libold\nnew 1 Depends:libnew\nother 1";
    let plan = solve(
        vec![listing("trixie", "amd64", stanzas)],
        Variant::Essential,
        "other new",
        "",
    )
    .unwrap();
    let number = |name: &str| {
        plan.packages
            .iter()
            .position(|c| c.package.name == name)
            .unwrap()
    };
    let (old, lib, new, other) = (
        number("libold"),
        number("libnew"),
        number("new"),
        number("other"),
    );
    let expected = [
        Call::Remove(vec![old]),
        Call::Unpack(vec![lib]),
        Call::Configure(vec![lib]),
        Call::Unpack(vec![new, other]),
    ];
    assert_eq!(plan.calls, expected);
}

#[test]
fn pre_depends_are_configured_first() {
    let stanzas = "a 1 Pre-Depends:b Depends:z\nb 1 Depends:c\nc 1\nd 1\nz 1";
    let plan = solve(
        vec![listing("trixie", "amd64", stanzas)],
        Variant::Essential,
        "d a",
        "",
    )
    .unwrap();
    let name = |numbers: &[usize]| {
        numbers
            .iter()
            .map(|n| plan.packages[*n].package.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let calls = plan.calls.iter().map(|call| match call {
        Call::Unpack(all) => format!("unpack {}", name(all)),
        Call::Configure(all) => format!("configure {}", name(all)),
        Call::Remove(all) => format!("remove {}", name(all)),
    });
    let calls: Vec<String> = calls.collect();
    assert_eq!(calls, ["unpack c b z", "configure c b", "unpack a d"]);
}

#[test]
fn a_stanza_that_cannot_be_read_matters_when_it_is_needed() {
    let stanzas = "a 1\nb 1 Depends:((\nc 1 Depends:b|a";
    assert_eq!(custom(stanzas, "a"), "a");
    let error = solve(
        vec![listing("trixie", "amd64", stanzas)],
        Variant::Custom,
        "c",
        "",
    )
    .unwrap_err();
    assert!(
        matches!(error, Error::Stanza(_)) && error.to_string().contains("`b`"),
        "{error}"
    );
}

#[test]
fn long_chains_end() {
    let chain = |length: usize| {
        (0..length)
            .map(|n| format!("p{n} 1 Depends:p{}\n", n + 1))
            .collect::<String>()
    };
    let plan = solve(
        vec![listing(
            "trixie",
            "amd64",
            &format!("{}p2000 1", chain(2000)),
        )],
        Variant::Custom,
        "p0",
        "",
    )
    .unwrap();
    assert_eq!(plan.packages.len(), 2001);
    assert!(
        solve(
            vec![listing(
                "trixie",
                "amd64",
                &format!("{}p5000 1", chain(5000))
            )],
            Variant::Custom,
            "p0",
            ""
        )
        .is_err()
    );
    let ring = (0..1000)
        .map(|n| format!("p{n} 1 Pre-Depends:p{}\n", (n + 1) % 1000))
        .collect::<String>();
    assert_eq!(
        solve(
            vec![listing("trixie", "amd64", &ring)],
            Variant::Custom,
            "p0",
            ""
        )
        .unwrap()
        .packages
        .len(),
        1000
    );
}
