//! Tarballs of .debs: --make-tarball and --unpack-tarball.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{debootstrap, made, service, target};
use crate::context::{Outcome, TestContext, outcome};

const DEB: &str = "var/cache/apt/archives/service_1%3a2_all.deb";

/// Changes what a tarball has.
type Change = fn(&Path);

/// A context whose archive is gone, and a tarball of a minbase system with the package `service`.
fn tarball(name: &str) -> (TestContext, String) {
    let context = TestContext::new([service()]);
    let tarball = context.path(name).display().to_string();
    let option = format!("--make-tarball={tarball}");
    let words = [
        &option,
        "--variant=minbase",
        "--include=service",
        "fake",
        &target(&context),
    ];
    made(&context, &words).ok();
    for directory in ["cache", "state", "archive"] {
        let _ = fs::remove_dir_all(context.path(directory));
    }
    (context, tarball)
}

/// Unpacks a tarball that the function has changed, in a directory of its own, before that.
fn rewritten(name: &str, change: impl Fn(&Path)) -> (TestContext, String) {
    let (context, tarball) = tarball("made.tgz");
    let place = context.path("unpacked");
    fs::create_dir(&place).unwrap();
    tar(&["-xzf", &tarball, "-C", &place.display().to_string()]);
    change(&place);
    let tarball = context.path(name).display().to_string();
    tar(&[
        "--create",
        "--auto-compress",
        "--file",
        &tarball,
        "-C",
        &place.display().to_string(),
        ".",
    ]);
    (context, tarball)
}

fn tar(words: &[&str]) {
    outcome(Command::new("tar").args(words)).ok();
}

fn unpacked(context: &TestContext, tarball: &str, words: &[&str]) -> Outcome {
    let option = format!("--unpack-tarball={tarball}");
    let root = target(context);
    let all = [
        &[option.as_str(), "--variant=minbase"],
        words,
        &["fake", &root],
    ];
    debootstrap(context, &all.concat())
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tarball_is_installed_without_an_archive() {
    let (context, tarball) = tarball("debs.tgz");
    let done = unpacked(&context, &tarball, &[]).ok();
    let last = "I: Base system installed successfully.\n";
    assert!(done.text().ends_with(last), "{}", done.text());
    assert_eq!(context.read("var/lib/service"), "configured\n");
    // The mirror is that of the index in the tarball.
    let mirror = context.mirror.url();
    let sources = format!("deb {} fake main\n", mirror.trim_end_matches('/'));
    assert_eq!(context.read("etc/apt/sources.list"), sources);
    let available = context.read("var/lib/dpkg/available");
    assert!(available.contains("Package: service\n"), "{available}");
    let there = |path: &str| context.root().join(path).exists();
    assert!(there(DEB) && there("var/log/bootstrap.log") && !there("debootstrap"));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tarball_of_ones_own_needs_names_paths_and_debs_only() {
    // As SONiC makes it.
    let own = "var/cache/apt/archives/service.deb";
    let (context, tarball) = rewritten("own.tar.xz", |place| {
        fs::rename(place.join(DEB), place.join(own)).unwrap();
        let read = |name: &str| fs::read_to_string(place.join("debootstrap").join(name)).unwrap();
        let paths = read("debpaths").replace(DEB, own);
        let mut required = String::new();
        for line in paths.lines() {
            required.push_str(line.split(' ').next().unwrap());
            required.push('\n');
        }
        let lists = place.join("var/lib/apt/lists");
        for directory in [place.join("debootstrap"), lists.clone()] {
            fs::remove_dir_all(&directory).unwrap();
            fs::create_dir(&directory).unwrap();
        }
        for (name, text) in [
            ("debpaths", &paths),
            ("required", &required),
            ("base", &String::new()),
        ] {
            fs::write(place.join("debootstrap").join(name), text).unwrap();
        }
        let architecture = rbootstrap::testing::host_architecture();
        let index = format!("example.org_debian_dists_fake_main_binary-{architecture}_Packages");
        fs::write(lists.join(index), "").unwrap();
    });
    unpacked(&context, &tarball, &[]).ok();
    assert_eq!(context.read("var/lib/service"), "configured\n");
    assert_eq!(
        context.read("etc/apt/sources.list"),
        "deb http://example.org/debian fake main\n"
    );
    assert!(context.root().join(own).exists());
    assert!(!context.root().join(DEB).exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tarball_can_be_unpacked_by_a_first_stage() {
    let (context, tarball) = tarball("debs.tgz");
    unpacked(&context, &tarball, &["--foreign"]).ok();
    let mut second = Command::new("chroot");
    second.arg(context.root());
    second.args(["/debootstrap/debootstrap", "--second-stage"]);
    second
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    outcome(&mut second).ok();
    assert_eq!(context.read("var/lib/service"), "configured\n");
    let available = context.read("var/lib/dpkg/available");
    assert!(available.contains("Package: service\n"), "{available}");
}

#[test]
#[ignore = "needs root"]
fn tarballs_that_cannot_be_used_are_named() {
    let rows: [(&str, Change, &[&str]); 4] = [
        (
            "without names",
            |place| fs::remove_file(place.join("debootstrap/required")).unwrap(),
            &["debootstrap/required is missing"],
        ),
        (
            "without a path",
            |place| fs::write(place.join("debootstrap/debpaths"), "other /x.deb\n").unwrap(),
            &["debootstrap/debpaths has no path for "],
        ),
        (
            "without a .deb",
            |place| fs::remove_file(place.join(DEB)).unwrap(),
            &["the .deb of `service` is missing", DEB],
        ),
        (
            "with a malformed .deb",
            |place| fs::write(place.join(DEB), "no deb").unwrap(),
            &["service", "malformed"],
        ),
    ];
    for (name, change, words) in rows {
        println!("{name}");
        let (context, tarball) = rewritten("changed.tar", change);
        let failed = unpacked(&context, &tarball, &[]).fails(1);
        failed.names(&["E: "]).names(words);
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root"]
fn files_that_are_no_tarballs_are_refused() {
    let context = TestContext::new([service()]);
    for name in ["x.zip", "x.tgz", "x.tar", "outside.tar"] {
        fs::write(context.path(name), "no tarball").unwrap();
    }
    let place = context.path("outside").display().to_string();
    fs::write(&place, "x").unwrap();
    let outside = context.path("outside.tar").display().to_string();
    tar(&["-cPf", &outside, "--transform=s,.*,../escaped,", &place]);
    let directory = context.path("").display().to_string();
    let rows = [
        ("x.zip", "must be .tar.gz, .tar.xz, .tar or .tgz"),
        ("x.tgz", "x.tgz"),
        ("x.tar", "x.tar"),
        ("missing.tgz", "missing.tgz: No such file or directory"),
        ("outside.tar", "leads out of"),
    ];
    for (name, message) in rows {
        let tarball = format!("{directory}{name}");
        unpacked(&context, &tarball, &[])
            .fails(1)
            .names(&["E: ", message]);
        assert!(!context.path("escaped").exists(), "{name}");
    }
    let option = ["--print-debs"];
    let tarball = format!("{directory}x.tar");
    unpacked(&context, &tarball, &option)
        .fails(1)
        .names(&["E: ", "--unpack-tarball"]);
    unpacked(&context, "x.tar", &[])
        .fails(1)
        .names(&["E: Tarball must be given an absolute path"]);
    println!("{} cases", rows.len() + 2);
}

/// Nothing is written before the target is known to be fit.
#[test]
#[ignore = "needs root"]
fn a_tarball_is_not_unpacked_over_the_running_system() {
    let context = TestContext::new([service()]);
    let name = format!("rbootstrap-test-{}", std::process::id());
    fs::write(context.path(&name), "x").unwrap();
    let tarball = context.path("x.tar").display().to_string();
    let directory = context.path("").display().to_string();
    tar(&["-cf", &tarball, "-C", &directory, &name]);
    let option = format!("--unpack-tarball={tarball}");
    let refused = debootstrap(&context, &[&option, "--variant=minbase", "fake", "/"]);
    let escaped = Path::new("/").join(&name);
    let is_there = escaped.exists();
    let _ = fs::remove_file(escaped);
    refused.fails(1).names(&["E: ", "running system"]);
    assert!(!is_there);
}

/// A tarball may be made from a directory of another host.
#[test]
#[ignore = "needs root, dpkg"]
fn a_directory_of_another_host_is_no_source() {
    let (context, tarball) = rewritten("directory.tar", |place| {
        let lists = place.join("var/lib/apt/lists");
        let architecture = rbootstrap::testing::host_architecture();
        for name in ["_srv_debian", "odd name_debian"] {
            let index = format!("{name}_dists_fake_main_binary-{architecture}_Packages");
            fs::write(lists.join(index), "").unwrap();
        }
        for entry in fs::read_dir(&lists).unwrap() {
            let path = entry.unwrap().path();
            if path.display().to_string().contains("127.0.0.1") {
                fs::remove_file(path).unwrap();
            }
        }
    });
    unpacked(&context, &tarball, &[]).ok();
    let sources = context.read("etc/apt/sources.list");
    assert_eq!(sources, "deb http://ftp.debian.org/debian fake main\n");
}
