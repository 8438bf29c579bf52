//! Plans made of small indexes, and their steps as text.

use crate::formats::suite::MergedUsr;
use crate::formats::version::Version;
use crate::plan::{Selection, plan};
use crate::testing::listing::{self, TestRelease};
use crate::tree::apt::preferences_file;
use crate::tree::rootfs::RootPath;

use super::*;

/// `old` is essential by being needed, and goes where `new` is included.
const INDEX: &str = "Package: libc\nEssential: yes\n\n\
                     Package: bash\nEssential: yes\nDepends: libc, old\n\n\
                     Package: old\nArchitecture: all\n\n\
                     Package: new\nProvides: old\nConflicts: old\nReplaces: old\n\n\
                     Package: apt\n\n\
                     Package: hello\nDepends: data\n\n\
                     Package: data\nArchitecture: all\n\n";

pub(in crate::install) fn plan_of(variant: Variant, include: &[&str]) -> Plan {
    let mut stanzas = Vec::new();
    for stanza in INDEX.split_terminator("\n\n") {
        let architecture = match stanza.contains("Architecture:") {
            true => "",
            false => "\nArchitecture: amd64",
        };
        stanzas.push(format!("{stanza}{architecture}\nVersion: 1\n\n"));
    }
    let release = TestRelease::new("trixie", "amd64");
    let index = listing::index(vec![release.listing("amd64", stanzas.concat())]);
    let selection = Selection {
        variant,
        suite: "trixie".into(),
        architectures: vec!["amd64".into()],
        include: include.iter().map(|&name| name.to_owned()).collect(),
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    plan(&index, &selection).unwrap()
}

pub(in crate::install) fn options(variant: Variant) -> Options {
    Options {
        additions: Additions::default(),
        variant,
        base: Base {
            architectures: vec!["amd64".into(), "i386".into()],
            merged_usr: MergedUsr::Shipped,
            path_rules: Vec::new(),
            localtime: false,
            kind: BaseKind::Image,
        },
        apt: vec![AptFile {
            path: RootPath::known("etc/apt/sources.list"),
            content: b"deb http://a trixie main\n".to_vec(),
            mode: 0o644,
        }],
        profile: None,
        requested: Vec::new(),
        preseed: None,
        first_stage: None,
        debootstrap: None,
    }
}

fn text(variant: Variant, include: &[&str], preferences: &str) -> String {
    let preferences = preferences_file(preferences);
    let options = options(variant).with_apt_files(preferences.as_slice());
    let steps = steps(&plan_of(variant, include), &options);
    let lines: Vec<String> = steps.iter().map(Step::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_essential_packages_come_first() {
    let expected = "base amd64 i386\n\
                    apt /etc/apt/sources.list\n\
                    unpack together libc:amd64 old bash:amd64\n\
                    configure with --force-depends libc:amd64 old bash:amd64\n\
                    triggers\n\
                    tidy";
    assert_eq!(text(Variant::Essential, &[], ""), expected);
}

#[test]
fn the_others_follow_in_apts_calls() {
    let expected = "base amd64 i386\n\
                    apt /etc/apt/sources.list\n\
                    unpack together libc:amd64 old bash:amd64\n\
                    configure with --force-depends libc:amd64 old bash:amd64\n\
                    unpack apt:amd64 data hello:amd64\n\
                    triggers\n\
                    tidy";
    assert_eq!(text(Variant::Apt, &["hello"], ""), expected);
}

#[test]
fn what_is_replaced_is_removed_first() {
    let expected = "base amd64 i386\n\
                    apt /etc/apt/sources.list\n\
                    unpack together libc:amd64 old bash:amd64\n\
                    configure with --force-depends libc:amd64 old bash:amd64\n\
                    remove with --force-depends old\n\
                    unpack new:amd64\n\
                    configure new:amd64\n\
                    triggers\n\
                    tidy";
    assert_eq!(text(Variant::Essential, &["new"], ""), expected);
}

#[test]
fn extract_unpacks_files_only() {
    let expected = "base amd64 i386\n\
                    apt /etc/apt/sources.list\n\
                    unpack files only data hello:amd64\n\
                    tidy";
    assert_eq!(text(Variant::Extract, &["hello"], ""), expected);
}

#[test]
fn archives_of_essential_packages_do_not_stay() {
    let rows = [
        (Variant::Essential, false, "archives new:amd64"),
        (
            Variant::Essential,
            true,
            "archives libc:amd64 old bash:amd64 new:amd64",
        ),
        (Variant::Custom, false, ""),
        (Variant::Extract, false, "archives new:amd64"),
    ];
    for (variant, are_essential_kept, expected) in rows {
        let mut options = options(variant);
        options.additions.kept.archives = true;
        options.additions.essential_archives = are_essential_kept;
        let steps = steps(&plan_of(variant, &["new"]), &options);
        let archives = steps.iter().find(|step| step.kind() == "archives");
        let found = archives.map(Step::to_string).unwrap_or_default();
        assert_eq!(found, expected, "{variant:?}, {are_essential_kept}");
    }
}

#[test]
fn custom_places_its_own_packages_together() {
    let expected = "base amd64 i386\n\
                    apt /etc/apt/sources.list /etc/apt/preferences.d/pinned-sources.pref\n\
                    unpack together data hello:amd64\n\
                    configure with --force-depends data hello:amd64\n\
                    triggers\n\
                    tidy";
    let preferences = "Package: *\nPin: release n=trixie\nPin-Priority: 100\n";
    assert_eq!(text(Variant::Custom, &["hello"], preferences), expected);
}

#[test]
fn custom_without_packages_is_a_skeleton() {
    let expected = "base amd64 i386\napt /etc/apt/sources.list\ntidy";
    assert_eq!(text(Variant::Custom, &[], ""), expected);
}

#[test]
fn without_sources_apt_is_left_alone() {
    let mut options = options(Variant::Custom);
    options.apt.clear();
    let steps = steps(&plan_of(Variant::Custom, &["data"]), &options);
    let kinds: Vec<&str> = steps.iter().map(Step::kind).collect();
    assert_eq!(kinds, ["base", "unpack", "configure", "triggers", "tidy"]);
}

#[test]
fn a_first_stage_leaves_the_scripts_to_the_second() {
    let mut options = options(Variant::Essential);
    options.first_stage = Some(FirstStage::new("trixie", Variant::Essential, &[], &[]));
    let rows = [
        (
            Variant::Essential,
            "unpack files only libc:amd64 old bash:amd64\n\
             archives libc:amd64 old bash:amd64 new:amd64\n\
             second-stage",
        ),
        (
            Variant::Custom,
            "unpack files only new:amd64\narchives new:amd64\nsecond-stage",
        ),
        (Variant::Extract, "unpack files only new:amd64\ntidy"),
    ];
    for (variant, expected) in rows {
        options.variant = variant;
        let steps = steps(&plan_of(variant, &["new"]), &options);
        let lines: Vec<String> = steps.iter().skip(2).map(Step::to_string).collect();
        assert_eq!(lines.join("\n"), expected, "{variant:?}");
    }
}

#[test]
fn tidy_names_what_came_in_automatically() {
    let steps = steps(&plan_of(Variant::Apt, &["hello"]), &options(Variant::Apt));
    let Some(Step::Tidy {
        automatic: Some(automatic),
        ..
    }) = steps.last()
    else {
        panic!("{steps:?}");
    };
    let names: Vec<String> = automatic
        .iter()
        .map(|one| format!("{}:{}", one.name, one.architecture))
        .collect();
    // apt counts what is for all architectures as native.
    assert_eq!(names, ["data:amd64"]);
}

/// The steps of an index in which debconf is what `fields` say, with answers.
fn preseeded(variant: Variant, fields: &str) -> String {
    let stanza = |name: &str, fields: &str| {
        format!("Package: {name}\nArchitecture: amd64\nVersion: 1\n{fields}\n")
    };
    let index = [
        stanza("bash", "Essential: yes\n"),
        stanza("apt", ""),
        stanza("debconf", fields),
        stanza("asker", "Pre-Depends: debconf\n"),
        stanza("last", "Depends: asker\n"),
    ];
    let release = TestRelease::new("trixie", "amd64");
    let index = listing::index(vec![release.listing("amd64", index.concat())]);
    let selection = Selection {
        variant,
        suite: "trixie".into(),
        architectures: vec!["amd64".into()],
        include: vec!["last".into()],
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    let preseed = Preseed { files: Vec::new() };
    let options = options(variant).with_preseed(Some(&preseed));
    let steps = steps(&plan(&index, &selection).unwrap(), &options);
    let lines: Vec<String> = steps[2..].iter().map(Step::to_string).collect();
    lines.join("\n")
}

#[test]
fn questions_are_answered_as_soon_as_debconf_can() {
    let essential = "unpack together bash:amd64 debconf:amd64\n\
                     preseed 0 answers\n\
                     configure with --force-depends bash:amd64 debconf:amd64\n\
                     unpack asker:amd64 apt:amd64 last:amd64\n\
                     triggers\n\
                     tidy";
    assert_eq!(preseeded(Variant::Apt, "Essential: yes\n"), essential);
    let other = "unpack together bash:amd64\n\
                 configure with --force-depends bash:amd64\n\
                 unpack debconf:amd64\n\
                 configure debconf:amd64\n\
                 preseed 0 answers\n\
                 unpack asker:amd64 apt:amd64 last:amd64\n\
                 triggers\n\
                 tidy";
    assert_eq!(preseeded(Variant::Apt, ""), other);
}

#[test]
fn a_call_is_split_after_debconf() {
    let key = |name: &str| PackageKey::new(name, "amd64", &Version::parse("1").unwrap());
    let preseed = Preseed { files: Vec::new() };
    let call = |names: &[&str]| Step::Configure {
        packages: names.iter().map(|name| key(name)).collect(),
        forced: false,
    };
    let keys = ["a", "debconf", "b"].map(key);
    let answer = || Step::Preseed(preseed.clone());
    let rows: [(&str, Vec<Step>, Vec<Step>); 4] = [
        (
            "between others",
            vec![call(&["a", "debconf", "b"]), Step::Triggers],
            vec![
                call(&["a", "debconf"]),
                answer(),
                call(&["b"]),
                Step::Triggers,
            ],
        ),
        (
            "the last",
            vec![call(&["a", "debconf"]), Step::Triggers],
            vec![call(&["a", "debconf"]), answer(), Step::Triggers],
        ),
        (
            "in a later call",
            vec![call(&["a"]), call(&["debconf"])],
            vec![call(&["a"]), call(&["debconf"]), answer()],
        ),
        (
            "with what is left",
            vec![call(&["a"]), Step::Triggers],
            vec![call(&["a"]), call(&["debconf"]), answer(), Step::Triggers],
        ),
    ];
    for (name, mut steps, expected) in rows {
        insert_preseed(&preseed, &keys, &mut steps);
        assert_eq!(steps, expected, "{name}");
    }
    let mut without = vec![call(&["a"]), Step::Triggers];
    insert_preseed(&preseed, &keys[..1], &mut without);
    assert_eq!(without, [call(&["a"]), Step::Triggers]);
}
