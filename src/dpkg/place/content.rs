//! Places regular files from staging, and hard links.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::dpkg::staging::{Node, set_owner_and_mode};
use crate::dpkg::state::State;
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::{self, RootPath};

use super::contradiction::{entry_error, hard_link_error};
use super::entry::attributes;
use super::files::Attributes;
use super::{Placement, Placer};

impl Placer<'_> {
    /// Moves a staged file to its place, with the owner and mode that it gets there.
    pub(super) fn place_file(
        &mut self,
        placement: &Placement<'_>,
        staged: &Node,
        wanted: Attributes,
        place: &RootPath,
    ) -> Result<(), Error> {
        let package = &placement.staged.package.name;
        let number = staged.number;
        let owner = Some((wanted.uid, wanted.gid));
        let owner = owner.filter(|owner| *owner != self.staging.directory().creator);
        let clears_special_bits = owner.is_some() && wanted.mode & 0o6000 != 0;
        let mode = (wanted.mode != staged.entry.mode || clears_special_bits).then_some(wanted.mode);
        if owner.is_some() || mode.is_some() {
            set_owner_and_mode(&placement.directory, number, owner, mode)
                .map_err(|e| Error::staging(package, e))?;
        }
        let failed = |e| entry_error(placement.staged, staged, e);
        self.files
            .file(placement.directory.as_fd(), number, place)
            .map_err(failed)?;
        // A file that path rules left out is not staged in later runs: no snapshot can refer to it.
        if let Some(placed) = self.placed
            && staged.is_staged()
        {
            let file = self.files.named(place).map_err(failed)?;
            placed.placed(&placement.staged.key, staged.content(), &file);
        }
        Ok(())
    }

    pub(super) fn place_hard_link(
        &mut self,
        placement: &Placement<'_>,
        node: &Node,
        place: &RootPath,
        state: &State,
    ) -> Result<(), Error> {
        let staged = placement.staged;
        let name = &staged.package.name;
        let target = node.link_target(name)?;
        let wanted = attributes(node, state);
        if let Some(spot) = placement.placed.get(&target) {
            let made = match spot.number < node.number {
                true => self.link(&spot.place, place, wanted),
                // As dpkg unpacks in the archive's order, the file is not there yet.
                false => Err(self.root.error(&target, "link to it", Errno::NOENT)),
            };
            return made.map_err(|e| hard_link_error(staged, node, e));
        }
        let is_left_out_target =
            |n: &&Node| n.path == target && n.left_out && n.entry.kind == Kind::File;
        if placement.has_left_out
            && let Some(of) = staged.nodes.iter().find(is_left_out_target)
        {
            // The content was left out under its first name, but is wanted under this one.
            self.staging.stage_again(staged, &[of.number])?;
            return self.place_file(placement, of, wanted, place);
        }
        let diverted = state.diversions.place(&target, name);
        let made = self.link(diverted.unwrap_or(&target), place, wanted);
        made.map_err(|e| hard_link_error(staged, node, e))
    }

    /// Makes a hard link, and remembers that this has not changed the content.
    fn link(
        &mut self,
        target: &RootPath,
        place: &RootPath,
        wanted: Attributes,
    ) -> Result<(), rootfs::Error> {
        let Some(placed) = self.placed.filter(|_| target != place) else {
            return self.files.hard_link(target, place, wanted);
        };
        let before = self.files.named(target);
        let origin = before.ok().and_then(|file| placed.origin_of(&file));
        self.files.hard_link(target, place, wanted)?;
        if let Some(origin) = origin {
            for name in [target, place] {
                placed.linked(origin, &self.files.named(name)?);
            }
        }
        Ok(())
    }
}
