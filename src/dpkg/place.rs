//! Placing a staged package: dpkg's decisions, one entry after another, and the entries moved to
//! their paths in the tree.
//!
//! One thread does this, in the order of the steps, so the result does not depend on how many
//! threads have staged. Which package owns a path is decided by `ledger`; the system calls are in
//! `files`; dpkg's lists and stanzas are left to `register`.

mod compare;
mod content;
mod contradiction;
mod directories;
mod entry;
mod files;
mod merged_usr;
mod placed_files;

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;

use crate::formats::deb::Kind;
use crate::formats::package_key::PackageKey;
use crate::interrupt::Interrupt;
use crate::tree::rootfs::{RootPath, Rootfs};

use super::ledger::Claim;
use super::staging::{Node, Staged, StagedPackages};
use super::state::State;
use super::triggers::Activations;
use super::unpack::{Error, Method, Unpacking};
use contradiction::entry_error;
pub(crate) use entry::{EntryFilter, is_diverted};
use entry::{Round, attributes, place_of};
use files::Files;
pub(crate) use files::followed;
pub(crate) use placed_files::{NamedFile, PlacedFiles, StagedOrigin};

/// Places the packages of one step.
pub(crate) struct Placer<'a> {
    root: &'a Rootfs,
    staging: &'a StagedPackages,
    interrupt: &'a Interrupt,
    method: Method,
    files: Files<'a>,
    merges_usr: bool,
    /// None if no snapshot will be kept.
    placed: Option<&'a PlacedFiles>,
}

/// A path that a package has taken over from another, which it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) path: RootPath,
    /// The package that no longer lists the path.
    pub(crate) loser: PackageKey,
}

/// Where an entry has gone.
struct Spot {
    place: RootPath,
    /// The entry's position in the archive.
    number: u32,
}

/// One package while it is placed.
struct Placement<'p> {
    staged: &'p Staged,
    /// Its directory in the staging directory.
    directory: OwnedFd,
    /// Where entries have gone, for hard links to find them; empty when there are none.
    placed: HashMap<RootPath, Spot>,
    has_hard_links: bool,
    has_left_out: bool,
    /// The entries, by their position in the list, that yield to another package's.
    yielded: Vec<usize>,
    replaced: Vec<Replaced>,
}

/// What happens to an entry.
enum EntryOutcome {
    /// It is placed there.
    Place(RootPath),
    /// What is there is the same and stays as it is.
    Kept(RootPath),
    /// It yields to another package's.
    Yielded,
}

impl<'a> Placer<'a> {
    pub(crate) fn new(unpacking: Unpacking<'a>, method: Method) -> Placer<'a> {
        Placer {
            root: unpacking.root,
            staging: unpacking.staging,
            interrupt: unpacking.interrupt,
            method,
            files: Files::new(unpacking.root),
            merges_usr: unpacking.merges_usr,
            placed: unpacking.placed,
        }
    }

    /// Fails once a stop is requested.
    fn check_interrupt(&self) -> Result<(), Error> {
        match self.interrupt.cause() {
            Some(_) => Err(Error::Stopped),
            None => Ok(()),
        }
    }

    /// Forgets the directories that are held open: a script may have replaced them.
    pub(crate) fn forget_directories(&mut self) {
        self.files.forget_directories();
    }

    /// Places the selected entries of a package. Returns the paths that it has taken over.
    pub(crate) fn place(
        &mut self,
        staged: &mut Staged,
        selection: EntryFilter,
        state: &mut State,
        mut activations: Option<&mut Activations>,
    ) -> Result<Vec<Replaced>, Error> {
        let mut placement = self.placement(staged)?;
        for round in [Round::Plain, Round::HardLinks, Round::Symlinks] {
            for (at, node) in staged.nodes.iter().enumerate() {
                if Round::of(node) != Some(round)
                    || !selection.includes(node, staged, &state.diversions)
                {
                    continue;
                }
                self.check_interrupt()?;
                if let Some(activations) = activations.as_deref_mut() {
                    let place = place_of(node, staged, &state.diversions);
                    activations.path(place, &staged.qualified);
                }
                match self.destination(&mut placement, node, state)? {
                    EntryOutcome::Place(_) if node.left_out => {}
                    EntryOutcome::Place(place) => {
                        self.place_entry(&mut placement, node, place, state)?;
                    }
                    EntryOutcome::Kept(place) => {
                        placement.remember(node, place);
                    }
                    EntryOutcome::Yielded => placement.yielded.push(at),
                }
            }
        }
        let Placement {
            yielded, replaced, ..
        } = placement;
        for at in yielded {
            staged.nodes[at].yielded = true;
        }
        Ok(replaced)
    }

    fn placement<'p>(&self, staged: &'p Staged) -> Result<Placement<'p>, Error> {
        let directory = self.staging.directory().package(staged);
        let mut has_hard_links = false;
        let mut has_left_out = false;
        for node in &staged.nodes {
            has_hard_links |= node.entry.kind == Kind::HardLink;
            has_left_out |= node.left_out;
        }
        Ok(Placement {
            staged,
            directory: directory.map_err(|e| Error::staging(&staged.package.name, e))?,
            placed: HashMap::new(),
            has_hard_links,
            has_left_out,
            yielded: Vec::new(),
            replaced: Vec::new(),
        })
    }

    /// Decides where an entry goes.
    fn destination(
        &self,
        placement: &mut Placement<'_>,
        node: &Node,
        state: &mut State,
    ) -> Result<EntryOutcome, Error> {
        let staged = placement.staged;
        let place = place_of(node, staged, &state.diversions).clone();
        if node.entry.kind == Kind::Directory {
            // dpkg-divert is not made for directories, but base-files of noble diverts /bin, and
            // dpkg heeds it.
            return Ok(EntryOutcome::Place(place));
        }
        if let Some(from) = state.diversions.source_of(&node.path) {
            return Err(Error::Diverted {
                path: node.path.clone(),
                package: staged.package.name.clone(),
                from: from.clone(),
            });
        }
        let is_contested = state
            .ledger
            .others(&node.path, &staged.key)
            .next()
            .is_some();
        if is_contested && self.is_directory_there(placement, node, &place)? {
            state.ledger.add(&node.path, &staged.key);
            return Ok(EntryOutcome::Kept(place));
        }
        self.claim(placement, node, place, state)
    }

    /// Claims the path of an entry that is no directory, and decides where it goes if it is
    /// granted.
    fn claim(
        &self,
        placement: &mut Placement<'_>,
        node: &Node,
        place: RootPath,
        state: &mut State,
    ) -> Result<EntryOutcome, Error> {
        let staged = placement.staged;
        let name = &staged.package.name;
        let claim = state
            .ledger
            .claim(&node.path, &staged.key, &state.diversions);
        let claim = claim.map_err(|conflict| Error::Overwrite {
            path: node.path.clone(),
            package: name.clone(),
            other: format!("{} ({})", conflict.with.name(), conflict.with.version()),
        })?;
        let conffile = staged.conffiles.get(&node.path);
        let is_conffile = conffile.is_some_and(|conffile| !conffile.removed);
        let waits = is_conffile && self.method == Method::InTurn;
        let place = if waits {
            place.with_suffix(".dpkg-new")
        } else {
            place
        };
        match claim {
            Claim::Granted => Ok(EntryOutcome::Place(place)),
            Claim::Yielded => Ok(EntryOutcome::Yielded),
            Claim::TakenOver(losers) => {
                if !is_conffile {
                    // What it takes over may be a conffile that waits to be configured.
                    let waiting = place.with_suffix(".dpkg-new");
                    self.root
                        .remove(&waiting)
                        .map_err(|e| Error::tree(name, e))?;
                }
                for loser in losers {
                    placement.replaced.push(Replaced {
                        path: node.path.clone(),
                        loser,
                    });
                }
                Ok(EntryOutcome::Place(place))
            }
            Claim::Shared { .. } if node.left_out => Ok(EntryOutcome::Place(place)),
            Claim::Shared { with } => {
                if !self.is_same(placement, node, &place)? {
                    return Err(Error::Different {
                        path: node.path.clone(),
                        package: name.clone(),
                        other: state.ledger.qualified(&with).to_owned(),
                    });
                }
                let exists = self.root.exists(&place);
                let exists = exists.map_err(|e| Error::tree(name, e))?;
                Ok(share(place, exists && !is_conffile))
            }
        }
    }

    fn place_entry(
        &mut self,
        placement: &mut Placement<'_>,
        node: &Node,
        place: RootPath,
        state: &State,
    ) -> Result<(), Error> {
        let attributes = attributes(node, state);
        let entry = &node.entry;
        let staged = placement.staged;
        match entry.kind {
            Kind::Directory => self.place_directory(placement, node, &place, state)?,
            Kind::File => self.place_file(placement, node, attributes, &place)?,
            Kind::HardLink => self.place_hard_link(placement, node, &place, state)?,
            Kind::Symlink => {
                let made = self.files.symlink(&entry.target, &place, attributes);
                made.map_err(|e| entry_error(staged, node, e))?;
            }
            Kind::Character | Kind::Block | Kind::Fifo => {
                let kind = match entry.kind {
                    Kind::Character => FileType::CharacterDevice,
                    Kind::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let made = self.files.node(kind, entry.device, &place, attributes);
                made.map_err(|e| entry_error(staged, node, e))?;
            }
        }
        if placement.has_hard_links {
            placement.remember(node, place);
        }
        Ok(())
    }

    fn place_directory(
        &mut self,
        placement: &Placement<'_>,
        node: &Node,
        place: &RootPath,
        state: &State,
    ) -> Result<(), Error> {
        let staged = placement.staged;
        let Err(error) = self.files.directory(place, attributes(node, state)) else {
            return Ok(());
        };
        match state.ledger.others(place, &staged.key).next() {
            Some(other) => Err(Error::Overwrite {
                path: place.clone(),
                package: staged.package.name.clone(),
                other: other.name().to_owned(),
            }),
            None => Err(entry_error(staged, node, error)),
        }
    }
}

impl Placement<'_> {
    fn remember(&mut self, node: &Node, place: RootPath) {
        let number = node.number;
        let spot = self.placed.entry(node.path.clone());
        let spot = spot.or_insert(Spot {
            place: place.clone(),
            number,
        });
        spot.place = place;
    }
}

/// Where an entry goes that another architecture of the package has, too. What is there stays with
/// its time, as for dpkg.
fn share(place: RootPath, is_there: bool) -> EntryOutcome {
    match is_there {
        true => EntryOutcome::Kept(place),
        false => EntryOutcome::Place(place),
    }
}
