//! .debs → tree and dpkg database: staged by many threads, committed by one, in one order.
//!
//! Staging decodes a package's files into a directory on the tree's own file system; committing decides what dpkg would decide
//! and moves each file to its place. What the decisions rest on is known to `dpkg`; which package comes when is the plan's.

mod claims;
mod commit;
mod error;
mod filter;
mod preinst;
mod stage;
mod staging;
mod tree;

pub use error::Error;
pub use filter::PathRule;

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use crate::chroot::Chroot;
use crate::deb::{Deb, Kind};
use crate::dpkg::{self, Activations, Database, Masters};
use crate::fetch::Fetch;
use crate::package::{BadStanza, Package};
use crate::plan::Plan;
use crate::report::{Event, Report, Stage};
use crate::rootfs::{RootPath, Rootfs};
use crate::store;

use commit::{Commit, Laying};
use preinst::{Run, Surroundings};
use stage::{Node, Staged};
use staging::{Order, Source, Staging};

/// Where packages are staged: on the tree's own file system, so that committing a file is renaming it.
const STAGING: &str = "var/lib/dpkg/rbootstrap.tmp";

/// What is read of base-passwd's lists, in bytes. They have some 2,000.
const MASTER_LIMIT: u64 = 1 << 20;

/// What is to be unpacked, and where it comes from.
#[derive(Clone, Debug)]
pub struct Supply {
    /// The packages in their order.
    pub plan: Arc<Plan>,
    /// What to ask for, one for each of the plan's packages.
    pub sources: Vec<store::Wanted>,
    /// Whom to ask.
    pub fetch: Arc<Fetch>,
}

/// How it is to be unpacked.
#[derive(Clone, Debug)]
pub struct Options {
    /// SOURCE_DATE_EPOCH for the scripts, in seconds.
    pub epoch: i64,
    /// How many threads stage, at least one. The tree does not depend on it.
    pub jobs: usize,
    /// Paths that are left out; of all rules that match one, the last counts.
    pub paths: Vec<PathRule>,
    /// Which preinsts run.
    pub preinsts: Preinsts,
}

/// Which preinsts run. The tree does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preinsts {
    /// Those that can have an effect on a fresh installation.
    #[default]
    WithEffect,
    /// All, as for dpkg.
    All,
}

/// Packages on their way into a tree. Dropping it stops the threads and removes what is staged.
pub struct Unpacker<'a> {
    root: &'a Rootfs,
    staging: Staging<'a>,
    /// How many packages there are, and how many of them are laid before any script.
    packages: usize,
    essentials: usize,
    options: Options,
    report: Report,
    commit: Commit<'a>,
    database: Database<'a>,
    /// What is laid and not yet registered.
    laid: Vec<Staged>,
    /// The version of dpkg in the tree, for scripts that ask.
    dpkg: Option<String>,
}

impl std::fmt::Debug for Unpacker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").field("root", &self.root.path()).field("packages", &self.packages).finish_non_exhaustive()
    }
}

/// That a .deb is the package that its index took it for.
fn is_of(package: &Package, deb: &Deb) -> Result<(), Error> {
    let named = |package: &Package| format!("{} {} ({})", package.name, package.version, package.architecture);
    let control = |source: BadStanza| Error::Control { package: package.name.clone(), source: source.into() };
    let (promised, found) = (named(package), named(&Package::parse(&deb.stanza).map_err(control)?));
    if promised == found { Ok(()) } else { Err(Error::Other { package: promised, found }) }
}

impl<'a> Unpacker<'a> {
    /// Starts staging in the background: each verified .deb, the essentials first.
    pub fn start(root: &'a Rootfs, supply: Supply, options: Options, report: Report) -> Result<Unpacker<'a>, Error> {
        let Supply { plan, sources, fetch } = supply;
        let names = plan.packages.iter().map(|chosen| chosen.package.name.clone()).collect();
        let essentials = plan.essentials;
        // The essentials are waited for together: with the largest first, no thread is left with a large one at the end.
        let mut sequence: Vec<usize> = (0..plan.packages.len()).collect();
        sequence[..essentials].sort_by_key(|&number| std::cmp::Reverse(plan.packages[number].package.size));
        let source = move |number: usize| {
            let package = &plan.packages[number].package;
            let verified = fetch.take(&sources[number]).map_err(|source| Error::Fetch { source })?;
            let deb = Deb::open(&verified).map_err(|source| Error::Deb { package: package.name.clone(), source })?;
            is_of(package, &deb)?;
            Ok(deb)
        };
        Unpacker::from_source(root, (names, essentials, sequence, Box::new(source)), options, report)
    }

    fn from_source(
        root: &'a Rootfs,
        (names, essentials, sequence, source): (Vec<String>, usize, Vec<usize>, Box<Source>),
        options: Options,
        report: Report,
    ) -> Result<Unpacker<'a>, Error> {
        let packages = names.len();
        report.began(Stage::Unpack, packages as u64);
        let order = Order { names, sequence, source, rules: options.paths.clone(), jobs: options.jobs };
        Ok(Unpacker {
            root,
            staging: Staging::start(root, order, report.clone())?,
            packages,
            essentials,
            options,
            report,
            commit: Commit::new(root),
            database: Database::open(root, Masters::default())?,
            laid: Vec::new(),
            dpkg: None,
        })
    }

    /// Lays the essential set; no script runs, and dpkg does not know of it yet.
    pub fn lay_essentials(&mut self) -> Result<(), Error> {
        self.lay(self.essentials)
    }

    /// Lays every package and registers none, as mmdebstrap's variant `extract` does.
    pub fn extract_all(&mut self) -> Result<(), Error> {
        self.lay(self.packages)
    }

    /// Runs the essentials' preinsts and registers them, each seeing the database as dpkg would have it at that moment.
    pub fn register_essentials(&mut self, chroot: &Chroot) -> Result<(), Error> {
        self.register(&|command| chroot.run(command))
    }

    /// Unpacks a batch of the plan's packages as one call of `dpkg --unpack` would. dpkg may have run since the last batch.
    pub fn batch(&mut self, chroot: &Chroot, packages: &[usize]) -> Result<(), Error> {
        self.unpack(packages, &|command| chroot.run(command))
    }

    /// Ends staging and removes its place.
    pub fn finish(self) -> Result<(), Error> {
        self.staging.finish()?;
        self.report.ended(Stage::Unpack);
        Ok(())
    }

    /// Lays the first packages of the plan as tar would: top-level symlinks, directories, then files.
    fn lay(&mut self, packages: usize) -> Result<(), Error> {
        self.laid = (0..packages).map(|number| self.staging.take(number)).collect::<Result<_, _>>()?;
        self.database = Database::open(self.root, self.masters()?)?;
        for staged in &self.laid {
            self.commit.lay_top_symlinks(staged, &self.database)?;
        }
        self.commit.lay_directories(&self.laid, &self.database)?;
        for staged in &mut self.laid {
            let from = begin(&self.report, staged);
            self.commit.claims.enter(staged);
            note_dpkg(&mut self.dpkg, staged);
            let no_directory = |node: &Node| node.entry.kind != Kind::Directory;
            self.commit.lay(staged, (Laying::Essential, &no_directory), (&self.database, &self.staging), None)?;
            end(&self.report, staged, from);
        }
        Ok(())
    }

    fn register(&mut self, run: Run<'_>) -> Result<(), Error> {
        self.database.prepare()?;
        for mut staged in std::mem::take(&mut self.laid) {
            let from = Instant::now();
            self.run_preinst(&staged, run)?;
            self.lay_again(&mut staged)?;
            self.commit.register(&staged, Laying::Essential, &mut self.database)?;
            span(&self.report, &staged, from);
        }
        Ok(self.database.status.write(self.root, None)?)
    }

    /// Lays again what dpkg, which unpacks after the preinst, would now lay elsewhere or with another owner.
    fn lay_again(&mut self, staged: &mut Staged) -> Result<(), Error> {
        let (database, name) = (&self.database, staged.package.name.clone());
        if database.diversions.is_empty() && database.overrides.is_empty() {
            return Ok(());
        }
        let moved = |node: &Node| {
            let elsewhere = database.diversions.place(&node.path, &name).is_some() || database.overrides.of(&node.path).is_some();
            elsewhere && node.entry.kind != Kind::Directory && !node.left_out && !node.yielded
        };
        let files: Vec<u32> = staged.nodes.iter().filter(|n| moved(n) && n.entry.kind == Kind::File).map(|n| n.number).collect();
        if !files.is_empty() {
            self.staging.again(staged, &files)?;
        }
        self.commit.lay(staged, (Laying::Essential, &moved), (database, &self.staging), None)
    }

    fn unpack(&mut self, packages: &[usize], run: Run<'_>) -> Result<(), Error> {
        self.database.prepare()?;
        self.database.reread()?;
        self.commit.tree.forget_directories();
        let mut activations = Activations::listen(&self.database.interests, &self.database.status);
        for &number in packages {
            let mut staged = self.staging.take(number)?;
            let from = begin(&self.report, &staged);
            self.commit.claims.enter(&staged);
            note_dpkg(&mut self.dpkg, &staged);
            self.run_preinst(&staged, run)?;
            let (place, all) = ((&self.database, &self.staging), |_: &Node| true);
            self.commit.lay(&mut staged, (Laying::Batch, &all), place, Some(&mut activations))?;
            self.commit.register(&staged, Laying::Batch, &mut self.database)?;
            activations.directives(&staged.triggers, &staged.qualified);
            end(&self.report, &staged, from);
        }
        activations.write(self.root)?;
        Ok(self.database.status.write(self.root, None)?)
    }

    /// Runs a package's preinst, where it has one that matters, with everything before it on disk and in the database.
    fn run_preinst(&mut self, staged: &Staged, run: Run<'_>) -> Result<(), Error> {
        if !preinst::has_to_run(staged, self.options.preinsts) {
            return Ok(());
        }
        let instances = self.commit.claims.instances(&staged.package.name);
        let surroundings = Surroundings { epoch: self.options.epoch, dpkg: self.dpkg.as_deref(), instances };
        self.database.status.write(self.root, Some(&dpkg::half_installed_stanza(&staged.stanza)))?;
        preinst::run(self.root, staged, &surroundings, run)?;
        self.commit.tree.forget_directories();
        Ok(self.database.reread_after_script()?)
    }

    /// base-passwd's lists of users and groups, out of what is staged.
    fn masters(&self) -> Result<Masters, Error> {
        let read = |path: &'static str| {
            let path = RootPath::known(path);
            let found = self.laid.iter().find_map(|s| Some((s, s.nodes.iter().find(|n| n.path == path && n.is_staged())?)));
            let Some((staged, node)) = found else { return Ok(Vec::new()) };
            let mut content = Vec::new();
            let file = self.staging.place().file(staged.number, node.number).map_err(io::Error::from);
            let read = file.and_then(|file| file.take(MASTER_LIMIT).read_to_end(&mut content));
            read.map(|_| content).map_err(|e| Error::staging(&staged.package.name, e))
        };
        Ok(Masters { passwd: read("usr/share/base-passwd/passwd.master")?, group: read("usr/share/base-passwd/group.master")? })
    }
}

/// Remembers the version of dpkg: the upstream part of its number, as dpkg itself reports it.
fn note_dpkg(version: &mut Option<String>, staged: &Staged) {
    if staged.package.name == "dpkg" {
        let whole = staged.package.version.without_epoch();
        let end = whole.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(whole.len());
        *version = Some(whole[..end].to_owned());
    }
}

/// Tells that a package is being laid, and notes when that began.
fn begin(report: &Report, staged: &Staged) -> Instant {
    report.send(Event::Working { stage: Stage::Unpack, item: staged.package.name.clone() });
    Instant::now()
}

/// Tells how long a step of a package's unpacking took.
fn span(report: &Report, staged: &Staged, from: Instant) {
    report.send(Event::Span { stage: Stage::Unpack, item: staged.package.name.clone(), from, to: Instant::now() });
}

/// Tells that a package has been laid.
fn end(report: &Report, staged: &Staged, from: Instant) {
    span(report, staged, from);
    report.advanced(Stage::Unpack, 1);
}

#[cfg(test)]
mod tests;
