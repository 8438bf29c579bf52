//! The options of a tree that has what debootstrap's trees have, how far such a run goes, and how
//! the tree is closed.
//!
//! debootstrap installs the required packages, then fills dpkg's list of available packages, then
//! installs the others. When dpkg next reads that list, the required packages get the priorities and
//! sections of the index; the others keep those of their .debs.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::second_stage::finish_directory;
use crate::dpkg;
use crate::formats::fields::PackageFields;
use crate::formats::package::{Package, Priority};
use crate::formats::package_key::PackageKey;
use crate::formats::stanza;
use crate::plan::{Chosen, Plan};
use crate::tree::rootfs::{self, RootPath, Rootfs};

/// dpkg's list of available packages.
pub(super) const AVAILABLE: &str = "var/lib/dpkg/available";

/// A file that the tree gets from this host, unless it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFile {
    pub(crate) path: RootPath,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

impl HostFile {
    pub(super) fn write_if_missing(&self, root: &Rootfs) -> Result<(), rootfs::Error> {
        if !root.exists(&self.path)? {
            root.make_directories(&self.path.parent())?;
            root.write(&self.path, &self.content, self.mode)?;
        }
        Ok(())
    }
}

/// The options of a tree that has what debootstrap's trees have: nothing is tidied away, and the
/// .debs and their indexes stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DebootstrapOptions {
    /// Files that are written before any package, where the tree has none: the host's resolv.conf
    /// and hostname.
    pub(crate) files: Vec<HostFile>,
    /// Whether the .debs and indexes are all that is made.
    pub(crate) only_downloads: bool,
    /// Whether the downloads have the files of a second stage, for a tarball.
    pub(crate) saves_state: bool,
    /// Whether /debootstrap stays.
    pub(crate) keeps_directory: bool,
    /// Whether the .debs are in the tree already.
    pub(crate) has_debs: bool,
    pub(crate) required: RequiredPackages,
}

/// Which packages debootstrap installs first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequiredPackages {
    /// Those of the priority `required`, and their dependencies.
    #[default]
    OfPriority,
    /// The essential ones and mawk, and their dependencies.
    Essential,
    /// Those of these names.
    Named(BTreeSet<String>),
}

/// How a tree is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Whether /debootstrap stays.
    pub(super) keeps_directory: bool,
    /// The packages that debootstrap installs first.
    pub(super) required: Vec<PackageKey>,
}

impl Closing {
    pub(super) fn new(options: &DebootstrapOptions, plan: &Plan) -> Closing {
        Closing {
            keeps_directory: options.keeps_directory,
            required: options.required.of_plan(plan),
        }
    }

    /// Gives the required packages the priorities and sections of the list of available packages,
    /// and puts the log where it stays.
    pub(super) fn finish(&self, root: &Rootfs, state: &mut dpkg::State) -> Result<(), Error> {
        let available = root.read(&RootPath::known(AVAILABLE))?.unwrap_or_default();
        let available = String::from_utf8_lossy(&available);
        let mut is_changed = false;
        for stanza in stanza::stanzas(&available) {
            let key = Package::parse(stanza).ok().map(|package| package.key());
            if let Some(key) = key.filter(|key| self.required.contains(key)) {
                let qualified = state.ledger.qualified(&key).to_owned();
                state.status.classify(&qualified, stanza);
                is_changed = true;
            }
        }
        if is_changed {
            state.status.write(root, None)?;
        }
        Ok(finish_directory(root, self.keeps_directory)?)
    }
}

impl RequiredPackages {
    /// Those of a plan, in its order.
    fn of_plan(&self, plan: &Plan) -> Vec<PackageKey> {
        let mut by_name = BTreeMap::new();
        for chosen in plan.packages() {
            by_name
                .entry(chosen.package().name.as_str())
                .or_insert(chosen);
        }
        let mut pending = Vec::new();
        for chosen in plan.packages() {
            if self.names(chosen) {
                pending.push(chosen);
            }
        }
        let mut found = BTreeSet::new();
        while let Some(chosen) = pending.pop() {
            let package = chosen.package();
            if !found.insert(package.name.as_str()) || matches!(self, RequiredPackages::Named(_)) {
                continue;
            }
            for alternatives in package.pre_depends.iter().chain(&package.depends) {
                // debootstrap reads the first alternative only.
                let first = alternatives.first();
                pending.extend(first.and_then(|first| by_name.get(first.name.as_str())));
            }
        }
        let mut keys = Vec::new();
        for chosen in plan.packages() {
            if found.contains(chosen.package().name.as_str()) {
                keys.push(chosen.package().key());
            }
        }
        keys
    }

    /// Whether a package is required in itself, not as a dependency of another.
    fn names(&self, chosen: &Chosen) -> bool {
        let package = chosen.package();
        match self {
            RequiredPackages::OfPriority => {
                let fields = PackageFields::read(chosen.stanza());
                let priority = fields.and_then(|fields| fields.priority());
                priority == Some(Priority::Required)
            }
            RequiredPackages::Essential => {
                package.essential == Some(true) || package.name == "mawk"
            }
            RequiredPackages::Named(names) => names.contains(&package.name),
        }
    }
}
