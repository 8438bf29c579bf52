//! Limits how long a chain of dependencies the recursions of this room follow.
//!
//! An index decides how long its chains are, and the stack is finite. `docs/resolver.md` states the
//! longest chains of real archives.

use super::pool::PackageId;

/// How many packages of a chain an error names.
const SHOWN: usize = 3;

/// The longest chain that ordering and `pkg/suite` follow.
pub(super) const LIMIT: usize = 20_000;

/// The packages whose dependencies a recursion follows at the moment, outermost first.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    packages: Vec<PackageId>,
    limit: usize,
    too_deep: Option<TooDeep>,
}

/// A chain of dependencies that exceeds the limit.
#[derive(Clone, Debug)]
pub(super) struct TooDeep {
    /// The first packages of the chain.
    pub(crate) chain: Vec<PackageId>,
    pub(crate) limit: usize,
}

impl Chain {
    /// An empty chain that takes at most `limit` packages.
    pub(super) fn new(limit: usize) -> Chain {
        Chain {
            packages: Vec::new(),
            limit,
            too_deep: None,
        }
    }

    /// Adds a package. Returns false, and records the chain, if that would exceed the limit.
    #[must_use]
    pub(super) fn enter(&mut self, package: PackageId) -> bool {
        if self.packages.len() == self.limit {
            self.too_deep = Some(TooDeep {
                chain: self.packages[..SHOWN].to_vec(),
                limit: self.limit,
            });
            return false;
        }
        self.packages.push(package);
        true
    }

    /// Removes the package that was added last.
    pub(super) fn leave(&mut self) {
        self.packages.pop();
    }

    pub(super) fn len(&self) -> usize {
        self.packages.len()
    }

    /// A chain that exceeded the limit, if there was one.
    pub(super) fn too_deep(&self) -> Option<&TooDeep> {
        self.too_deep.as_ref()
    }
}
