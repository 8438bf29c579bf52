//! Packages made of bytes, unpacked into trees of their own; what scripts would do is done by the
//! test.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;

use super::deb::{deb, on_disk};
use super::tar::{SHIPPED, TarEntry};
use super::tree::{self, Times};
use crate::dpkg::State;
use crate::dpkg::maintainer_scripts::{Forces, Preinsts, Scripts};
use crate::dpkg::staging::{self, PackageFile, StagedPackages, Staging};
use crate::dpkg::unpack::{
    Error, Method, Unpacking, place_together, register_together, unpack_in_turn,
};
use crate::failure::with_causes;
use crate::formats::compress::Integrity;
use crate::formats::deb::{Deb, DebLimits};
use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::formats::suite::MergedUsr;
use crate::formats::version::Version;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::sandbox::{Command, Finished};
use crate::tree::base::{Base, base};
use crate::tree::rootfs::Rootfs;

/// A package: name, further fields of its control file, control members, data.
#[derive(Clone, Debug)]
pub struct Packed(
    pub &'static str,
    pub &'static str,
    pub Vec<(&'static str, &'static str)>,
    pub Vec<TarEntry>,
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

    pub fn bytes(&self) -> Vec<u8> {
        let mut members = self.2.clone();
        if !members.iter().any(|m| m.0 == "md5sums") && !self.1.contains("X-No-Digests") {
            members.push(("md5sums", ""));
        }
        deb(&self.control(), &members, &self.3)
    }
}

/// The keys of packages.
pub(crate) fn keys(packages: &[Packed]) -> Vec<PackageKey> {
    let mut keys = Vec::new();
    for package in packages {
        keys.push(Package::parse(&package.control()).unwrap().key());
    }
    keys
}

/// A package of files alone.
pub fn packed(name: &'static str, data: Vec<TarEntry>) -> Packed {
    Packed(name, "", vec![], data)
}

/// A package to be staged, by its number, which its source finds again as its size.
pub(crate) fn package_file(key: PackageKey, number: usize) -> PackageFile {
    let algorithm = crate::formats::digest::Algorithm::Sha256;
    let digest = crate::formats::digest::digest(algorithm, &number.to_le_bytes());
    let deb = crate::store::RemoteFile {
        name: String::new(),
        urls: vec![],
        size: number as u64,
        digest,
    };
    PackageFile {
        key,
        deb,
        installed_size: 0,
        integrity: Integrity::Known,
    }
}

pub(crate) fn read(bytes: &[u8]) -> Result<Deb, Error> {
    let limits = DebLimits::new(bytes.len() as u64, 0, Interrupt::default());
    Deb::open(on_disk(bytes), Integrity::Known, limits, None).map_err(|source| Error::Deb {
        package: String::new(),
        source,
    })
}

/// What a script does to the tree, by the name of its package.
pub(crate) type Script<'a> = &'a dyn Fn(&str, &World);

/// A tree with the base files, into which packages are unpacked.
pub struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) root: Rootfs,
    pub(crate) jobs: usize,
    pub(crate) paths: Vec<PathRule>,
    pub(crate) merges_usr: bool,
    pub(crate) preinsts: Preinsts,
}

impl World {
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        base(
            &root,
            &Base {
                architectures: vec!["amd64".into(), "i386".into()],
                merged_usr: MergedUsr::Shipped,
                path_rules: Vec::new(),
                localtime: false,
                kind: crate::tree::base::BaseKind::Image,
            },
        )
        .unwrap();
        World {
            directory,
            root,
            jobs: 2,
            paths: vec![],
            merges_usr: false,
            preinsts: Preinsts::WithEffect,
        }
    }

    /// Stages packages. `jobs` and the path rules are the world's.
    pub(crate) fn stage(
        &self,
        packages: &[Packed],
    ) -> Result<(Staging<'_>, StagedPackages), Error> {
        self.stage_debs(keys(packages), packages.iter().map(Packed::bytes).collect())
    }

    fn stage_debs(
        &self,
        keys: Vec<PackageKey>,
        all: Vec<Vec<u8>>,
    ) -> Result<(Staging<'_>, StagedPackages), Error> {
        let source = move |file: &PackageFile| read(&all[file.deb.size as usize]);
        let options = staging::Options {
            source: Box::new(source),
            rules: self.paths.clone(),
            jobs: self.jobs,
        };
        let staging = Staging::start(&self.root, options, Report::silent())?;
        let files = keys.into_iter().enumerate();
        let staged = staging.plan(files.map(|(n, key)| package_file(key, n)).collect());
        Ok((staging, staged))
    }

    /// Unpacks the first `essentials` packages together, then the others in batches of these sizes.
    pub(crate) fn run(
        &self,
        packages: &[Packed],
        (essentials, batches): (usize, &[usize]),
        script: Script<'_>,
    ) -> Result<(), Error> {
        let staged = self.stage(packages)?;
        self.run_staged(staged, &keys(packages), (essentials, batches), script)
    }

    fn run_staged(
        &self,
        (staging, staged): (Staging<'_>, StagedPackages),
        keys: &[PackageKey],
        (essentials, batches): (usize, &[usize]),
        script: Script<'_>,
    ) -> Result<(), Error> {
        let report = Report::silent();
        let unpacking = Unpacking {
            root: &self.root,
            staging: &staged,
            report: &report,
            interrupt: &Interrupt::default(),
            merges_usr: self.merges_usr,
            placed: None,
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
        let (first, mut rest) = keys.split_at(essentials);
        if essentials > 0 {
            let placed = place_together(unpacking, first, Method::Together, &mut state)?;
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

    /// As a user of the library: unpacks all as one batch. The error with its causes.
    pub fn unpack(&self, packages: &[Packed]) -> Result<(), String> {
        self.batch(packages).map_err(|error| with_causes(&error))
    }

    /// As [`World::unpack`], of one .deb of this name, version 1 and architecture all.
    pub fn unpack_deb(&self, name: &str, deb: Vec<u8>) -> Result<(), String> {
        let version = Version::parse("1").unwrap();
        let keys = [PackageKey::new(name, "all", &version)];
        let staged = self.stage_debs(keys.to_vec(), vec![deb]);
        let done = staged.and_then(|staged| self.run_staged(staged, &keys, (0, &[1]), &|_, _| {}));
        done.map_err(|error| with_causes(&error))
    }

    /// A tree with dpkg's rules: `exclude` or `include`, and the pattern.
    pub fn with_rules(rules: &[(&str, &str)]) -> World {
        let mut world = World::new();
        for (word, pattern) in rules {
            let kind = match *word {
                "exclude" => PathRuleKind::Exclude,
                "include" => PathRuleKind::Include,
                other => panic!("`{other}` is not a rule"),
            };
            world.paths.push(PathRule::new(kind, pattern).unwrap());
        }
        world
    }

    /// Gives the tree users.
    pub fn with_users(self) -> World {
        self.write(
            "etc/passwd",
            "root:x:0:0::/:/bin/sh\ngames:x:5:60::/:/bin/sh\nmail:x:8:8::/:/bin/sh\n",
        );
        self.write("etc/group", "root:x:0:\ngames:x:60:\nmail:x:8:\n");
        self
    }

    /// Unpacks all as one batch, no script having an effect.
    pub(crate) fn batch(&self, packages: &[Packed]) -> Result<(), Error> {
        self.run(packages, (0, &[packages.len()]), &|_, _| {})
    }

    pub fn write(&self, path: &str, content: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), content).unwrap();
    }

    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    pub fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    pub fn list(&self, qualified: &str) -> String {
        self.text(&format!("var/lib/dpkg/info/{qualified}.list"))
            .unwrap()
    }

    /// The stanza of a package in status.
    pub fn stanza(&self, name: &str) -> String {
        let status = self.text("var/lib/dpkg/status").unwrap();
        status
            .split("\n\n")
            .find(|s| s.starts_with(&format!("Package: {name}\n")))
            .unwrap()
            .to_owned()
    }

    /// The tree as text, one line a path. Times show only whether they are those of the packages.
    pub fn dump(&self) -> Vec<String> {
        let later = i64::try_from(SHIPPED).unwrap() + 1;
        tree::dump(self.directory.path(), Times::Until(later))
    }

    /// The line of one path, without times.
    pub fn line(&self, path: &str) -> String {
        tree::line_of(self.directory.path(), path)
    }

    /// Whether a path has the time that it has in its package.
    pub fn is_shipped(&self, path: &str) -> bool {
        let modified = self.path(path).symlink_metadata().unwrap().mtime();
        modified == i64::try_from(SHIPPED).unwrap()
    }
}
