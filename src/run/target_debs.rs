//! Reads the packages whose .debs are already in the target, for debootstrap's --unpack-tarball.
//!
//! The tarball is unpacked before the run. Its files debootstrap/required and debootstrap/base list
//! the names of the packages, debootstrap/debpaths the paths of their .debs; var/lib/apt/lists may
//! have indexes. No archive is read, and nothing signs the .debs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::local;
use super::request::Request;
use crate::archive::sources::is_writable;
use crate::failure::Class;
use crate::formats::arch;
use crate::formats::suite::Variant;
use crate::interrupt::Interrupt;
use crate::plan::{LocalDeb, Selection};
use crate::store;
use crate::tree::rootfs::{self, RootPath, Rootfs};

const REQUIRED: &str = "debootstrap/required";
const BASE: &str = "debootstrap/base";
const PATHS: &str = "debootstrap/debpaths";
/// Releases and indexes, by [`list_name`].
pub(super) const LISTS: &str = "var/lib/apt/lists";

/// A target without usable packages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// One of debootstrap's lists.
    #[error("{} is missing, so the packages of the tarball are not known", path.display())]
    Missing { path: PathBuf },
    #[error("{} has no path for `{package}`", path.display())]
    NoPath { package: String, path: PathBuf },
    #[error("the .deb of `{package}` is missing: {}", path.display())]
    NoDeb { package: String, path: PathBuf },
    #[error(transparent)]
    Deb(#[from] local::Error),
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    /// The target itself.
    #[error("cannot read {}", path.display())]
    Target {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The class that decides the exit code.
    pub(super) fn class(&self) -> Class {
        match self {
            Error::Missing { .. } | Error::NoPath { .. } | Error::NoDeb { .. } => Class::Usage,
            Error::Deb(error) => error.class(),
            Error::Rootfs(_) | Error::Target { .. } => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Error::Missing { .. } | Error::NoPath { .. } | Error::NoDeb { .. } => {
                Some("--make-tarball makes a tarball that has everything".into())
            }
            Error::Deb(error) => error.hint(),
            Error::Rootfs(_) | Error::Target { .. } => None,
        }
    }
}

/// The packages of a target.
#[derive(Debug)]
pub(super) struct TargetDebs {
    pub(super) debs: Vec<LocalDeb>,
    /// The names in debootstrap/required.
    pub(super) required: BTreeSet<String>,
    /// sources.list of the tree.
    pub(super) sources: String,
}

impl TargetDebs {
    pub(super) fn read(
        request: &Request,
        target: &Path,
        interrupt: &Interrupt,
    ) -> Result<TargetDebs, Error> {
        let path = fs::canonicalize(target).map_err(|source| Error::Target {
            path: target.to_owned(),
            source,
        })?;
        let root = Rootfs::open(&path)?;
        let required = names(&root, REQUIRED)?;
        let base = names(&root, BASE)?;
        let paths = paths(&root)?;
        let mut debs = Vec::new();
        let mut seen = BTreeSet::new();
        for package in required.iter().chain(&base) {
            if seen.insert(package) {
                debs.push(deb(&root, package, paths.get(package), interrupt)?);
            }
        }
        let indexes = indexes(request, &root)?;
        Ok(TargetDebs {
            debs,
            required: required.into_iter().collect(),
            sources: sources(request, &indexes),
        })
    }

    /// Selects all of them, the essential ones first.
    pub(super) fn select(&self, selection: &mut Selection) {
        selection.variant = Variant::Essential;
        selection.include.clear();
        selection.exclude.clear();
        selection.local.clone_from(&self.debs);
    }
}

/// The texts of the indexes that a tree has of the suites.
pub(super) fn index_texts(request: &Request, root: &Rootfs) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    for index in indexes(request, root)? {
        let content = root.read(&index.path)?.unwrap_or_default();
        texts.push(String::from_utf8_lossy(&content).into_owned());
    }
    Ok(texts)
}

/// The words of a file.
fn names(root: &Rootfs, file: &'static str) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for name in text(root, file)?.split_whitespace() {
        names.push(name.to_owned());
    }
    Ok(names)
}

fn text(root: &Rootfs, file: &'static str) -> Result<String, Error> {
    match root.read(&RootPath::known(file))? {
        Some(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
        None => Err(Error::Missing {
            path: root.path().join(file),
        }),
    }
}

/// Where the .debs are in the tree: a line NAME PATH each.
fn paths(root: &Rootfs) -> Result<BTreeMap<String, String>, Error> {
    let mut paths = BTreeMap::new();
    for line in text(root, PATHS)?.lines() {
        if let Some((name, path)) = line.trim().split_once(' ') {
            paths.insert(name.to_owned(), path.trim().to_owned());
        }
    }
    Ok(paths)
}

fn deb(
    root: &Rootfs,
    package: &str,
    path: Option<&String>,
    interrupt: &Interrupt,
) -> Result<LocalDeb, Error> {
    let no_path = || Error::NoPath {
        package: package.to_owned(),
        path: root.path().join(PATHS),
    };
    let path = path.ok_or_else(no_path)?;
    let inside = RootPath::parse(path).map_err(|_| no_path())?;
    let on_host = root.path().join(path.trim_start_matches('/'));
    let file = root.open_file(&inside)?.ok_or_else(|| Error::NoDeb {
        package: package.to_owned(),
        path: on_host.clone(),
    })?;
    Ok(local::read_file(path, &on_host, file, interrupt)?)
}

/// An index in var/lib/apt/lists.
struct TreeIndex {
    path: RootPath,
    /// Its mirror as [`list_name`] has it: with a `_` first, the directory of a host.
    mirror: String,
    suite: String,
    component: String,
}

/// The indexes of the suites, for the native architecture.
fn indexes(request: &Request, root: &Rootfs) -> Result<Vec<TreeIndex>, Error> {
    let directory = RootPath::known(LISTS);
    if !root.is_directory(&directory)? {
        return Ok(Vec::new());
    }
    let named = request.system.architectures.first();
    let host = arch::host().map(|host| host.name);
    let architecture = named.map(String::as_str).or(host).unwrap_or_default();
    let ending = format!("_binary-{architecture}_Packages");
    let mut found = Vec::new();
    for name in root.names(&directory)? {
        let text = String::from_utf8_lossy(&name).into_owned();
        let Some((mirror, place)) = text
            .strip_suffix(&ending)
            .and_then(|text| text.rsplit_once("_dists_"))
        else {
            continue;
        };
        // The name is the tarball's, and becomes a part of sources.list.
        if !is_writable(mirror) {
            continue;
        }
        for suite in suites(request) {
            let component = place.strip_prefix(suite);
            if let Some(component) = component.and_then(|rest| rest.strip_prefix('_')) {
                found.push(TreeIndex {
                    path: directory.entry(&name),
                    mirror: mirror.to_owned(),
                    suite: suite.to_owned(),
                    component: component.to_owned(),
                });
            }
        }
    }
    Ok(found)
}

/// The name that apt gives to the file of a URL in its lists.
pub(super) fn list_name(url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    place.replace('/', "_")
}

/// The suite and the extra ones.
fn suites(request: &Request) -> Vec<&str> {
    let mut suites = vec![request.system.suite.as_str()];
    if let Some(wanted) = &request.debootstrap {
        suites.extend(wanted.extra_suites.iter().map(String::as_str));
    }
    suites
}

/// The lines of sources.list, for MIRROR, or else for the mirror of the indexes. As with
/// debootstrap, only components that have an index are listed. A MIRROR without any index gets all
/// components.
fn sources(request: &Request, indexes: &[TreeIndex]) -> String {
    let given = request.sources.mirror.as_deref();
    let given = given.filter(|mirror| mirror.starts_with("http"));
    let wanted = request.debootstrap.as_ref();
    let default = wanted.map_or("", |wanted| wanted.default_mirror.as_str());
    let (mirror, place) = match (given, indexes.first()) {
        (Some(mirror), _) => {
            let mirror = store::public_mirror(mirror);
            let place = list_name(&mirror);
            (mirror, place)
        }
        // A directory of the host on which the tarball was made.
        (None, Some(index)) if index.mirror.starts_with('_') => {
            (default.to_owned(), index.mirror.clone())
        }
        (None, Some(index)) => {
            let mirror = format!("http://{}", index.mirror.replace('_', "/"));
            (mirror, index.mirror.clone())
        }
        (None, None) => return String::new(),
    };
    let mut lines = String::new();
    for suite in suites(request) {
        let mut components = request.sources.components.clone();
        let has = |component: &str| {
            indexes.iter().any(|index| {
                index.mirror == place && index.suite == suite && index.component == component
            })
        };
        if components.iter().any(|component| has(component)) {
            components.retain(|component| has(component));
        } else if given.is_none() {
            continue;
        }
        lines.push_str(&format!("deb {mirror} {suite} {}\n", components.join(" ")));
    }
    lines
}
