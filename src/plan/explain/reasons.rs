//! What follows from a set of demands: packages that must be installed and packages that cannot be, each with its reason.
//!
//! A package that must be installed forces the only alternative that is left of each of its demands; a package cannot be
//! installed when something that must be is against it, or when all alternatives of one of its own demands cannot be. Where a
//! demand has nothing left, the reasons behind it are the explanation.

use hashbrown::{HashMap, HashSet};

use crate::plan::demand::{Demand, is_pinned_away};
use crate::plan::links::{Kind, Link, groups, may_coexist};
use crate::plan::pool::{PackageId, Pool, VersionId};

/// The reasons why the demands collide, in an order that can be read; `None` when none can be derived.
pub(super) fn derive(
    pool: &Pool<'_>,
    candidates: &[Option<VersionId>],
    base: &[VersionId],
    demands: &[Demand<'_>],
) -> Option<Vec<String>> {
    let mut reasons = Reasons::new(pool, candidates);
    let reason = reasons.contradiction(base, demands)?;
    let mut story = Story {
        reasons: &reasons,
        told: HashSet::new(),
        lines: Vec::new(),
    };
    story.tell_reason(&reason);
    Some(story.lines)
}

/// "a 1.0 depends on b (>= 2) | c"
pub(super) fn need(pool: &Pool<'_>, owner: VersionId, group: &[Link<'_>]) -> String {
    let verb = if group[0].kind == Kind::PreDepends {
        "pre-depends on"
    } else {
        "depends on"
    };
    let texts: Vec<&str> = group.iter().map(|link| link.text).collect();
    format!("{} {verb} {}", shown(pool, owner), texts.join(" | "))
}

/// "a 1.0 conflicts with mail-transport-agent, which b provides"
pub(super) fn against(
    pool: &Pool<'_>,
    owner: VersionId,
    link: &Link<'_>,
    hit: VersionId,
) -> String {
    let verb = if link.kind == Kind::Breaks {
        "breaks"
    } else {
        "conflicts with"
    };
    let named = pool[pool[hit].package].name == link.name;
    let provided = if named {
        String::new()
    } else {
        format!(", which {} provides", shown(pool, hit))
    };
    format!("{} {verb} {}{provided}", shown(pool, owner), link.text)
}

fn shown(pool: &Pool<'_>, version: VersionId) -> String {
    format!(
        "{} {}",
        pool.full_name(pool[version].package),
        pool[version].text
    )
}

/// Something that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fact {
    Must(PackageId),
    Cannot(PackageId),
}

/// A sentence, and what it rests on.
#[derive(Clone, Debug, Default)]
struct Reason {
    line: Option<String>,
    because: Vec<Fact>,
}

struct Reasons<'r, 'a> {
    pool: &'r Pool<'a>,
    candidates: &'r [Option<VersionId>],
    must: Vec<(VersionId, Reason)>,
    versions: HashSet<VersionId>,
    cannot: HashMap<PackageId, Reason>,
    /// What the packages that must be installed are against.
    hit: HashMap<VersionId, Reason>,
    /// Looked at, and possible as far as is known.
    fine: HashSet<PackageId>,
}

impl<'r, 'a> Reasons<'r, 'a> {
    fn new(pool: &'r Pool<'a>, candidates: &'r [Option<VersionId>]) -> Reasons<'r, 'a> {
        let (versions, fine) = (HashSet::new(), HashSet::new());
        Reasons {
            pool,
            candidates,
            must: Vec::new(),
            versions,
            cannot: HashMap::new(),
            hit: HashMap::new(),
            fine,
        }
    }

    /// Draws conclusions until they contradict each other.
    fn contradiction(&mut self, base: &[VersionId], demands: &[Demand<'_>]) -> Option<Reason> {
        for version in base {
            let entry = self.pool[self.pool[*version].package];
            if (entry.essential || entry.protected)
                && let Some(reason) = self.require(*version, Reason::default())
            {
                return Some(reason);
            }
        }
        for package in demands.iter().filter_map(|demand| {
            if let Demand::Absent(package) = demand {
                Some(*package)
            } else {
                None
            }
        }) {
            self.cannot.insert(package, Reason::default());
        }
        for package in demands.iter().filter_map(Demand::present) {
            if self.is_impossible(package) {
                return Some(Reason {
                    line: None,
                    because: vec![Fact::Must(package), Fact::Cannot(package)],
                });
            }
            if let Some(reason) = self.candidates[package.0 as usize]
                .and_then(|version| self.require(version, Reason::default()))
            {
                return Some(reason);
            }
        }
        let mut considered = 0;
        while considered != self.must.len() {
            considered = self.must.len();
            self.fine.clear();
            let mut number = 0;
            while number < self.must.len() {
                if let Some(reason) = self.consequences(self.must[number].0) {
                    return Some(reason);
                }
                number += 1;
            }
        }
        None
    }

    /// Adds what must be installed; a reason if it cannot be beside what must be already.
    fn require(&mut self, version: VersionId, reason: Reason) -> Option<Reason> {
        if self.versions.contains(&version) {
            return None;
        }
        let (owner, clash) = (self.pool[version].package, self.clash(version));
        self.versions.insert(version);
        self.must.push((version, reason));
        for link in self
            .pool
            .links(version)
            .iter()
            .filter(|link| link.kind.is_negative())
        {
            for hit in link.targets(self.pool, version) {
                let line = Some(against(self.pool, version, link, hit));
                self.hit.entry(hit).or_insert_with(|| Reason {
                    line,
                    because: vec![Fact::Must(owner)],
                });
            }
        }
        self.cannot.insert(owner, clash?);
        Some(Reason {
            line: None,
            because: vec![Fact::Must(owner), Fact::Cannot(owner)],
        })
    }

    /// What a package that must be installed brings about; a reason when it cannot be.
    fn consequences(&mut self, version: VersionId) -> Option<Reason> {
        let owner = self.pool[version].package;
        for group in groups(self.pool.links(version)).filter(|group| group[0].kind.is_demand()) {
            let all = self.alternatives(version, group);
            let (cannot, left): (Vec<_>, Vec<_>) = all
                .iter()
                .partition(|target| self.is_impossible(self.pool[**target].package));
            let mut because = vec![Fact::Must(owner)];
            because.extend(
                cannot
                    .iter()
                    .map(|target: &&VersionId| Fact::Cannot(self.pool[**target].package)),
            );
            match left[..] {
                [] => {
                    return Some(Reason {
                        line: Some(self.lacking(version, group, all.is_empty())),
                        because,
                    });
                }
                [only] => {
                    let reason = self.require(
                        *only,
                        Reason {
                            line: Some(need(self.pool, version, group)),
                            because,
                        },
                    );
                    if reason.is_some() {
                        return reason;
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn alternatives(&self, owner: VersionId, group: &[Link<'a>]) -> Vec<VersionId> {
        let mut all: Vec<VersionId> = group
            .iter()
            .flat_map(|link| link.targets(self.pool, owner))
            .collect();
        let mut seen = HashSet::new();
        all.retain(|version| {
            self.candidates[self.pool[*version].package.0 as usize] == Some(*version)
                && seen.insert(*version)
        });
        all
    }

    /// Whether a package is known not to be installable.
    fn is_impossible(&mut self, package: PackageId) -> bool {
        if self.cannot.contains_key(&package) {
            return true;
        }
        let Some(version) = self.candidates[package.0 as usize] else {
            return true;
        };
        if self.versions.contains(&version) || !self.fine.insert(package) {
            return false;
        }
        let Some(reason) = self.obstacle(version) else {
            return false;
        };
        self.cannot.insert(package, reason);
        true
    }

    fn obstacle(&mut self, version: VersionId) -> Option<Reason> {
        let pool = self.pool;
        let clash = self.clash(version);
        if clash.is_some() {
            return clash;
        }
        for group in groups(pool.links(version)).filter(|group| group[0].kind.is_demand()) {
            let all = self.alternatives(version, group);
            if all
                .iter()
                .all(|target| self.is_impossible(pool[*target].package))
            {
                let line = Some(self.lacking(version, group, all.is_empty()));
                return Some(Reason {
                    line,
                    because: all
                        .iter()
                        .map(|target| Fact::Cannot(pool[*target].package))
                        .collect(),
                });
            }
        }
        None
    }

    /// What that must be installed does not stand a version, or the other way round.
    fn clash(&self, version: VersionId) -> Option<Reason> {
        let pool = self.pool;
        if let Some(reason) = self.hit.get(&version) {
            return Some(reason.clone());
        }
        let rival = self.must.iter().map(|(must, _)| *must).find(|must| {
            let (one, other) = (pool[*must].package, pool[version].package);
            one != other && pool[one].name == pool[other].name && !may_coexist(pool, *must, version)
        });
        if let Some(rival) = rival {
            let line = format!(
                "{} and {} cannot be installed side by side",
                shown(pool, rival),
                shown(pool, version)
            );
            return Some(Reason {
                line: Some(line),
                because: vec![Fact::Must(pool[rival].package)],
            });
        }
        for link in pool
            .links(version)
            .iter()
            .filter(|link| link.kind.is_negative())
        {
            if let Some(hit) = link
                .targets(pool, version)
                .into_iter()
                .find(|target| self.versions.contains(target))
            {
                let because = vec![Fact::Must(pool[hit].package)];
                return Some(Reason {
                    line: Some(against(pool, version, link, hit)),
                    because,
                });
            }
        }
        None
    }

    /// The sentence for a demand that nothing can meet; where nothing is on offer it says what is.
    fn lacking(&self, owner: VersionId, group: &[Link<'a>], nothing_fits: bool) -> String {
        let line = need(self.pool, owner, group);
        if !nothing_fits {
            return line;
        }
        let named: Vec<PackageId> = group
            .iter()
            .flat_map(|link| self.pool.packages_named(link.name))
            .collect();
        let mut real = named
            .iter()
            .filter(|package| self.pool.versions(**package).next().is_some())
            .peekable();
        if real.peek().is_none() {
            return format!("{line}, which no source has");
        }
        let candidates: Vec<String> = real
            .filter_map(|p| self.candidates[p.0 as usize])
            .map(|v| shown(self.pool, v))
            .collect();
        match &candidates[..] {
            [] if named
                .iter()
                .all(|package| is_pinned_away(self.pool, *package)) =>
            {
                format!("{line}, which only pinned sources have")
            }
            [] => format!("{line}, which is excluded"),
            _ => format!("{line}, but there is only {}", candidates.join(", ")),
        }
    }
}

/// The reasons told so that each comes behind what it rests on, and none twice.
struct Story<'s, 'r, 'a> {
    reasons: &'s Reasons<'r, 'a>,
    told: HashSet<Fact>,
    lines: Vec<String>,
}

impl Story<'_, '_, '_> {
    fn tell(&mut self, fact: Fact) {
        if !self.told.insert(fact) {
            return;
        }
        let reason = match fact {
            Fact::Must(package) => self
                .reasons
                .must
                .iter()
                .find(|(version, _)| self.reasons.pool[*version].package == package)
                .map(|(_, reason)| reason),
            Fact::Cannot(package) => self.reasons.cannot.get(&package),
        };
        if let Some(reason) = reason {
            self.tell_reason(reason);
        }
    }

    fn tell_reason(&mut self, reason: &Reason) {
        reason.because.iter().for_each(|fact| self.tell(*fact));
        if let Some(line) = &reason.line
            && !self.lines.contains(line)
        {
            self.lines.push(line.clone());
        }
    }
}
