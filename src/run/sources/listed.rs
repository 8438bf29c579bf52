//! Which sources the system's own apt reads, with keys that its apt can verify them with.

use super::super::request::ListedSources;
use crate::archive::Source;
use crate::formats::suite::Suite;

/// The sources of a run, and the suite that they make.
pub(in crate::run) struct Sources {
    pub(in crate::run) suite: Suite,
    /// In the order in which they are read: the suite's own, then the extra ones.
    pub(in crate::run) list: Vec<Source>,
    /// How many are the suite's own.
    pub(super) own: usize,
    /// The suite's own from its public archive; none if no file lists the suite.
    pub(super) public: Vec<Source>,
    pub(super) choice: ListedSources,
    /// Whether the tree's apt gets the logins of its sources.
    pub(in crate::run) keeps_logins: bool,
    /// Native first.
    pub(in crate::run) architectures: Vec<String>,
}

impl Sources {
    /// The sources that the system's own apt reads. `by_packaged` says of each source that was read
    /// whether the distribution's keys have signed it, if the user has keys of their own.
    pub(in crate::run) fn listed(&self, by_packaged: &[bool]) -> Vec<Source> {
        let mut used = Vec::new();
        let mut is_own_archive = false;
        for (number, source) in self.list.iter().enumerate() {
            let by_packaged = by_packaged.get(number).is_some_and(|signed| *signed);
            is_own_archive |= number < self.own && source.packaged.is_some() && !by_packaged;
            used.push(source.in_tree(by_packaged));
        }
        match self.choice {
            ListedSources::Nothing => Vec::new(),
            // What only the user's keys have signed is another archive than the public one.
            ListedSources::Suite if !self.public.is_empty() && !is_own_archive => {
                let mut public = Vec::new();
                for source in &self.public {
                    public.push(source.in_tree(true));
                }
                [&public[..], &used[self.own..]].concat()
            }
            ListedSources::Suite | ListedSources::Used => used,
        }
    }
}
