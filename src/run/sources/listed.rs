//! Which sources the system's own apt reads, with keys that its apt can verify them with.

use super::super::request::ListedSources;
use crate::archive::{Release, Source};
use crate::formats::lock::Lock;
use crate::formats::suite::Suite;
use crate::store;

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
    /// Whether the suite's own are read from archives of snapshots.
    pub(super) is_snapshot: bool,
    /// Whether the tree's apt gets the logins of its sources.
    pub(in crate::run) keeps_logins: bool,
    /// Native first.
    pub(in crate::run) architectures: Vec<String>,
    /// Where others can download what is in each source of the list, as a lock says it; empty
    /// without a lock.
    pub(super) recorded: Vec<Option<String>>,
}

impl Sources {
    /// Where others can download what a release has: from the suite's public archive if that has
    /// it, else from the mirror of the run. `None` for a directory of this host.
    pub(in crate::run) fn public_uri(&self, release: &Release) -> Option<String> {
        let source = release.source();
        if !self.recorded.is_empty() {
            let mut recorded = self.list.iter().zip(&self.recorded);
            let (_, public) = recorded.find(|(one, _)| is_same(one, source))?;
            return public.clone();
        }
        let is_own_archive = source.packaged.is_some() && !release.is_signed_by_packaged();
        let mut own = self.list[..self.own].iter();
        let is_own = own.any(|own| own.suite == source.suite && own.archive == source.archive);
        let mut uris = source.uris.clone();
        if is_own && !is_own_archive && !self.is_snapshot && self.choice != ListedSources::Used {
            let mut public = self.public.iter();
            if let Some(public) = public.find(|public| public.suite == source.suite) {
                uris.clone_from(&public.uris);
            }
        }
        let uri = uris.iter().find(|uri| uri.starts_with("http"))?;
        Some(store::public_mirror(uri))
    }

    /// The native architecture.
    pub(in crate::run) fn native(&self) -> &str {
        self.architectures.first().map_or("", String::as_str)
    }

    /// The sources of a lock. What the system's own apt reads is in the lock, too.
    pub(in crate::run) fn of_lock(suite: Suite, list: Vec<Source>, lock: &Lock) -> Sources {
        let mut recorded = Vec::new();
        for source in &lock.sources {
            recorded.push(source.public.clone());
        }
        Sources {
            suite,
            recorded,
            architectures: lock.options.architectures.clone(),
            own: list.len(),
            list,
            public: Vec::new(),
            choice: ListedSources::Nothing,
            is_snapshot: false,
            keeps_logins: false,
        }
    }

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

/// Whether two sources of one lock have the same places.
fn is_same(one: &Source, other: &Source) -> bool {
    one.uris == other.uris && one.suite == other.suite && one.components == other.components
}
