//! Small archives, each made for one rule.
//!
//! A line is a stanza: name, version, then fields without a space in them. `tests/apt` compares the
//! rules together with apt itself.

mod candidates;
mod chains;
mod marking;
mod reasons;
mod refusals;
mod scratch;
mod several;

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
        local: Vec::new(),
        exclude: words(exclude),
        usr_is_merged: false,
        first_alternatives: false,
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
fn versions_may_be_patterns_as_for_apt() {
    let trixie = "x 1:9.0-1\nx 1:9.1-2\nx 1:10~RC1";
    for (demand, expected) in [
        ("x=1:9.1-2", Some("1:9.1-2")),
        ("x=1:9.*", Some("1:9.1-2")),
        ("x=1:9.0*", Some("1:9.0-1")),
        ("x=*", Some("1:10~RC1")),
        ("x=1:10~rc1", Some("1:10~RC1")),
        ("x=1:9.?-1", Some("1:9.0-1")),
        ("x=9.1*", None),
        ("x=1:8*", None),
        ("x=", None),
    ] {
        let found = solve_native(trixie, Variant::Custom, demand).ok();
        let version = found.map(|plan| plan.packages[0].package.version.to_string());
        assert_eq!(version.as_deref(), expected, "{demand}");
    }
}

#[test]
fn refusals_name_demands_and_paths() {
    let trixie = "a 1 Depends:b\nb 1 Depends:c(>=2)\nc 1\nd 1 Depends:e\ne 1 Conflicts:v\n\
                  f 2 Depends:g|h\ng 1 Provides:v\nh 1 Provides:v\n\
        nginx 1\nx 2\nx 1\nm 1 Provides:mta\nn 1 Provides:mta\nneedy 1 Pre-Depends:gone|away";
    for (demands, expected) in [
        (
            "a",
            "`a` cannot be installed\n  b 1 depends on c(>=2), but there is only c 1\n\
             \x20 a 1 depends on b",
        ),
        (
            "nginx d x f",
            "`d` and `f` cannot be installed together\n  d 1 depends on e\n\
             \x20 e 1 conflicts with v, which g 1 provides\n  \
             e 1 conflicts with v, which h 1 provides\n  f 2 depends on g | h",
        ),
        (
            "needy",
            "`needy` cannot be installed\n  needy 1 pre-depends on gone | away, which no source \
             has",
        ),
        ("ngnix", "unknown package `ngnix`"),
        ("gone", "unknown package `gone`"),
        ("x=3", "unknown version 3 of `x` (available: 2, 1)"),
        ("x=3*", "unknown version 3* of `x` (available: 2, 1)"),
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
            "`a` cannot be installed\n  b 1 depends on c(>=2), but there is only c 1\n\
             \x20 a 1 depends on b",
        ),
        (
            "d e-",
            "`d` and `e-` cannot be installed together\n  d 1 depends on e",
        ),
    ] {
        assert_eq!(custom(trixie, demands), expected, "{demands}");
    }
}

const BASE: &str = "base 1 Essential:yes Pre-Depends:awk Depends:libc Priority:required\n\
                    mawk 1 Provides:awk Priority:required\n\
    gawk 1 Provides:awk Priority:optional\nlibc 1\napt 1 Depends:libapt\nlibapt 1\n\
    mount 1 Priority:required\nvi 1 Priority:important\n\
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
fn a_dependency_of_an_essential_package_can_be_replaced() {
    let stanzas = "base 1 Essential:yes Depends:libold\nlibold 1\n\
                   libnew 1 Provides:libold Conflicts:libold\nnew 1 Depends:libnew\nother 1";
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
