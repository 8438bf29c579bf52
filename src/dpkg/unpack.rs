//! Unpacks packages as dpkg does: placed, registered, their preinsts run, in one order.
//!
//! Three methods: the essential packages are placed together before any script runs, since scripts
//! need them; all others are unpacked one after another, as by `dpkg --unpack`; the variant extract
//! places files and registers nothing. Which package comes when is the steps' business; staged
//! packages come from `staging`.

mod error;
mod recorded;

use std::io;
use std::time::Instant;

use crate::bounded;
use crate::formats::deb::Kind;
use crate::formats::package_key::PackageKey;
use crate::interrupt::Interrupt;
use crate::report::{Event, Report, Stage};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::ledger::Replacement;
use super::maintainer_scripts::Scripts;
use super::place::{EntryFilter, PlacedFiles, Placer, Replaced, is_diverted};
use super::register::register;
use super::staging::{Staged, StagedPackages};
use super::state::State;
use super::status::half_installed_stanza;
use super::triggers::{Activations, Directive, parse_triggers};
use super::{InfoDirectory, Masters, Users};
pub(crate) use error::Error;

/// The limit for base-passwd's lists of users and groups, in bytes. They have some 2,000.
const MASTER_LIMIT: u64 = 1 << 20;

/// How packages are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Files only: no script runs, and dpkg's database stays empty.
    Extract,
    /// As [`Method::Extract`], with an entry for each package in status.d, where scanners find it.
    Recorded,
    /// As [`Method::Recorded`], but of the files only the locales and the copyright.
    Locales,
    /// All are placed before the first script runs, conffiles at their own paths; then each is
    /// registered, its preinst run before. As mmdebstrap does it with tar and with
    /// `dpkg --force-depends`.
    Together,
    /// Each is unpacked and registered before the next, as by `dpkg --unpack`.
    InTurn,
}

/// Where packages come from and go to.
#[derive(Clone, Copy)]
pub(crate) struct Unpacking<'a> {
    pub(crate) root: &'a Rootfs,
    pub(crate) staging: &'a StagedPackages,
    pub(crate) report: &'a Report,
    pub(crate) interrupt: &'a Interrupt,
    /// Whether packages that are placed together get a merged /usr.
    pub(crate) merges_usr: bool,
    /// Remembers the files that are placed; None if no snapshot will be kept.
    pub(crate) placed: Option<&'a PlacedFiles>,
}

/// Packages that are placed together and wait to be registered.
pub(crate) struct Placed {
    packages: Vec<Staged>,
    replaced: Vec<Replaced>,
    masters: Masters,
}

/// Places packages and registers none.
pub(crate) fn extract(
    unpacking: Unpacking<'_>,
    packages: &[PackageKey],
    method: Method,
    state: &State,
) -> Result<(), Error> {
    // What they claim goes nowhere: the tree's database stays as it is.
    let mut claims = state.clone();
    let placed = place_together(unpacking, packages, method, &mut claims)?;
    if method != Method::Extract {
        for staged in &placed.packages {
            recorded::record(unpacking.root, staged)?;
        }
    }
    Ok(())
}

/// Places packages as tar would: top-level symlinks, directories, then everything else.
pub(crate) fn place_together(
    unpacking: Unpacking<'_>,
    packages: &[PackageKey],
    method: Method,
    state: &mut State,
) -> Result<Placed, Error> {
    let Unpacking {
        root,
        staging,
        report,
        interrupt: _,
        merges_usr: _,
        placed: _,
    } = unpacking;
    let mut all = Vec::new();
    for key in packages {
        let mut staged = staging.take(key)?;
        if method == Method::Locales {
            recorded::leave_out_all_but_locales(&mut staged);
        }
        all.push(staged);
    }
    staging.give_way();
    let masters = masters(&all, staging)?;
    state.users = Users::read(root, &masters)?;
    let mut placer = Placer::new(unpacking, Method::Together);
    placer.place_directories(&all, state)?;
    let mut replaced = Vec::new();
    for staged in &mut all {
        let from = begin(report, staged);
        enter(staged, state);
        let selection = EntryFilter::ExceptDirectories;
        replaced.extend(placer.place(staged, selection, state, None)?);
        end(report, staged, from);
    }
    Ok(Placed {
        packages: all,
        replaced,
        masters,
    })
}

/// Runs the preinsts of placed packages and registers them, each seeing the database as dpkg would
/// show it at that moment.
pub(crate) fn register_together(
    unpacking: Unpacking<'_>,
    placed: Placed,
    state: &mut State,
    scripts: &mut Scripts<'_>,
) -> Result<(), Error> {
    State::prepare(unpacking.root)?;
    let replaced = placed.replaced;
    let mut flow = Flow::new(unpacking, Method::Together, placed.masters);
    for mut staged in placed.packages {
        let from = Instant::now();
        flow.run_preinst(&staged, state, scripts)?;
        let replaced = flow.place_diverted(&mut staged, state)?;
        let registered = register(flow.root, &staged, &replaced, state)?;
        registered.add_stanza(&staged, Method::Together, state);
        span(flow.report, &staged, from);
    }
    for gone in state.ledger.without_own_paths() {
        let taken = replaced.iter().find(|replaced| replaced.loser == gone);
        let by = taken.and_then(|taken| state.ledger.owner(&taken.path).cloned());
        if let Some(by) = by {
            flow.let_disappear(&Replacement { gone, by }, None, state, scripts)?;
        }
    }
    state.status.write(flow.root, None)?;
    Ok(state.reread_settings(flow.root)?)
}

/// Unpacks packages as one call of `dpkg --unpack` does.
pub(crate) fn unpack_in_turn(
    unpacking: Unpacking<'_>,
    packages: &[PackageKey],
    state: &mut State,
    scripts: &mut Scripts<'_>,
) -> Result<(), Error> {
    State::prepare(unpacking.root)?;
    unpacking.staging.give_way();
    let mut flow = Flow::new(unpacking, Method::InTurn, Masters::default());
    let mut activations = Activations::listen(&state.interests, &state.status);
    for key in packages {
        let mut staged = unpacking.staging.take(key)?;
        let from = begin(flow.report, &staged);
        flow.unpack(&mut staged, state, scripts, &mut activations)?;
        end(flow.report, &staged, from);
    }
    activations.write(flow.root)?;
    state.status.write(flow.root, None)?;
    Ok(state.reread_settings(flow.root)?)
}

/// One step's unpacking.
struct Flow<'a> {
    root: &'a Rootfs,
    staging: &'a StagedPackages,
    report: &'a Report,
    method: Method,
    placer: Placer<'a>,
    /// Users and groups while the tree has no /etc/passwd or /etc/group.
    masters: Masters,
}

impl<'a> Flow<'a> {
    fn new(unpacking: Unpacking<'a>, method: Method, masters: Masters) -> Flow<'a> {
        let Unpacking {
            root,
            staging,
            report,
            interrupt: _,
            merges_usr: _,
            placed: _,
        } = unpacking;
        Flow {
            root,
            staging,
            report,
            method,
            placer: Placer::new(unpacking, method),
            masters,
        }
    }

    fn unpack(
        &mut self,
        staged: &mut Staged,
        state: &mut State,
        scripts: &mut Scripts<'_>,
        activations: &mut Activations,
    ) -> Result<(), Error> {
        enter(staged, state);
        self.run_preinst(staged, state, scripts)?;
        let replaced = self
            .placer
            .place(staged, EntryFilter::All, state, Some(activations))?;
        let registered = register(self.root, staged, &replaced, state)?;
        for gone in state.ledger.without_own_paths() {
            if gone == staged.key {
                continue;
            }
            let by = staged.key.clone();
            let replacement = Replacement { gone, by };
            let triggers = self.let_disappear(&replacement, Some(staged), state, scripts)?;
            activations.directives(&triggers, "-");
        }
        registered.add_stanza(staged, self.method, state);
        activations.directives(&staged.triggers, &staged.qualified);
        Ok(())
    }

    /// Runs a package's preinst, where it has one that matters, with everything before it on disk
    /// and in the database.
    fn run_preinst(
        &mut self,
        staged: &Staged,
        state: &mut State,
        scripts: &mut Scripts<'_>,
    ) -> Result<(), Error> {
        if !scripts.has_to_run(staged) {
            return Ok(());
        }
        scripts.ask_forces(self.method, &staged.package.name, &state.ledger)?;
        let stanza = half_installed_stanza(&staged.stanza);
        state.status.write(self.root, Some(&stanza))?;
        scripts.run_preinst(staged, self.method, &state.ledger)?;
        self.heed_script(state)
    }

    /// Places again what dpkg, which unpacks after the preinst, would place elsewhere by now.
    /// Returns the paths that the package has taken over by that.
    fn place_diverted(
        &mut self,
        staged: &mut Staged,
        state: &mut State,
    ) -> Result<Vec<Replaced>, Error> {
        if state.diversions.is_empty() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for node in &staged.nodes {
            if node.is_staged() && is_diverted(node, staged, &state.diversions) {
                files.push(node.number);
            }
        }
        if !files.is_empty() {
            self.staging.stage_again(staged, &files)?;
        }
        let selection = EntryFilter::Diverted;
        self.placer.place(staged, selection, state, None)
    }

    /// Lets a package disappear, if nothing keeps it; `staged` is the package in whose favour,
    /// while that is being unpacked. Returns the trigger directives of the one that disappeared.
    fn let_disappear(
        &mut self,
        replacement: &Replacement,
        staged: Option<&Staged>,
        state: &mut State,
        scripts: &mut Scripts<'_>,
    ) -> Result<Vec<Directive>, Error> {
        let ledger = &state.ledger;
        if !ledger.disappears(replacement, &state.diversions, &state.status) {
            return Ok(Vec::new());
        }
        let Replacement { gone, by } = replacement;
        scripts.ask_forces(self.method, gone.name(), ledger)?;
        let qualified = ledger.qualified(gone).to_owned();
        let other = ledger.qualified(by);
        self.report.detail(format!(
            "{qualified} disappears: {other} has replaced all of it"
        ));
        let stanza = staged.map(|staged| half_installed_stanza(&staged.stanza));
        state.status.write(self.root, stanza.as_deref())?;
        scripts.run_postrm(gone, by, self.method, ledger)?;
        let info = InfoDirectory::open(self.root)?;
        let triggers = info.member(&qualified, "triggers")?.unwrap_or_default();
        let triggers = parse_triggers(gone.name(), &triggers)?;
        info.remove(&qualified)?;
        state.status.remove(&qualified);
        state.ledger.remove(gone);
        self.heed_script(state)?;
        Ok(triggers)
    }

    /// Reads again what a script may have changed.
    fn heed_script(&mut self, state: &mut State) -> Result<(), Error> {
        self.placer.forget_directories();
        Ok(state.reread_after_script(self.root, &self.masters)?)
    }
}

/// Enters a package and its directories into the ledger. All other paths are claimed when they are
/// placed.
fn enter(staged: &Staged, state: &mut State) {
    state.ledger.enter(&staged.key, &staged.package);
    for node in &staged.nodes {
        if node.entry.kind == Kind::Directory {
            state.ledger.add(&node.path, &staged.key);
        }
    }
}

/// base-passwd's lists of users and groups, out of what is staged.
fn masters(all: &[Staged], staging: &StagedPackages) -> Result<Masters, Error> {
    Ok(Masters {
        passwd: staged_file(all, staging, "usr/share/base-passwd/passwd.master")?,
        group: staged_file(all, staging, "usr/share/base-passwd/group.master")?,
    })
}

/// The content of a staged file, empty where no package ships it.
fn staged_file(
    all: &[Staged],
    staging: &StagedPackages,
    path: &'static str,
) -> Result<Vec<u8>, Error> {
    let path = RootPath::known(path);
    for staged in all {
        for node in &staged.nodes {
            if node.path != path || !node.is_staged() {
                continue;
            }
            let file = staging.directory().content(staged, node.number);
            let content = file.map_err(io::Error::from).and_then(|file| {
                let content = bounded::read(file, MASTER_LIMIT)?;
                content.ok_or(io::ErrorKind::FileTooLarge.into())
            });
            return content.map_err(|e| Error::staging(&staged.package.name, e));
        }
    }
    Ok(Vec::new())
}

/// Reports that a package is being unpacked. Returns the time.
fn begin(report: &Report, staged: &Staged) -> Instant {
    report.send(Event::Working {
        stage: Stage::Unpack,
        item: staged.package.name.clone(),
    });
    Instant::now()
}

/// Reports how long a part of a package's unpacking took.
fn span(report: &Report, staged: &Staged, from: Instant) {
    report.send(Event::Span {
        stage: Stage::Unpack,
        item: staged.package.name.clone(),
        from,
        to: Instant::now(),
    });
}

/// Reports that a package is unpacked.
fn end(report: &Report, staged: &Staged, from: Instant) {
    span(report, staged, from);
    report.advanced(Stage::Unpack, 1);
}
