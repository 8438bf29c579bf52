//! Derives from demands which packages must be installed and which cannot be, with reasons.
//!
//! A package that must be installed forces the last alternative that is left of each of its
//! dependencies. A package cannot be installed if a package that must be installed conflicts with
//! it, or if no alternative of one of its dependencies can be installed. If a dependency of a
//! package that must be installed has no alternative left, the reasons behind that are the
//! explanation. Both sides of a choice are never tried.

use hashbrown::{HashMap, HashSet};

use super::explanation::{self, conflict, need, shown};
use crate::plan::chain;
use crate::plan::demand::{Demand, is_pinned_away};
use crate::plan::dependency::{Dependency, hard_groups, may_coexist, negative};
use crate::plan::pool::{PackageId, Pool, VersionId};
use crate::plan::solve::Problem;

/// The reasons why demands cannot be met, in reading order; `None` if none can be derived.
pub(super) fn derive(problem: Problem<'_, '_, '_>) -> Option<Vec<String>> {
    let mut reasons = Reasons::new(problem);
    let reason = reasons.contradiction(problem)?;
    Some(explanation::lines(&reasons, &reason))
}

/// A conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    Must(PackageId),
    Cannot(PackageId),
}

/// A line of the explanation, and the facts on which it rests.
#[derive(Clone, Debug, Default)]
pub(super) struct Justification {
    pub(crate) line: Option<String>,
    pub(crate) because: Vec<Fact>,
}

impl Justification {
    fn new(line: String, because: Vec<Fact>) -> Justification {
        Justification {
            line: Some(line),
            because,
        }
    }

    /// A package must be installed and cannot be.
    fn contradiction(package: PackageId) -> Justification {
        Justification {
            line: None,
            because: vec![Fact::Must(package), Fact::Cannot(package)],
        }
    }
}

/// All conclusions.
pub(super) struct Reasons<'r, 'a> {
    pool: &'r Pool<'a>,
    candidates: &'r [Option<VersionId>],
    /// The versions that must be installed, in the order of the conclusions.
    must: Vec<VersionId>,
    must_because: HashMap<PackageId, Justification>,
    must_versions: HashSet<VersionId>,
    cannot: HashMap<PackageId, Justification>,
    /// The versions with which a version that must be installed conflicts.
    conflicting: HashMap<VersionId, Justification>,
    /// Packages that can be installed as far as is known.
    possible: HashSet<PackageId>,
    /// How many packages `is_impossible` is looking at.
    depth: usize,
}

impl<'r, 'a> Reasons<'r, 'a> {
    fn new(problem: Problem<'r, 'r, 'a>) -> Reasons<'r, 'a> {
        Reasons {
            pool: problem.pool,
            candidates: problem.candidates,
            must: Vec::new(),
            must_because: HashMap::new(),
            must_versions: HashSet::new(),
            cannot: HashMap::new(),
            conflicting: HashMap::new(),
            possible: HashSet::new(),
            depth: 0,
        }
    }

    /// The reason for a fact.
    pub(super) fn of(&self, fact: Fact) -> Option<&Justification> {
        match fact {
            Fact::Must(package) => self.must_because.get(&package),
            Fact::Cannot(package) => self.cannot.get(&package),
        }
    }

    fn candidate(&self, package: PackageId) -> Option<VersionId> {
        self.candidates[package.index()]
    }

    /// Draws conclusions until two contradict each other.
    fn contradiction(&mut self, problem: Problem<'_, '_, '_>) -> Option<Justification> {
        for version in problem.installed {
            let entry = self.pool[self.pool[*version].package];
            if entry.essential || entry.protected {
                let reason = self.require(*version, Justification::default());
                if reason.is_some() {
                    return reason;
                }
            }
        }
        for demand in problem.demands {
            if let Demand::Absent(package) = demand {
                self.cannot.insert(*package, Justification::default());
            }
        }
        for package in problem.demands.iter().filter_map(Demand::present) {
            if self.is_impossible(package) {
                return Some(Justification::contradiction(package));
            }
            if let Some(version) = self.candidate(package) {
                let reason = self.require(version, Justification::default());
                if reason.is_some() {
                    return reason;
                }
            }
        }
        self.follow_consequences()
    }

    fn follow_consequences(&mut self) -> Option<Justification> {
        let mut considered = 0;
        while considered != self.must.len() {
            considered = self.must.len();
            self.possible.clear();
            let mut number = 0;
            while number < self.must.len() {
                let reason = self.consequences(self.must[number]);
                if reason.is_some() {
                    return reason;
                }
                number += 1;
            }
        }
        None
    }

    /// Concludes that a version must be installed. Returns a reason if it cannot be.
    fn require(&mut self, version: VersionId, reason: Justification) -> Option<Justification> {
        if self.must_versions.contains(&version) {
            return None;
        }
        let owner = self.pool[version].package;
        let clash = self.clash(version);
        self.must_versions.insert(version);
        self.must.push(version);
        self.must_because.entry(owner).or_insert(reason);
        for dependency in negative(self.pool.dependencies(version)) {
            for target in dependency.targets(self.pool, version) {
                let line = conflict(self.pool, version, dependency, target);
                let reason = Justification::new(line, vec![Fact::Must(owner)]);
                self.conflicting.entry(target).or_insert(reason);
            }
        }
        self.cannot.insert(owner, clash?);
        Some(Justification::contradiction(owner))
    }

    /// Concludes what the dependencies of a version that must be installed force. Returns a reason
    /// if one of them cannot be met.
    fn consequences(&mut self, version: VersionId) -> Option<Justification> {
        let owner = self.pool[version].package;
        for group in hard_groups(self.pool.dependencies(version)) {
            let alternatives = self.alternatives(version, group);
            let mut because = vec![Fact::Must(owner)];
            let mut left = Vec::new();
            for target in &alternatives {
                let package = self.pool[*target].package;
                if self.is_impossible(package) {
                    because.push(Fact::Cannot(package));
                } else {
                    left.push(*target);
                }
            }
            match left[..] {
                [] => {
                    let line = self.unmet(version, group, alternatives.is_empty());
                    return Some(Justification::new(line, because));
                }
                [only] => {
                    let line = need(self.pool, version, group);
                    let reason = self.require(only, Justification::new(line, because));
                    if reason.is_some() {
                        return reason;
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The candidates that meet an or-group.
    fn alternatives(&self, owner: VersionId, group: &[Dependency<'a>]) -> Vec<VersionId> {
        let mut alternatives = Vec::new();
        let mut seen = HashSet::new();
        for dependency in group {
            for target in dependency.targets(self.pool, owner) {
                let is_candidate = self.candidate(self.pool[target].package) == Some(target);
                if is_candidate && seen.insert(target) {
                    alternatives.push(target);
                }
            }
        }
        alternatives
    }

    /// Whether a package is known not to be installable.
    fn is_impossible(&mut self, package: PackageId) -> bool {
        if self.cannot.contains_key(&package) {
            return true;
        }
        let Some(version) = self.candidate(package) else {
            return true;
        };
        if self.must_versions.contains(&version)
            || self.depth == chain::LIMIT
            || !self.possible.insert(package)
        {
            return false;
        }
        self.depth += 1;
        let obstacle = self.obstacle(version);
        self.depth -= 1;
        match obstacle {
            Some(reason) => {
                self.cannot.insert(package, reason);
                true
            }
            None => false,
        }
    }

    /// Why a version cannot be installed.
    fn obstacle(&mut self, version: VersionId) -> Option<Justification> {
        let pool = self.pool;
        let clash = self.clash(version);
        if clash.is_some() {
            return clash;
        }
        for group in hard_groups(pool.dependencies(version)) {
            let alternatives = self.alternatives(version, group);
            let mut because = Vec::new();
            for target in &alternatives {
                let package = pool[*target].package;
                if !self.is_impossible(package) {
                    break;
                }
                because.push(Fact::Cannot(package));
            }
            if because.len() == alternatives.len() {
                let line = self.unmet(version, group, alternatives.is_empty());
                return Some(Justification::new(line, because));
            }
        }
        None
    }

    /// A conflict between a version and a version that must be installed.
    fn clash(&self, version: VersionId) -> Option<Justification> {
        let pool = self.pool;
        if let Some(reason) = self.conflicting.get(&version) {
            return Some(reason.clone());
        }
        if let Some(sibling) = self.incompatible_sibling(version) {
            let one = shown(pool, sibling);
            let other = shown(pool, version);
            let line = format!("{one} and {other} cannot be installed side by side");
            return Some(Justification::new(
                line,
                vec![Fact::Must(pool[sibling].package)],
            ));
        }
        for dependency in negative(pool.dependencies(version)) {
            for target in dependency.targets(pool, version) {
                if self.must_versions.contains(&target) {
                    let line = conflict(pool, version, dependency, target);
                    return Some(Justification::new(
                        line,
                        vec![Fact::Must(pool[target].package)],
                    ));
                }
            }
        }
        None
    }

    /// The version of the same name that must be installed and may not stand beside this one.
    fn incompatible_sibling(&self, version: VersionId) -> Option<VersionId> {
        let package = self.pool[version].package;
        let is_over = !self.pool.work.steps(self.must.len(), Some(package));
        if is_over || self.pool.architectures().len() == 1 {
            return None;
        }
        for must in &self.must {
            let other = self.pool[*must].package;
            if other != package
                && self.pool[other].name == self.pool[package].name
                && !may_coexist(self.pool, *must, version)
            {
                return Some(*must);
            }
        }
        None
    }

    /// The line for a dependency that cannot be met. If no candidate fits, it says what exists.
    fn unmet(&self, owner: VersionId, group: &[Dependency<'a>], nothing_fits: bool) -> String {
        let line = need(self.pool, owner, group);
        if !nothing_fits {
            return line;
        }
        let mut exists = false;
        let mut pinned_away = true;
        let mut candidates = Vec::new();
        for dependency in group {
            for package in self.pool.packages_named(dependency.name) {
                exists = exists || self.pool.has_versions(package);
                pinned_away = pinned_away && is_pinned_away(self.pool, package);
                if self.pool.has_versions(package)
                    && let Some(candidate) = self.candidate(package)
                {
                    candidates.push(shown(self.pool, candidate));
                }
            }
        }
        if !exists {
            format!("{line}, which no source has")
        } else if !candidates.is_empty() {
            format!("{line}, but there is only {}", candidates.join(", "))
        } else if pinned_away {
            format!("{line}, which only pinned sources have")
        } else {
            format!("{line}, which is excluded")
        }
    }
}
