//! Committing a staged package: dpkg's decisions, one entry after the other, and the entries laid into the tree.
//!
//! One thread does this, in the plan's order, so the result does not depend on how many threads have staged.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::FileType;

use crate::dpkg::{self, Activations, Conffile, Database, InfoDirectory, InfoFiles};
use crate::formats::deb::Kind;
use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;
use super::claims::{Claim, Claims};
use super::disappear::Keepers;
use super::stage::{Node, Staged, set_owner_and_mode};
use super::staging::Staging;
use super::tree::{Attributes, Tree, led_to};

/// How a package comes into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Laying {
    /// Before any script has run: directories are there, conffiles go straight to their places.
    Essential,
    /// As dpkg unpacks: conffiles wait as `.dpkg-new`.
    Batch,
}

/// The tree and who owns what in it.
pub(super) struct Commit<'a> {
    pub(super) root: &'a Rootfs,
    pub(super) tree: Tree<'a>,
    pub(super) claims: Claims,
    pub(super) keepers: Keepers,
    /// Packages whose lists have been written.
    pub(super) listed: HashSet<usize>,
    /// Qualified names of packages that dpkg has removed, but for their conffiles.
    pub(super) removed: Vec<String>,
    /// What the database says of the conffiles that the package registered last has from others.
    pub(super) inherited: HashMap<RootPath, String>,
}

/// One package while it is laid.
struct Package<'a> {
    name: &'a str,
    number: usize,
    staged: OwnedFd,
    laying: Laying,
    conffiles: &'a [Conffile],
    database: &'a Database<'a>,
    creator: (u32, u32),
    /// Where entries have gone, for hard links to find them; empty when there are none.
    placed: HashMap<RootPath, RootPath>,
    has_hard_links: bool,
}

/// What becomes of an entry.
enum Destination {
    /// It is laid there.
    Place(RootPath),
    /// What another architecture of the package has put there is the same, and stays with its time, as for dpkg.
    Kept(RootPath),
    /// It yields to another package's.
    Another,
}

impl<'a> Commit<'a> {
    pub(super) fn new(root: &'a Rootfs) -> Commit<'a> {
        Commit {
            root,
            tree: Tree::new(root),
            claims: Claims::default(),
            keepers: Keepers::default(),
            listed: HashSet::new(),
            removed: Vec::new(),
            inherited: HashMap::new(),
        }
    }

    /// Lays the top-level symlinks of a package: where they make a merged /usr, everything else goes through them.
    pub(super) fn lay_top_symlinks(
        &mut self,
        staged: &Staged,
        database: &Database<'_>,
    ) -> Result<(), Error> {
        for node in staged
            .nodes
            .iter()
            .filter(|n| n.entry.kind == Kind::Symlink && n.path.parent().is_root())
        {
            let made =
                self.tree
                    .symlink(&node.entry.target, &node.path, attributes(node, database));
            made.map_err(|e| Error::tree(&staged.package.name, e))?;
        }
        Ok(())
    }

    /// Lays the directories of all packages that come before any script; of several entries for one, the last sets owner, mode
    /// and time.
    pub(super) fn lay_directories(
        &mut self,
        all: &[Staged],
        database: &Database<'_>,
    ) -> Result<(), Error> {
        let mut last: HashMap<&RootPath, (&Staged, &Node)> = HashMap::new();
        for staged in all {
            for node in staged
                .nodes
                .iter()
                .filter(|n| n.entry.kind == Kind::Directory && !n.left_out)
            {
                if last.insert(&node.path, (staged, node)).is_none() && !node.path.is_root() {
                    self.tree
                        .directory(&node.path, attributes(node, database))
                        .map_err(|e| Error::tree(&staged.package.name, e))?;
                }
            }
        }
        self.lay_links_to_directories(all, &last, database)?;
        for (path, (staged, node)) in last {
            let set = self
                .tree
                .set_directory_attributes(path, attributes(node, database));
            set.map_err(|e| Error::tree(&staged.package.name, e))?;
        }
        Ok(())
    }

    /// Lays the symlinks to directories that do not change the time of the directory they are in. The essential packages of the
    /// reference go through tar and then through dpkg. tar sets a directory's time when the archive has left it, so a symlink counts that
    /// comes later; dpkg leaves a symlink alone that leads to the same directory.
    fn lay_links_to_directories(
        &mut self,
        all: &[Staged],
        last: &HashMap<&RootPath, (&Staged, &Node)>,
        database: &Database<'_>,
    ) -> Result<(), Error> {
        for (at, staged) in all.iter().enumerate() {
            for link in staged
                .nodes
                .iter()
                .filter(|n| n.entry.kind == Kind::Symlink && !n.left_out)
            {
                let above = link.path.parent();
                let Some(&(setter, directory)) = last.get(&above) else {
                    continue;
                };
                let between = |n: &&Node| n.number > directory.number && n.number < link.number;
                let is_later = !std::ptr::eq(setter, staged)
                    && all[at..].iter().any(|later| std::ptr::eq(later, setter));
                let is_in_time = std::ptr::eq(setter, staged)
                    && staged
                        .nodes
                        .iter()
                        .filter(between)
                        .all(|n| n.path.is_within(&above));
                if (is_later || is_in_time)
                    && self
                        .root
                        .is_directory(&led_to(&link.path, &link.entry.target))
                {
                    let made = self.tree.symlink(
                        &link.entry.target,
                        &link.path,
                        attributes(link, database),
                    );
                    made.map_err(|e| Error::tree(&staged.package.name, e))?;
                }
            }
        }
        Ok(())
    }

    /// Lays the entries of a package that `selected` chooses; `activations` hears of each path.
    pub(super) fn lay(
        &mut self,
        staged: &mut Staged,
        (laying, selected): (Laying, &dyn Fn(&Node) -> bool),
        (database, staging): (&Database<'_>, &Staging<'_>),
        mut activations: Option<&mut Activations>,
    ) -> Result<(), Error> {
        let name = staged.package.name.clone();
        let conffiles = std::mem::take(&mut staged.conffiles);
        let mut package = Package {
            name: &name,
            number: staged.number,
            staged: staging
                .place()
                .package(staged.slot)
                .map_err(|e| Error::staging(&name, e))?,
            laying,
            conffiles: &conffiles,
            database,
            creator: staging.place().creator,
            placed: HashMap::new(),
            has_hard_links: staged.nodes.iter().any(|n| n.entry.kind == Kind::HardLink),
        };
        let of_kind =
            |wanted: fn(Kind) -> bool| move |n: &Node| wanted(n.entry.kind) && !n.path.is_root();
        let rounds: [&dyn Fn(&Node) -> bool; 3] = [
            &of_kind(|k| !matches!(k, Kind::HardLink | Kind::Symlink)),
            &of_kind(|k| k == Kind::HardLink),
            &of_kind(|k| k == Kind::Symlink),
        ];
        for in_this_round in rounds {
            for at in 0..staged.nodes.len() {
                let node = &staged.nodes[at];
                if !in_this_round(node) || !selected(node) {
                    continue;
                }
                if let Some(activations) = activations.as_deref_mut() {
                    let path = database
                        .diversions
                        .place(&node.path, &name)
                        .unwrap_or(&node.path);
                    activations.path(path, &staged.qualified);
                }
                match self.destination(&package, node)? {
                    Destination::Place(_) if node.left_out => {}
                    Destination::Place(place) => {
                        self.lay_node(&mut package, node, place, (staged, staging))?
                    }
                    Destination::Kept(place) => {
                        drop(package.placed.insert(node.path.clone(), place))
                    }
                    Destination::Another => staged.nodes[at].yielded = true,
                }
            }
        }
        staged.conffiles = conffiles;
        Ok(())
    }

    /// Where an entry goes.
    fn destination(&mut self, package: &Package<'_>, node: &Node) -> Result<Destination, Error> {
        let diversions = &package.database.diversions;
        if node.entry.kind == Kind::Directory {
            // dpkg-divert is not made for directories, but base-files of noble diverts /bin, and dpkg heeds it.
            return Ok(Destination::Place(
                diversions
                    .place(&node.path, package.name)
                    .unwrap_or(&node.path)
                    .clone(),
            ));
        }
        if let Some(from) = diversions.source_of(&node.path) {
            return Err(Error::Diverted {
                path: node.path.clone(),
                package: package.name.into(),
                from: from.clone(),
            });
        }
        let claim = self.claims.claim(&node.path, package.number, diversions)?;
        if claim == Claim::Yielded {
            return Ok(Destination::Another);
        }
        let place = diversions
            .place(&node.path, package.name)
            .unwrap_or(&node.path);
        let is_conffile = package
            .conffiles
            .iter()
            .any(|c| !c.removed && c.path == node.path);
        let place = match package.laying {
            Laying::Batch if is_conffile => place.with_suffix(".dpkg-new"),
            _ => place.clone(),
        };
        if claim == Claim::TakenOver && !is_conffile {
            // What it takes over may be a conffile that waits to be configured.
            self.root
                .remove(&place.with_suffix(".dpkg-new"))
                .map_err(|e| Error::tree(package.name, e))?;
        }
        if let Claim::Shared { with } = claim
            && !node.left_out
        {
            if !self.is_same(package, node, &place)? {
                let (path, package, other) = (
                    node.path.clone(),
                    package.name.to_owned(),
                    self.claims.of(with).qualified.clone(),
                );
                return Err(Error::Different {
                    path,
                    package,
                    other,
                });
            }
            if !is_conffile
                && self
                    .root
                    .exists(&place)
                    .map_err(|e| Error::tree(package.name, e))?
            {
                return Ok(Destination::Kept(place));
            }
        }
        Ok(Destination::Place(place))
    }

    fn lay_node(
        &mut self,
        package: &mut Package<'_>,
        node: &Node,
        place: RootPath,
        whole: (&Staged, &Staging<'_>),
    ) -> Result<(), Error> {
        let attributes = attributes(node, package.database);
        let entry = &node.entry;
        let laid = match entry.kind {
            Kind::Directory => self
                .tree
                .directory(&place, attributes)
                .map(drop)
                .map_err(|e| match self.claims.owner(&place) {
                    Some(other) => Error::Overwrite {
                        path: place.clone(),
                        package: package.name.into(),
                        other: other.into(),
                    },
                    None => Error::tree(package.name, e),
                }),
            Kind::File => self.lay_file(package, node, attributes, &place),
            Kind::HardLink => self.lay_hard_link(package, node, &place, whole),
            Kind::Symlink => self
                .tree
                .symlink(&entry.target, &place, attributes)
                .map_err(|e| Error::tree(package.name, e)),
            Kind::Character | Kind::Block | Kind::Fifo => {
                let kind = match entry.kind {
                    Kind::Character => FileType::CharacterDevice,
                    Kind::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                self.tree
                    .node(kind, entry.device, &place, attributes)
                    .map_err(|e| Error::tree(package.name, e))
            }
        };
        if package.has_hard_links {
            package.placed.insert(node.path.clone(), place);
        }
        laid
    }

    /// Moves a staged file to its place, with the owner and mode that it gets there.
    fn lay_file(
        &mut self,
        package: &Package<'_>,
        staged: &Node,
        wanted: Attributes,
        place: &RootPath,
    ) -> Result<(), Error> {
        let number = staged.number;
        let owner = Some((wanted.uid, wanted.gid)).filter(|owner| *owner != package.creator);
        let mode = Some(wanted.mode)
            .filter(|mode| *mode != staged.entry.mode || (owner.is_some() && mode & 0o6000 != 0));
        if owner.is_some() || mode.is_some() {
            set_owner_and_mode(&package.staged, number, owner, mode)
                .map_err(|e| Error::staging(package.name, e))?;
        }
        self.tree
            .file((package.staged.as_fd(), number), place)
            .map_err(|e| Error::tree(package.name, e))
    }

    fn lay_hard_link(
        &mut self,
        package: &Package<'_>,
        node: &Node,
        place: &RootPath,
        whole: (&Staged, &Staging<'_>),
    ) -> Result<(), Error> {
        let target = node.link_target(package.name)?;
        let wanted = attributes(node, package.database);
        if let Some(target) = package.placed.get(&target) {
            return self
                .tree
                .hard_link(target, place, wanted)
                .map_err(|e| Error::tree(package.name, e));
        }
        let (staged, staging) = whole;
        let left_out = staged
            .nodes
            .iter()
            .find(|n| n.path == target && n.left_out && n.entry.kind == Kind::File);
        if let Some(of) = left_out {
            // The content was left out under its first name, but is wanted under this one.
            staging.again(staged, &[of.number])?;
            return self.lay_file(package, of, wanted, place);
        }
        let target = package
            .database
            .diversions
            .place(&target, package.name)
            .unwrap_or(&target);
        self.tree
            .hard_link(target, place, wanted)
            .map_err(|e| Error::tree(package.name, e))
    }

    /// Whether an entry that another architecture of the package has too is the same in both.
    fn is_same(&self, package: &Package<'_>, node: &Node, place: &RootPath) -> Result<bool, Error> {
        let tree = |e| Error::tree(package.name, e);
        match node.entry.kind {
            Kind::Symlink => Ok(self
                .root
                .read_link(place)
                .map_err(tree)?
                .is_none_or(|there| there.as_bytes() == node.entry.target)),
            Kind::File => {
                let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
                let Ok(there) = self.root.open_at(place, flags, rustix::fs::Mode::empty()) else {
                    return Ok(true);
                };
                let staging = |e: std::io::Error| Error::staging(package.name, e);
                let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
                let staged = rustix::fs::openat(
                    &package.staged,
                    node.number.to_string(),
                    flags,
                    rustix::fs::Mode::empty(),
                );
                let staged = staged.map_err(|e| staging(e.into()))?;
                equal(
                    &mut std::fs::File::from(there),
                    &mut std::fs::File::from(staged),
                )
                .map_err(staging)
            }
            _ => Ok(true),
        }
    }

    /// Registers a package that has been laid: its files of info/, its interests in triggers. Its stanza is still to be pushed.
    pub(super) fn register(
        &mut self,
        staged: &Staged,
        database: &mut Database<'_>,
    ) -> Result<(), Error> {
        let lost = self.claims.lost(staged.number);
        let digests = staged
            .members
            .iter()
            .all(|m| m.name != "md5sums")
            .then(|| digests(staged));
        let info = InfoDirectory::open(self.root)?;
        info.write(&InfoFiles {
            qualified: &staged.qualified,
            members: &staged.members,
            list: &list(staged, lost),
            md5sums: digests.as_deref(),
        })?;
        self.listed.insert(staged.number);
        let robbed = self.claims.take_robbed();
        self.inherited = self.inherited_digests(staged, &robbed, &database.status);
        for (other, lost) in robbed {
            let other_name = &self.claims.of(other).qualified;
            if self.listed.contains(&other) {
                info.forget(other_name, &|line| {
                    RootPath::parse(line).is_ok_and(|path| lost.contains(&path))
                })?;
            }
            for path in lost
                .iter()
                .filter(|path| staged.conffiles.iter().any(|c| c.path == **path))
            {
                database.status.mark_obsolete(other_name, path);
            }
        }
        for other in self.removed.iter().filter(|_| !staged.conffiles.is_empty()) {
            let taken = |path: &RootPath| staged.conffiles.iter().any(|c| c.path == *path);
            info.forget(other, &|line| {
                RootPath::parse(line).is_ok_and(|path| taken(&path))
            })?;
            staged
                .conffiles
                .iter()
                .for_each(|c| database.status.mark_obsolete(other, &c.path));
        }
        self.remove_unwanted(staged, &database.diversions)?;
        database
            .interests
            .register(self.root, &staged.qualified, &staged.triggers)?;
        Ok(())
    }
}

/// Owner, group, mode and time that an entry gets: names before numbers, and a statoverride before both.
fn attributes(node: &Node, database: &Database<'_>) -> Attributes {
    let (entry, users) = (&node.entry, &database.users);
    let own = Attributes {
        uid: users.user(&entry.user).unwrap_or(entry.uid),
        gid: users.group(&entry.group).unwrap_or(entry.gid),
        mode: entry.mode,
        modified: entry.modified,
    };
    match database
        .overrides
        .of(&node.path)
        .and_then(|o| Some((o, o.ids(users)?)))
    {
        Some((entry, (uid, gid))) => Attributes {
            uid,
            gid,
            mode: entry.mode,
            ..own
        },
        None => own,
    }
}

/// The package's list: every path once, absolute, the root as `/.`.
fn list(staged: &Staged, lost: &HashSet<RootPath>) -> Vec<u8> {
    let mut list = Vec::new();
    let mut seen = HashSet::new();
    for node in staged
        .nodes
        .iter()
        .filter(|n| !n.yielded && !lost.contains(&n.path))
    {
        if seen.insert(&node.path) {
            list.push(b'/');
            list.extend_from_slice(if node.path.is_root() {
                b"."
            } else {
                node.path.as_bytes()
            });
            list.push(b'\n');
        }
    }
    list
}

/// The digests of the package's files, a hard link's being its target's.
fn digests(staged: &Staged) -> Vec<u8> {
    let files: HashMap<&RootPath, &str> = staged
        .nodes
        .iter()
        .filter_map(|n| Some((&n.path, n.md5.as_deref()?)))
        .collect();
    let digest = |node: &Node| match node.entry.kind {
        Kind::HardLink => node
            .link_target("")
            .ok()
            .and_then(|target| files.get(&target).copied()),
        _ => files.get(&node.path).copied(),
    };
    let all = staged
        .nodes
        .iter()
        .filter(|n| !n.yielded && matches!(n.entry.kind, Kind::File | Kind::HardLink));
    dpkg::md5sums(all.filter_map(|node| Some((digest(node)?, &node.path))))
}

/// Whether two files have the same content.
fn equal(one: &mut impl Read, other: &mut impl Read) -> std::io::Result<bool> {
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = one.read(&mut a)?;
        if read == 0 {
            return Ok(other.read(&mut b[..1])? == 0);
        }
        match other.read_exact(&mut b[..read]) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            done => done?,
        }
        if a[..read] != b[..read] {
            return Ok(false);
        }
    }
}
