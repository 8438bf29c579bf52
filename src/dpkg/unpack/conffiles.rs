//! What is particular to conffiles when a package is registered: their digests pass from one package to another, and those that a package
//! no longer wants are put aside. Where they are laid is `commit`'s, putting them in place the tree's own dpkg's.

use std::collections::HashMap;

use crate::dpkg::{self, Conffile, ConffileState, Diversions, Status};
use crate::tree::rootfs::RootPath;

use super::Error;
use super::claims::Robbed;
use super::commit::{Commit, Laying};
use super::stage::Staged;

impl Commit<'_> {
    /// What the database says of a package's conffiles that other packages have, or had: their digests pass to this one.
    pub(super) fn inherited_digests(
        &self,
        staged: &Staged,
        robbed: &Robbed,
        status: &Status,
    ) -> HashMap<RootPath, String> {
        let mut all = HashMap::new();
        for Conffile { path, .. } in &staged.conffiles {
            let losers = robbed
                .iter()
                .filter(|(_, lost)| lost.contains(path))
                .map(|(&number, _)| number);
            let others = self
                .claims
                .owners(path)
                .iter()
                .copied()
                .chain(losers)
                .filter(|&number| number != staged.number);
            let names = others
                .map(|number| &self.claims.of(number).qualified)
                .chain(&self.removed);
            let digest = names
                .filter_map(|name| status.conffile_digest(name, path))
                .next_back();
            all.extend(digest.map(|digest| (path.clone(), digest)));
        }
        all
    }

    /// Puts aside the conffiles that a package no longer ships and wants gone, where they are nevertheless there and nobody else's.
    pub(super) fn remove_unwanted(
        &mut self,
        staged: &Staged,
        diversions: &Diversions,
    ) -> Result<(), Error> {
        for conffile in staged
            .conffiles
            .iter()
            .filter(|c| c.removed && self.claims.owners(&c.path).is_empty())
        {
            let tree = |e| Error::tree(&staged.package.name, e);
            let place = diversions
                .place(&conffile.path, &staged.package.name)
                .unwrap_or(&conffile.path);
            let place = self.tree.followed(place).map_err(tree)?;
            self.root
                .remove(&place.with_suffix(".dpkg-dist"))
                .map_err(tree)?;
            if self.root.exists(&place).map_err(tree)? {
                self.root
                    .rename(&place, &place.with_suffix(".dpkg-old"))
                    .map_err(tree)?;
            }
        }
        Ok(())
    }

    /// The stanza of a package that has been laid and registered.
    pub(super) fn stanza(&self, staged: &Staged, laying: Laying) -> String {
        let state = |conffile: &Conffile| {
            let node = staged.nodes.iter().find(|n| n.path == conffile.path);
            let inherited = self.inherited.get(&conffile.path).cloned();
            match node.and_then(|n| n.md5.clone()) {
                _ if node.is_some_and(|n| n.yielded) => ConffileState::Yielded(inherited),
                Some(md5) if laying == Laying::Essential && !conffile.removed => {
                    ConffileState::InPlace(md5)
                }
                _ => inherited.map_or(ConffileState::New, ConffileState::InPlace),
            }
        };
        let conffiles: Vec<_> = staged
            .conffiles
            .iter()
            .map(|c| (c.clone(), state(c)))
            .collect();
        dpkg::unpacked_stanza(&staged.stanza, &conffiles)
    }
}
