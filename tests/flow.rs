//! What users do most: a suite becomes a directory, a list of packages, or downloads.

mod cache;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use rbootstrap::testing::{DebBuilder, FakeSuite, host_architecture};

use crate::context::{TestContext, outcome, suite};

/// The essential packages of the base distribution, with what they need.
const ESSENTIAL: [&str; 8] = [
    "base-files",
    "base-passwd",
    "coreutils",
    "dash",
    "dpkg",
    "libc-bin",
    "libc6",
    "mawk",
];

/// The names of the packages that these options give, sorted.
fn planned(context: &TestContext, options: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for line in context.print_debs(options).ok().text().lines() {
        names.push(line.split('=').next().unwrap().to_owned());
    }
    names.sort();
    names
}

/// Compares images without printing them.
#[track_caller]
fn assert_same_bytes(one: &[u8], other: &[u8]) {
    assert!(one == other, "{} and {} bytes", one.len(), other.len());
}

#[test]
fn every_variant_has_its_packages() {
    let rows: [(&str, &[&str]); 9] = [
        ("essential", &[]),
        ("apt", &["apt"]),
        ("minbase", &["apt"]),
        ("required", &["apt"]),
        ("buildd", &["apt", "build-essential"]),
        ("important", &["apt", "netbase"]),
        ("debootstrap", &["apt", "netbase"]),
        ("-", &["apt", "netbase"]),
        ("standard", &["apt", "manual-pages", "netbase"]),
    ];
    let context = TestContext::new([]);
    for (variant, more) in rows {
        let mut expected = [&ESSENTIAL, more].concat();
        expected.sort();
        let planned = planned(&context, &["--variant", variant]);
        assert_eq!(planned, expected, "{variant}");
    }
}

#[test]
fn important_is_the_default() {
    let context = TestContext::new([]);
    let default = planned(&context, &[]);
    assert_eq!(default, planned(&context, &["--variant=important"]));
}

#[test]
fn custom_is_what_is_included() {
    let context = TestContext::new([]);
    let options = [
        "--variant=custom",
        "--include=dash,mawk",
        "--include",
        "hello",
    ];
    assert_eq!(
        planned(&context, &options),
        ["dash", "hello", "libc6", "libhello1", "mawk"]
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_custom_tree_is_configured() {
    let context = TestContext::new([]);
    let essential = "--include=dpkg,dash,coreutils,libc-bin,base-files,base-passwd";
    context
        .make(&["--variant=custom", essential, "--include=hello"])
        .ok();
    let installed = context.installed();
    assert!(
        installed
            .iter()
            .any(|line| line.starts_with("hello 2.10-1 ")),
        "{installed:?}"
    );
    assert!(
        installed
            .iter()
            .all(|line| line.ends_with(" install ok installed")),
        "{installed:?}"
    );
}

#[test]
#[ignore = "needs root"]
fn extract_unpacks_and_runs_no_script() {
    let ghost = DebBuilder::new("ghost", "1")
        .file("usr/share/ghost/data", "data\n")
        .script("preinst", "touch /ran")
        .script("postinst", "touch /ran");
    let context = TestContext::new([ghost]);
    context
        .make(&["--variant=extract", "--include=base-files,ghost"])
        .ok();
    assert_eq!(context.read("usr/share/ghost/data"), "data\n");
    assert!(!context.root().join("ran").exists());
    assert!(context.read("usr/lib/os-release").contains("ID=fake"));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_can_be_used() {
    let context = TestContext::new([]);
    context.make(&["--include=hello"]).ok();
    assert_eq!(
        outcome(
            Command::new("chroot")
                .arg(context.root())
                .arg("hello")
                .env("PATH", "/usr/sbin:/usr/bin")
        )
        .ok()
        .text(),
        "hello\n"
    );
    let audit = outcome(
        Command::new("dpkg")
            .arg("--root")
            .arg(context.root())
            .arg("--audit"),
    )
    .ok();
    assert_eq!(audit.text(), "");
    assert!(
        context.line("tmp").starts_with("d 1777 0:0"),
        "{}",
        context.line("tmp")
    );
    let root = fs::metadata(context.root()).unwrap();
    assert_eq!(
        (root.mode() & 0o7777, root.uid(), root.gid()),
        (0o755, 0, 0)
    );
    assert!(!context.root().join("usr/sbin/policy-rc.d").exists());
    context.assert_nothing_besides_target();
}

#[test]
fn an_excluded_package_stays_out() {
    let context = TestContext::new([]);
    let without = planned(&context, &["--exclude=netbase"]);
    let mut expected = planned(&context, &[]);
    expected.retain(|name| name != "netbase");
    assert_eq!(without, expected);
}

#[test]
fn an_excluded_dependency_is_an_error() {
    let context = TestContext::new([]);
    context
        .print_debs(&["--include=hello", "--exclude=libhello1"])
        .fails(4)
        .names(&["hello", "libhello1"]);
    context.assert_nothing_left();
}

#[test]
fn a_version_can_be_asked_for() {
    let newer = DebBuilder::new("libhello1", "2.12-1")
        .architecture(host_architecture())
        .field("Multi-Arch", "same");
    let context = TestContext::new([newer]);
    let printed = context
        .print_debs(&["--include=hello,libhello1=2.10-1"])
        .ok();
    assert!(printed.text().contains("libhello1=2.10-1:"), "{printed:?}");
}

#[test]
fn a_package_can_be_kept_out() {
    let either = DebBuilder::new("either", "1").depends("one | other");
    let debs = [
        either,
        DebBuilder::new("one", "1"),
        DebBuilder::new("other", "1"),
    ];
    let context = TestContext::new(debs);
    let options = ["--variant=custom", "--include=either,one-"];
    assert_eq!(planned(&context, &options), ["either", "other"]);
}

#[test]
fn the_highest_version_wins() {
    let debs =
        ["2.12-1", "2.9-1", "1:1.0", "2.10~rc1"].map(|version| DebBuilder::new("many", version));
    let context = TestContext::new(debs);
    let printed = context.print_debs(&["--variant=custom", "--include=many"]);
    assert_eq!(printed.ok().text(), "many=1:1.0:all\n");
}

#[test]
fn print_debs_prints_the_plan_and_nothing_else() {
    let context = TestContext::new([]);
    let printed = context
        .make(&["--variant=essential", "--include=hello", "--print-debs"])
        .ok();
    let mut lines: Vec<String> = printed.text().lines().map(str::to_owned).collect();
    lines.sort();
    let here = host_architecture();
    let expected = [
        ("base-files", "13"),
        ("base-passwd", "3.6"),
        ("coreutils", "9.1"),
        ("dash", "0.5.12"),
        ("dpkg", "1.21.22"),
        ("hello", "2.10-1"),
        ("libc-bin", "2.36"),
        ("libc6", "2.36"),
        ("libhello1", "2.10-1"),
        ("mawk", "1.3.4"),
    ];
    assert_eq!(
        lines,
        expected.map(|(name, version)| format!("{name}={version}:{here}"))
    );
    context.assert_no_deb_requested();
    context.assert_nothing_left();
}

#[test]
fn simulate_shows_the_plan_to_a_person() {
    let context = TestContext::new([]);
    for option in ["--simulate", "--dry-run"] {
        let shown = context
            .make(&["--include=hello", option])
            .ok()
            .names(&["libhello1", "2.10-1"]);
        assert!(shown.stdout.is_empty());
    }
    context.assert_no_deb_requested();
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_host_leaves_no_trace() {
    let context = TestContext::new([]);
    context.make(&["--include=hello"]).ok();
    for path in [
        "etc/resolv.conf",
        "etc/hostname",
        "var/log/dpkg.log",
        "var/lib/dpkg/status-old",
        "var/cache/ldconfig/aux-cache",
        "var/lib/dpkg/tmp.ci",
    ] {
        assert!(!context.root().join(path).exists(), "{path}");
    }
    let strange: Vec<String> = context
        .tree()
        .into_iter()
        .filter(|line| {
            line.contains(".dpkg-") || line.contains("rbootstrap") || line.contains("staging")
        })
        .collect();
    assert_eq!(strange, Vec::<String>::new());
    assert_eq!(
        rbootstrap::testing::tree::names(&context.root().join("tmp")),
        Vec::<String>::new()
    );
}

#[test]
fn suites_are_listed() {
    let context = TestContext::bare();
    let mut suites = context.program();
    let listed = outcome(suites.arg("suites")).ok();
    for name in ["trixie", "bookworm", "sid", "noble", "jammy", "stable"] {
        assert!(listed.text().contains(name), "{name}: {}", listed.text());
    }
}

#[test]
fn options_can_be_set_in_the_environment() {
    let context = TestContext::new([]);
    let mut command = context.program();
    let settings = BTreeMap::from([
        ("RBOOTSTRAP_MIRROR", context.mirror.url()),
        (
            "RBOOTSTRAP_KEYRING",
            context.path("keyring.gpg").display().to_string(),
        ),
        (
            "RBOOTSTRAP_CACHE_DIR",
            context.path("elsewhere").display().to_string(),
        ),
        ("RBOOTSTRAP_VARIANT", "essential".to_owned()),
        ("RBOOTSTRAP_INCLUDE", "hello".to_owned()),
        ("RBOOTSTRAP_JOBS", "2".to_owned()),
        ("TMPDIR", context.path("tmp").display().to_string()),
    ]);
    let printed = outcome(
        command
            .envs(settings)
            .args(["--print-debs", "fake", "root"]),
    )
    .ok();
    assert_eq!(printed.text().lines().count(), ESSENTIAL.len() + 2);
    assert!(printed.text().contains("hello=2.10-1:"), "{printed:?}");
    assert!(context.path("elsewhere").is_dir());
}

#[test]
fn progress_and_logs_go_where_they_should() {
    let context = TestContext::new([]);
    let log = context.path("run.log");
    let made = context
        .download(&["--progress=json", "--log", log.to_str().unwrap()])
        .ok();
    assert!(made.stdout.is_empty());
    for line in made.stderr.lines().filter(|line| line.starts_with('{')) {
        assert!(line.ends_with('}'), "{line}");
    }
    assert!(
        made.stderr
            .lines()
            .filter(|line| line.starts_with('{'))
            .count()
            > 10,
        "{}",
        made.stderr
    );
    assert!(fs::metadata(log).unwrap().len() > 0);
    let quiet = context.download(&["-q"]).ok();
    assert_eq!(quiet.stderr, "");
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_foreign_architecture() {
    let foreign = if host_architecture() == "amd64" {
        "i386"
    } else {
        "amd64"
    };
    let shared = DebBuilder::new("libhello1", "2.10-1")
        .architecture(foreign)
        .field("Multi-Arch", "same")
        .file("usr/share/doc/libhello1/copyright", "free\n");
    let mut shape: FakeSuite = suite([shared]);
    shape.architectures.push(foreign.to_owned());
    let context = TestContext::of(&shape);
    let both = format!("{},{foreign}", host_architecture());
    context
        .make(&[
            "--arch",
            &both,
            "--variant=essential",
            &format!("--include=hello,libhello1:{foreign}"),
        ])
        .ok();
    assert_eq!(
        context.read("var/lib/dpkg/arch"),
        format!("{}\n{foreign}\n", host_architecture())
    );
    let installed = context.installed();
    assert!(
        installed
            .iter()
            .any(|line| line.starts_with(&format!("libhello1:{foreign} "))),
        "{installed:?}"
    );
}
