//! Registers a placed package in dpkg's database: its files of info/, its interests in triggers,
//! its stanza, and what changes for packages whose paths it has taken over.
//!
//! Conffiles: their digests pass from one package to another, and those that a package no longer
//! wants are moved aside. Moving a new conffile to its path is left to the tree's own dpkg.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::formats::deb::Kind;
use crate::formats::package_key::PackageKey;
use crate::tree::rootfs::{RootPath, Rootfs};

use super::place::{Replaced, followed};
use super::staging::{Node, Staged};
use super::state::State;
use super::status::unpacked_stanza;
use super::unpack::{Error, Method};
use super::{Conffile, ConffileState, Diversions, InfoDirectory, InfoFiles, Ledger, md5sums};

/// A package that is registered but for its stanza, which comes last.
pub(crate) struct Registered {
    /// What the database says of the conffiles that the package has from others.
    inherited: HashMap<RootPath, String>,
}

/// The paths that packages have lost.
type Lost<'r> = BTreeMap<&'r PackageKey, HashSet<&'r RootPath>>;

/// Registers a package. `replaced` are the paths that it has taken over.
pub(crate) fn register(
    root: &Rootfs,
    staged: &Staged,
    replaced: &[Replaced],
    state: &mut State,
) -> Result<Registered, Error> {
    let info = InfoDirectory::open(root)?;
    let has_md5sums = staged.members.iter().any(|m| m.name == "md5sums");
    let digests = (!has_md5sums).then(|| digests(staged));
    info.write(&InfoFiles {
        qualified: &staged.qualified,
        members: &staged.members,
        list: &list(staged, &state.ledger),
        md5sums: digests.as_deref(),
    })?;
    let mut lost = Lost::new();
    for Replaced { path, loser } in replaced {
        lost.entry(loser).or_default().insert(path);
    }
    let inherited = inherited_digests(staged, &lost, state);
    take_from_losers(&info, staged, &lost, state)?;
    take_from_removed(&info, staged, state)?;
    remove_unwanted(root, staged, &state.diversions, &state.ledger)?;
    let interests = &mut state.interests;
    interests.register(root, &staged.qualified, &staged.triggers)?;
    Ok(Registered { inherited })
}

impl Registered {
    /// Adds the package's stanza to status, in memory.
    pub(crate) fn add_stanza(self, staged: &Staged, method: Method, state: &mut State) {
        let mut conffiles = Vec::new();
        for conffile in &staged.conffiles {
            let conffile_state = self.conffile_state(conffile, staged, method);
            conffiles.push((conffile.clone(), conffile_state));
        }
        let stanza = unpacked_stanza(&staged.stanza, &conffiles);
        state.status.push(&stanza);
    }

    fn conffile_state(
        &self,
        conffile: &Conffile,
        staged: &Staged,
        method: Method,
    ) -> ConffileState {
        let node = staged.nodes.iter().find(|n| n.path == conffile.path);
        let inherited = self.inherited.get(&conffile.path).cloned();
        if node.is_some_and(|node| node.yielded) {
            return ConffileState::Yielded(inherited);
        }
        let is_in_place = method != Method::InTurn && !conffile.removed;
        let own = node.and_then(|node| node.md5.clone());
        let own = own.filter(|_| is_in_place);
        own.or(inherited)
            .map_or(ConffileState::New, ConffileState::InPlace)
    }
}

/// Takes the paths that a package has taken over from the lists of their former owners, and marks
/// the conffiles among them as obsolete there.
fn take_from_losers(
    info: &InfoDirectory<'_>,
    staged: &Staged,
    lost: &Lost<'_>,
    state: &mut State,
) -> Result<(), Error> {
    for (loser, paths) in lost {
        let qualified = state.ledger.qualified(loser).to_owned();
        let is_lost = |line: &[u8]| RootPath::parse(line).is_ok_and(|path| paths.contains(&path));
        info.forget(&qualified, &is_lost)?;
        for conffile in &staged.conffiles {
            if paths.contains(&conffile.path) {
                state.status.mark_obsolete(&qualified, &conffile.path);
            }
        }
    }
    Ok(())
}

/// Takes a package's conffiles from the packages that were removed but for theirs.
fn take_from_removed(
    info: &InfoDirectory<'_>,
    staged: &Staged,
    state: &mut State,
) -> Result<(), Error> {
    if staged.conffiles.is_empty() {
        return Ok(());
    }
    let is_taken = |line: &[u8]| {
        let path = RootPath::parse(line);
        path.is_ok_and(|path| staged.conffiles.get(&path).is_some())
    };
    let removed: Vec<String> = state
        .status
        .removed()
        .into_iter()
        .map(str::to_owned)
        .collect();
    for other in removed {
        info.forget(&other, &is_taken)?;
        for conffile in &staged.conffiles {
            state.status.mark_obsolete(&other, &conffile.path);
        }
    }
    Ok(())
}

/// What the database says of a package's conffiles that other packages have, or had: their digests
/// pass to this one.
fn inherited_digests(staged: &Staged, lost: &Lost<'_>, state: &State) -> HashMap<RootPath, String> {
    let ledger = &state.ledger;
    let mut inherited = HashMap::new();
    for Conffile { path, .. } in &staged.conffiles {
        let mut owners: Vec<&str> = Vec::new();
        for other in ledger.others(path, &staged.key) {
            owners.push(ledger.qualified(other));
        }
        for (loser, paths) in lost {
            if paths.contains(path) {
                owners.push(ledger.qualified(loser));
            }
        }
        owners.extend(state.status.removed());
        for qualified in owners {
            if let Some(digest) = state.status.conffile_digest(qualified, path) {
                inherited.insert(path.clone(), digest);
            }
        }
    }
    inherited
}

/// Moves aside the conffiles that a package no longer ships and wants removed, where they exist and
/// no other package has them.
fn remove_unwanted(
    root: &Rootfs,
    staged: &Staged,
    diversions: &Diversions,
    ledger: &Ledger,
) -> Result<(), Error> {
    let name = &staged.package.name;
    let tree = |e| Error::tree(name, e);
    for conffile in &staged.conffiles {
        if !conffile.removed || ledger.owner(&conffile.path).is_some() {
            continue;
        }
        let place = diversions.place(&conffile.path, name);
        let place = followed(root, place.unwrap_or(&conffile.path)).map_err(tree)?;
        root.remove(&place.with_suffix(".dpkg-dist"))
            .map_err(tree)?;
        if root.exists(&place).map_err(tree)? {
            let aside = place.with_suffix(".dpkg-old");
            root.rename(&place, &aside).map_err(tree)?;
        }
    }
    Ok(())
}

/// The package's list: every path once, absolute, the root as `/.`.
fn list(staged: &Staged, ledger: &Ledger) -> Vec<u8> {
    let mut list = Vec::new();
    let mut seen = HashSet::new();
    for node in &staged.nodes {
        let is_listed = !node.yielded && ledger.lists(&staged.key, &node.path);
        if !is_listed || !seen.insert(&node.path) {
            continue;
        }
        let path = match node.path.is_root() {
            true => b".",
            false => node.path.as_bytes(),
        };
        list.push(b'/');
        list.extend_from_slice(path);
        list.push(b'\n');
    }
    list
}

/// The digests of the package's files; a hard link has its target's.
pub(super) fn digests(staged: &Staged) -> Vec<u8> {
    let mut files: HashMap<&RootPath, &str> = HashMap::new();
    for node in &staged.nodes {
        if let Some(md5) = &node.md5 {
            files.insert(&node.path, md5);
        }
    }
    let mut lines = Vec::new();
    for node in &staged.nodes {
        if let Some(digest) = digest_of(node, &files)
            && !node.yielded
        {
            lines.push((digest, &node.path));
        }
    }
    md5sums(lines.into_iter())
}

fn digest_of<'f>(node: &Node, files: &HashMap<&RootPath, &'f str>) -> Option<&'f str> {
    match node.entry.kind {
        Kind::File => files.get(&node.path).copied(),
        Kind::HardLink => {
            let target = node.link_target("").ok()?;
            files.get(&target).copied()
        }
        Kind::Directory | Kind::Symlink | Kind::Character | Kind::Block | Kind::Fifo => None,
    }
}
