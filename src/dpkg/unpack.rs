//! .debs → tree and dpkg database: staged by many threads, committed by one, in one order.
//!
//! Staging decodes a package's files into a directory on the tree's own file system; committing decides what dpkg would decide
//! and moves each file to its place. What the decisions rest on is known to `dpkg`; which package comes when is the plan's.

mod claims;
mod commit;
mod conffiles;
mod disappear;
mod error;
mod filter;
mod script;
mod stage;
mod staging;
mod tree;

pub(crate) use error::Error;
pub(crate) use filter::PathRule;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use crate::dpkg::{self, Activations, Database, Directive, Masters};
use crate::formats::deb::{self, CopyWriter, Deb, Kind};
use crate::formats::package::{BadStanza, Package};
use crate::report::{Event, Report, Stage};
use crate::sandbox::Sandbox;
use crate::store::downloads::Downloads;
use crate::store::{Encoding, Verified};
use crate::tree::rootfs::{RootPath, Rootfs};

use commit::{Commit, Laying};
use script::{Run, Surroundings};
use stage::{Node, Staged};
pub(crate) use staging::{Ahead, Supply};
use staging::{Manner, Source, Staging};

/// Where packages are staged: on the tree's own file system, so that committing a file is renaming it.
const STAGING: &str = "var/lib/dpkg/rbootstrap.tmp";

/// What is read of base-passwd's lists, in bytes. They have some 2,000.
const MASTER_LIMIT: u64 = 1 << 20;

/// How it is to be unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many threads stage, at least one. The tree does not depend on it.
    pub(crate) jobs: usize,
    /// Paths that are left out; of all rules that match one, the last counts.
    pub(crate) paths: Vec<PathRule>,
    /// Which preinsts run.
    pub(crate) preinsts: Preinsts,
}

/// Which preinsts run. The tree does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Preinsts {
    /// Those that can have an effect on a fresh installation.
    #[default]
    WithEffect,
    /// All, as for dpkg.
    All,
}

/// Packages on their way into a tree. Dropping it stops the threads and removes what is staged.
pub(crate) struct Unpacker<'a> {
    root: &'a Rootfs,
    staging: Staging<'a>,
    /// Where the plan's packages are staged, in its order, and how many of them are laid before any script.
    slots: Vec<usize>,
    essentials: usize,
    /// SOURCE_DATE_EPOCH for the scripts, in seconds.
    epoch: i64,
    preinsts: Preinsts,
    report: Report,
    commit: Commit<'a>,
    database: Database<'a>,
    /// What is laid and not yet registered.
    laid: Vec<Staged>,
    /// The version of dpkg in the tree, for scripts that ask.
    dpkg: Option<String>,
    /// dpkg's force options, once they are asked for: while the essentials are registered, and later.
    forces: [Option<Option<String>>; 2],
    /// The packages that others have replaced completely.
    gone: BTreeSet<usize>,
}

impl std::fmt::Debug for Unpacker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker")
            .field("root", &self.root.path())
            .field("packages", &self.slots.len())
            .finish_non_exhaustive()
    }
}

/// That a .deb is the package that its index took it for.
fn is_of(supply: &Supply, deb: &Deb) -> Result<(), Error> {
    let control = |source: BadStanza| Error::Control {
        package: supply.package.clone(),
        source: source.into(),
    };
    let found = Package::parse(&deb.stanza)
        .map_err(control)?
        .key()
        .to_string();
    if supply.deb.name == found {
        Ok(())
    } else {
        Err(Error::Other {
            package: supply.deb.name.clone(),
            found,
        })
    }
}

/// Opens a .deb or its decoded copy. The first time, a copy is written.
fn open(fetch: &Downloads, supply: &Supply, verified: &Verified) -> Result<Deb, deb::Error> {
    let file = verified.open().map_err(deb::Error::Read)?;
    match verified.encoding() {
        Encoding::Decoded => Deb::open_copy(file, verified.size()),
        Encoding::Original => {
            let copy = fetch.derived_writer(&supply.deb);
            Deb::open(
                file,
                copy.map(|writer| Box::new(writer) as Box<dyn CopyWriter>),
            )
        }
    }
}

impl<'a> Unpacker<'a> {
    /// Starts the threads that stage packages in the background, each of its .deb as `fetch` brings it.
    pub(crate) fn start(
        root: &'a Rootfs,
        fetch: Arc<Downloads>,
        options: Options,
        report: Report,
    ) -> Result<Unpacker<'a>, Error> {
        let source = move |supply: &Supply| {
            let verified = fetch
                .take(&supply.deb)
                .map_err(|source| Error::Fetch { source })?;
            let deb = open(&fetch, supply, &verified).map_err(|source| Error::Deb {
                package: supply.package.clone(),
                source,
            })?;
            is_of(supply, &deb)?;
            Ok(deb)
        };
        Unpacker::from_source(root, Box::new(source), options, report)
    }

    fn from_source(
        root: &'a Rootfs,
        source: Box<Source>,
        options: Options,
        report: Report,
    ) -> Result<Unpacker<'a>, Error> {
        let Options {
            jobs,
            paths,
            preinsts,
        } = options;
        Ok(Unpacker {
            root,
            staging: Staging::start(
                root,
                Manner {
                    source,
                    rules: paths,
                    jobs,
                },
                report.clone(),
            )?,
            slots: Vec::new(),
            essentials: 0,
            epoch: 0,
            preinsts,
            report,
            commit: Commit::new(root),
            database: Database::open(root, Masters::default())?,
            laid: Vec::new(),
            dpkg: None,
            forces: [None, None],
            gone: BTreeSet::new(),
        })
    }

    /// A way to have packages staged before the plan is known.
    pub(crate) fn ahead(&self) -> Ahead {
        self.staging.ahead()
    }

    /// What is to be unpacked, in order, the first `essentials` before any script runs; `epoch` is the scripts' SOURCE_DATE_EPOCH, in
    /// seconds.
    pub fn plan(&mut self, supplies: Vec<Supply>, essentials: usize, epoch: i64) {
        self.report.began(Stage::Unpack, supplies.len() as u64);
        // The essentials are waited for together: with the largest first, no thread is left with a large one at the end.
        let mut sequence: Vec<usize> = (0..supplies.len()).collect();
        sequence[..essentials].sort_by_key(|&number| std::cmp::Reverse(supplies[number].deb.size));
        (self.slots, self.essentials, self.epoch) =
            (self.staging.plan(supplies, &sequence), essentials, epoch);
    }

    /// Lays the essential set; no script runs, and dpkg does not know of it yet.
    pub(crate) fn lay_essentials(&mut self) -> Result<(), Error> {
        self.lay(self.essentials)
    }

    /// Lays every package and registers none, as mmdebstrap's variant `extract` does.
    pub(crate) fn extract_all(&mut self) -> Result<(), Error> {
        self.lay(self.slots.len())
    }

    /// Runs the essentials' preinsts and registers them, each seeing the database as dpkg would have it at that moment.
    pub(crate) fn register_essentials(&mut self, chroot: &Sandbox) -> Result<(), Error> {
        self.register(&|command| chroot.run(command))
    }

    /// Unpacks a batch of the plan's packages as one call of `dpkg --unpack` would. dpkg may have run since the last batch.
    pub(crate) fn batch(&mut self, chroot: &Sandbox, packages: &[usize]) -> Result<(), Error> {
        self.unpack(packages, &|command| chroot.run(command))
    }

    /// The packages that have disappeared, since others have replaced them completely: there is nothing left of them to be configured.
    pub(crate) fn disappeared(&self) -> &BTreeSet<usize> {
        &self.gone
    }

    /// Ends staging and removes its place.
    pub fn finish(self) -> Result<(), Error> {
        self.staging.finish()?;
        self.report.ended(Stage::Unpack);
        Ok(())
    }

    /// Waits for one of the plan's packages.
    fn take(&self, number: usize) -> Result<Staged, Error> {
        Ok(Staged {
            number,
            ..self.staging.take(self.slots[number])?
        })
    }

    /// Lays the first packages of the plan as tar would: top-level symlinks, directories, then files.
    fn lay(&mut self, packages: usize) -> Result<(), Error> {
        self.laid = (0..packages)
            .map(|number| self.take(number))
            .collect::<Result<_, _>>()?;
        self.staging.give_way();
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
            self.commit.lay(
                staged,
                (Laying::Essential, &no_directory),
                (&self.database, &self.staging),
                None,
            )?;
            end(&self.report, staged, from);
        }
        Ok(())
    }

    fn register(&mut self, run: Run<'_>) -> Result<(), Error> {
        self.database.prepare()?;
        for mut staged in std::mem::take(&mut self.laid) {
            let from = Instant::now();
            self.run_preinst(&staged, Laying::Essential, run)?;
            self.lay_again(&mut staged)?;
            self.commit.register(&staged, &mut self.database)?;
            self.commit.keep(&staged);
            self.database
                .status
                .push(&self.commit.stanza(&staged, Laying::Essential));
            span(&self.report, &staged, from);
        }
        for number in self.commit.unkept() {
            if let Some(by) = self.commit.claims.taker(number) {
                self.let_disappear(number, (by, None), run)?;
            }
        }
        Ok(self.database.status.write(self.root, None)?)
    }

    /// Lays again what dpkg, which unpacks after the preinst, would now lay elsewhere.
    fn lay_again(&mut self, staged: &mut Staged) -> Result<(), Error> {
        let (database, name) = (&self.database, staged.package.name.clone());
        if database.diversions.is_empty() {
            return Ok(());
        }
        let moved = |node: &Node| {
            database.diversions.place(&node.path, &name).is_some()
                && !node.left_out
                && !node.yielded
        };
        let files: Vec<u32> = staged
            .nodes
            .iter()
            .filter(|n| moved(n) && n.entry.kind == Kind::File)
            .map(|n| n.number)
            .collect();
        if !files.is_empty() {
            self.staging.again(staged, &files)?;
        }
        self.commit.lay(
            staged,
            (Laying::Essential, &moved),
            (database, &self.staging),
            None,
        )
    }

    fn unpack(&mut self, packages: &[usize], run: Run<'_>) -> Result<(), Error> {
        self.database.prepare()?;
        self.database.reread()?;
        self.commit.forget_removed(&self.database.status);
        self.commit.tree.forget_directories();
        let mut activations = Activations::listen(&self.database.interests, &self.database.status);
        for &number in packages {
            let mut staged = self.take(number)?;
            let from = begin(&self.report, &staged);
            self.commit.claims.enter(&staged);
            note_dpkg(&mut self.dpkg, &staged);
            self.run_preinst(&staged, Laying::Batch, run)?;
            let (place, all) = ((&self.database, &self.staging), |_: &Node| true);
            self.commit.lay(
                &mut staged,
                (Laying::Batch, &all),
                place,
                Some(&mut activations),
            )?;
            self.commit.register(&staged, &mut self.database)?;
            for threatened in self.commit.threatened(&staged) {
                let gone = self.let_disappear(threatened, (number, Some(&staged.stanza)), run)?;
                activations.directives(&gone, "-");
            }
            self.commit.keep(&staged);
            self.database
                .status
                .push(&self.commit.stanza(&staged, Laying::Batch));
            activations.directives(&staged.triggers, &staged.qualified);
            end(&self.report, &staged, from);
        }
        activations.write(self.root)?;
        Ok(self.database.status.write(self.root, None)?)
    }

    /// Runs a package's preinst, where it has one that matters, with everything before it on disk and in the database.
    fn run_preinst(&mut self, staged: &Staged, laying: Laying, run: Run<'_>) -> Result<(), Error> {
        if !script::has_to_run(staged, self.preinsts) {
            return Ok(());
        }
        self.ask_forces(laying, &staged.package.name, run)?;
        self.database.status.write(
            self.root,
            Some(&dpkg::half_installed_stanza(&staged.stanza)),
        )?;
        script::run_preinst(
            self.root,
            staged,
            &self.surroundings(&staged.package.name, laying),
            run,
        )?;
        self.commit.tree.forget_directories();
        Ok(self.database.reread_after_script()?)
    }

    /// Lets a package disappear in favour of another, whose stanza is given while it is being unpacked, if nothing keeps it. Gives what its
    /// going activates.
    fn let_disappear(
        &mut self,
        number: usize,
        (by, stanza): (usize, Option<&str>),
        run: Run<'_>,
    ) -> Result<Vec<Directive>, Error> {
        if !self.commit.disappears(number, by, &self.database)? {
            return Ok(Vec::new());
        }
        let laying = if stanza.is_some() {
            Laying::Batch
        } else {
            Laying::Essential
        };
        self.ask_forces(
            laying,
            &self.commit.claims.of(number).package.name.clone(),
            run,
        )?;
        let (gone, other) = (self.commit.claims.of(number), self.commit.claims.of(by));
        self.report.detail(format!(
            "{} disappears, which {} has replaced completely",
            gone.qualified, other.qualified
        ));
        self.database.status.write(
            self.root,
            stanza.map(dpkg::half_installed_stanza).as_deref(),
        )?;
        let surroundings = self.surroundings(&gone.package.name, laying);
        script::run_postrm(
            self.root,
            (&gone.package, &gone.qualified),
            (&other.qualified, &other.package),
            &surroundings,
            run,
        )?;
        self.commit.tree.forget_directories();
        self.database.reread_after_script()?;
        self.gone.insert(number);
        self.commit.let_go(number, &mut self.database)
    }

    fn surroundings(&self, package: &str, laying: Laying) -> Surroundings<'_> {
        let forces = self.forces[laying as usize]
            .as_ref()
            .and_then(|told| told.as_deref());
        let instances = self.commit.claims.instances(package);
        Surroundings {
            epoch: self.epoch,
            dpkg: self.dpkg.as_deref(),
            forces,
            instances,
        }
    }

    /// Asks the tree's dpkg, once, what it tells a package's scripts of its force options. Nothing while there is no dpkg.
    fn ask_forces(&mut self, laying: Laying, package: &str, run: Run<'_>) -> Result<(), Error> {
        // The call that installs the essentials has an option more.
        let options: &[&str] = match laying {
            Laying::Essential => &["--force-depends"],
            Laying::Batch => &[],
        };
        let slot = &mut self.forces[laying as usize];
        if slot.is_none() && self.dpkg.is_some() {
            let asked = script::forces(options, self.epoch, run);
            *slot = Some(asked.map_err(|source| Error::Box {
                package: package.into(),
                script: "preinst",
                source,
            })?);
        }
        Ok(())
    }

    /// base-passwd's lists of users and groups, out of what is staged.
    fn masters(&self) -> Result<Masters, Error> {
        let read = |path: &'static str| {
            let path = RootPath::known(path);
            let found = self
                .laid
                .iter()
                .find_map(|s| Some((s, s.nodes.iter().find(|n| n.path == path && n.is_staged())?)));
            let Some((staged, node)) = found else {
                return Ok(Vec::new());
            };
            let mut content = Vec::new();
            let file = self
                .staging
                .place()
                .file(staged.slot, node.number)
                .map_err(io::Error::from);
            let read = file.and_then(|file| file.take(MASTER_LIMIT).read_to_end(&mut content));
            read.map(|_| content)
                .map_err(|e| Error::staging(&staged.package.name, e))
        };
        Ok(Masters {
            passwd: read("usr/share/base-passwd/passwd.master")?,
            group: read("usr/share/base-passwd/group.master")?,
        })
    }
}

/// Remembers the version of dpkg: the upstream part of its number, as dpkg itself reports it.
fn note_dpkg(version: &mut Option<String>, staged: &Staged) {
    if staged.package.name == "dpkg" {
        let whole = staged.package.version.without_epoch();
        let end = whole
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(whole.len());
        *version = Some(whole[..end].to_owned());
    }
}

/// Tells that a package is being laid, and notes when that began.
fn begin(report: &Report, staged: &Staged) -> Instant {
    report.send(Event::Working {
        stage: Stage::Unpack,
        item: staged.package.name.clone(),
    });
    Instant::now()
}

/// Tells how long a step of a package's unpacking took.
fn span(report: &Report, staged: &Staged, from: Instant) {
    report.send(Event::Span {
        stage: Stage::Unpack,
        item: staged.package.name.clone(),
        from,
        to: Instant::now(),
    });
}

/// Tells that a package has been laid.
fn end(report: &Report, staged: &Staged, from: Instant) {
    span(report, staged, from);
    report.advanced(Stage::Unpack, 1);
}

#[cfg(test)]
mod tests;
