//! The lines of an explanation, and their order.

use hashbrown::HashSet;

use super::reasons::{Fact, Justification, Reasons};
use crate::plan::chain;
use crate::plan::dependency::{Dependency, DependencyKind};
use crate::plan::pool::{Pool, VersionId};

/// "a 1.0 depends on b (>= 2) | c"
pub(super) fn need(pool: &Pool<'_>, owner: VersionId, group: &[Dependency<'_>]) -> String {
    let verb = match group[0].kind {
        DependencyKind::PreDepends => "pre-depends on",
        _ => "depends on",
    };
    let texts: Vec<&str> = group.iter().map(|dependency| dependency.text).collect();
    format!("{} {verb} {}", shown(pool, owner), texts.join(" | "))
}

/// "a 1.0 conflicts with mail-transport-agent, which b provides"
pub(super) fn conflict(
    pool: &Pool<'_>,
    owner: VersionId,
    dependency: &Dependency<'_>,
    target: VersionId,
) -> String {
    let verb = match dependency.kind {
        DependencyKind::Breaks => "breaks",
        _ => "conflicts with",
    };
    let line = format!("{} {verb} {}", shown(pool, owner), dependency.text);
    if pool[pool[target].package].name == dependency.name {
        line
    } else {
        format!("{line}, which {} provides", shown(pool, target))
    }
}

/// "a 1.0"
pub(super) fn shown(pool: &Pool<'_>, version: VersionId) -> String {
    let name = pool.full_name(pool[version].package);
    format!("{name} {}", pool[version].text)
}

/// The lines for a reason: each line follows the lines on which it rests, and none is repeated.
pub(super) fn lines(reasons: &Reasons<'_, '_>, reason: &Justification) -> Vec<String> {
    let mut explanation = Explanation {
        reasons,
        explained: HashSet::new(),
        shown: HashSet::new(),
        lines: Vec::new(),
        depth: 0,
    };
    explanation.add_reason(reason);
    explanation.lines
}

struct Explanation<'s, 'r, 'a> {
    reasons: &'s Reasons<'r, 'a>,
    explained: HashSet<Fact>,
    shown: HashSet<String>,
    lines: Vec<String>,
    depth: usize,
}

impl Explanation<'_, '_, '_> {
    fn add_reason(&mut self, reason: &Justification) {
        self.depth += 1;
        if self.depth < chain::LIMIT {
            for fact in &reason.because {
                self.add_fact(*fact);
            }
        }
        self.depth -= 1;
        if let Some(line) = &reason.line
            && self.shown.insert(line.clone())
        {
            self.lines.push(line.clone());
        }
    }

    fn add_fact(&mut self, fact: Fact) {
        if self.explained.insert(fact)
            && let Some(reason) = self.reasons.of(fact)
        {
            self.add_reason(reason);
        }
    }
}
