//! Packages made of bytes, unpacked into trees of their own; what scripts would do is done by the
//! test.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own world, with every writer of the standard library"
)]

mod dpkg;
mod staging_tests;
mod together;
mod unpacking;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::State;
use super::maintainer_scripts::{Forces, Preinsts, Scripts};
use super::staging::{self, PackageFile, STAGING, StagedPackages, Staging};
use super::unpack::{Error, Unpacking, extract, place_together, register_together, unpack_in_turn};
use crate::formats::deb::Deb;
use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::formats::suite::MergedUsr;
use crate::report::Report;
use crate::sandbox::{Command, Finished};
use crate::testing::deb::{deb, on_disk};
use crate::testing::tar::{TarEntry, directory, entry, file, hard_link, symlink};
use crate::tree::base::{Base, base};
use crate::tree::rootfs::{RootPath, Rootfs};

/// A package: name, further fields of its control file, control members, data.
struct Packed(
    &'static str,
    &'static str,
    Vec<(&'static str, &'static str)>,
    Vec<TarEntry>,
);

impl Packed {
    fn control(&self) -> String {
        let version = if self.1.contains("Version:") {
            ""
        } else {
            "Version: 1\n"
        };
        let architecture = if self.1.contains("Architecture:") {
            ""
        } else {
            "Architecture: all\n"
        };
        let rest = "Maintainer: a <a@b>\nDescription: x\n";
        format!(
            "Package: {}\n{version}{architecture}{}{rest}",
            self.0, self.1
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let mut members = self.2.clone();
        if !members.iter().any(|m| m.0 == "md5sums") && !self.1.contains("X-No-Digests") {
            members.push(("md5sums", ""));
        }
        deb(&self.control(), &members, &self.3)
    }
}

/// The keys of packages.
fn keys(packages: &[Packed]) -> Vec<PackageKey> {
    let mut keys = Vec::new();
    for package in packages {
        keys.push(Package::parse(&package.control()).unwrap().key());
    }
    keys
}

/// A package of files alone.
fn packed(name: &'static str, data: Vec<TarEntry>) -> Packed {
    Packed(name, "", vec![], data)
}

/// A package to be staged, by its number, which its source finds again as its size.
fn package_file(key: PackageKey, number: usize) -> PackageFile {
    let algorithm = crate::formats::digest::Algorithm::Sha256;
    let digest = crate::formats::digest::digest(algorithm, &number.to_le_bytes());
    let deb = crate::store::RemoteFile {
        name: String::new(),
        urls: vec![],
        size: number as u64,
        digest,
    };
    PackageFile { key, deb }
}

fn read(bytes: &[u8]) -> Result<Deb, Error> {
    Deb::read(on_disk(bytes)).map_err(|source| Error::Deb {
        package: String::new(),
        source,
    })
}

/// What a script does to the tree, by the name of its package.
type Script<'a> = &'a dyn Fn(&str, &World);

struct World {
    directory: tempfile::TempDir,
    root: Rootfs,
    jobs: usize,
    paths: Vec<PathRule>,
    preinsts: Preinsts,
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        base(
            &root,
            &Base {
                architectures: vec!["amd64".into(), "i386".into()],
                merged_usr: MergedUsr::Shipped,
                path_rules: Vec::new(),
            },
        )
        .unwrap();
        World {
            directory,
            root,
            jobs: 2,
            paths: vec![],
            preinsts: Preinsts::WithEffect,
        }
    }

    /// Stages packages. `jobs` and the path rules are the world's.
    fn stage(&self, packages: &[Packed]) -> Result<(Staging<'_>, StagedPackages), Error> {
        let all: Vec<Vec<u8>> = packages.iter().map(Packed::bytes).collect();
        let source = move |file: &PackageFile| read(&all[file.deb.size as usize]);
        let options = staging::Options {
            source: Box::new(source),
            rules: self.paths.clone(),
            jobs: self.jobs,
        };
        let staging = Staging::start(&self.root, options, Report::silent())?;
        let files = keys(packages).into_iter().enumerate();
        let staged = staging.plan(files.map(|(n, key)| package_file(key, n)).collect());
        Ok((staging, staged))
    }

    /// Unpacks the first `essentials` packages together, then the others in batches of these sizes.
    fn run(
        &self,
        packages: &[Packed],
        (essentials, batches): (usize, &[usize]),
        script: Script<'_>,
    ) -> Result<(), Error> {
        let (staging, staged) = self.stage(packages)?;
        let report = Report::silent();
        let unpacking = Unpacking {
            root: &self.root,
            staging: &staged,
            report: &report,
        };
        let run = |command: &Command| Ok(self.run_command(command, script));
        let mut forces = Forces::default();
        let mut scripts = Scripts {
            root: &self.root,
            run: &run,
            preinsts: self.preinsts,
            epoch: 5,
            forces: &mut forces,
        };
        let mut state = State::read(&self.root)?;
        let keys = keys(packages);
        let (first, mut rest) = keys.split_at(essentials);
        if essentials > 0 {
            let placed = place_together(unpacking, first, &mut state)?;
            register_together(unpacking, placed, &mut state, &mut scripts)?;
            self.assert_read_back(&state);
        }
        for size in batches {
            let (batch, later) = rest.split_at(*size);
            unpack_in_turn(unpacking, batch, &mut state, &mut scripts)?;
            self.assert_read_back(&state);
            rest = later;
        }
        staging.finish()
    }

    /// Stands in for the sandbox: answers for dpkg, and has `script` do what a preinst would do.
    fn run_command(&self, command: &Command, script: Script<'_>) -> Finished {
        if command.argv[0] == "dpkg" {
            let options = match command.argv[1] == "--force-depends" {
                true => "depends,downgrade",
                false => "downgrade",
            };
            let output =
                format!("dpkg forcing options\n\nCurrently enabled options:\n {options}\n");
            return Finished {
                status: std::process::ExitStatus::from_raw(0),
                output: output.into(),
            };
        }
        let value = |name: &str| {
            let mut env = command.env.iter();
            let (_, value) = env.find(|(n, _)| n == name).unwrap();
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(command.argv[1].to_str(), Some("install"));
        assert_eq!(value("DPKG_MAINTSCRIPT_NAME"), "preinst");
        script(&value("DPKG_MAINTSCRIPT_PACKAGE"), self);
        let failed = self.text("fail").is_some();
        Finished {
            status: std::process::ExitStatus::from_raw(if failed { 256 } else { 0 }),
            output: b"last words".into(),
        }
    }

    /// Asserts that the state is what the tree says.
    fn assert_read_back(&self, state: &State) {
        let difference = state.difference(&self.root).unwrap();
        assert_eq!(
            difference,
            None,
            "{}",
            difference.clone().unwrap_or_default()
        );
    }

    /// Unpacks all as one batch, no script having an effect.
    fn batch(&self, packages: &[Packed]) -> Result<(), Error> {
        self.run(packages, (0, &[packages.len()]), &|_, _| {})
    }

    fn write(&self, path: &str, content: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), content).unwrap();
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    fn list(&self, qualified: &str) -> String {
        self.text(&format!("var/lib/dpkg/info/{qualified}.list"))
            .unwrap()
    }

    /// The stanza of a package in status.
    fn stanza(&self, name: &str) -> String {
        let status = self.text("var/lib/dpkg/status").unwrap();
        status
            .split("\n\n")
            .find(|s| s.starts_with(&format!("Package: {name}\n")))
            .unwrap()
            .to_owned()
    }

    /// The tree as text, one line a path.
    fn dump(&self) -> String {
        let mut lines = Vec::new();
        dump(self.directory.path(), Path::new(""), &mut lines);
        lines.join("\n")
    }
}

fn dump(root: &Path, below: &Path, lines: &mut Vec<String>) {
    let mut names: Vec<_> = root
        .join(below)
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let path = below.join(name);
        let found = root.join(&path).symlink_metadata().unwrap();
        let what = if found.is_symlink() {
            format!("-> {}", root.join(&path).read_link().unwrap().display())
        } else if found.is_file() {
            let content = std::fs::read(root.join(&path)).unwrap();
            format!(
                "{} {} {}",
                found.nlink(),
                if found.mtime() == 1_600_000_000 {
                    "shipped"
                } else {
                    "new"
                },
                content.escape_ascii()
            )
        } else {
            String::new()
        };
        let (mode, owner) = (
            found.permissions().mode(),
            format!("{}:{}", found.uid(), found.gid()),
        );
        lines.push(format!(
            "/{} {mode:o} {owner} {what}",
            path.as_os_str().as_bytes().escape_ascii()
        ));
        if found.is_dir() {
            dump(root, &path, lines);
        }
    }
}

fn set_up(before: fn(&World)) -> World {
    let world = World::new();
    world.write(
        "etc/passwd",
        "root:x:0:0::/:/bin/sh\ngames:x:5:60::/:/bin/sh\nmail:x:8:8::/:/bin/sh\n",
    );
    world.write("etc/group", "root:x:0:\ngames:x:60:\nmail:x:8:\n");
    before(&world);
    world
}
