//! Debian trixie from the mirror that the host uses, and a Docker engine that runs it.
//!
//! The test starts a Docker engine of its own in its own directory, without a bridge and without a
//! firewall rule on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::context::docker::Docker;
use crate::context::outcome;

/// trixie's minbase as a tree and a tar, made once for all tests here.
static TRIXIE: LazyLock<Trixie> = LazyLock::new(make_trixie);

struct Trixie {
    directory: tempfile::TempDir,
    packages: usize,
}

impl Trixie {
    fn root(&self) -> PathBuf {
        self.directory.path().join("trixie")
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("trixie.tar")
    }
}

fn program(directory: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap"));
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .arg("--variant=minbase")
        .arg("--cache-dir")
        .arg(cache());
    command
}

/// The cache of the downloads, kept from run to run.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-cache")
}

fn make_trixie() -> Trixie {
    let directory = tempfile::tempdir().unwrap();
    let mut plan = program(directory.path());
    let planned = outcome(plan.args(["--print-debs", "trixie"])).ok();
    let packages = planned.text().lines().count();
    let mut make = program(directory.path());
    outcome(make.args(["trixie", "trixie", "--tar", "trixie.tar"])).ok();
    Trixie {
        directory,
        packages,
    }
}

#[test]
#[ignore = "needs root, network"]
fn every_package_is_installed_and_dpkg_has_no_complaint() {
    let trixie = &*TRIXIE;
    let in_tree = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        outcome(
            command
                .arg(trixie.root())
                .args(arguments)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin")
                .stdin(Stdio::null()),
        )
        .ok()
        .text()
    };
    assert_eq!(in_tree(&["dpkg", "--audit"]), "");
    let installed = in_tree(&["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\n"]);
    assert!(
        installed.lines().all(|line| line.trim() == "ii"),
        "{installed}"
    );
    assert_eq!(installed.lines().count(), trixie.packages);
    assert!(in_tree(&["apt-get", "check", "-q"]).contains("Reading package lists"));
    assert_eq!(in_tree(&["dpkg", "--verify"]), "");
    assert!(
        fs::read_to_string(trixie.root().join("etc/os-release"))
            .unwrap()
            .contains("VERSION_CODENAME=trixie")
    );
}

#[test]
#[ignore = "needs root, network, docker"]
fn docker_imports_and_runs_it() {
    let trixie = &*TRIXIE;
    let docker = Docker::start();
    outcome(
        docker
            .command()
            .args(["import", "--change", "CMD [\"/bin/sh\"]"])
            .arg(trixie.image())
            .arg("from-file"),
    )
    .ok();
    let release = docker
        .run("from-file", &["cat", "/etc/os-release"])
        .ok()
        .text();
    assert!(release.contains("VERSION_CODENAME=trixie"), "{release}");
    assert_eq!(
        docker.run("from-file", &["dpkg", "--audit"]).ok().text(),
        ""
    );

    // By a pipe, without a file.
    let mut made = program(trixie.directory.path())
        .arg("trixie")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut import = docker.command();
    let imported = outcome(
        import
            .args(["import", "-", "from-pipe"])
            .stdin(made.stdout.take().unwrap()),
    );
    assert!(made.wait().unwrap().success());
    imported.ok();
    assert_eq!(
        docker
            .run("from-pipe", &["cat", "/etc/os-release"])
            .ok()
            .text(),
        release
    );
}
