//! What a run does for a tree as debootstrap makes it: its choice of packages, one-line sources,
//! the files of the archive in /var/lib/apt/lists, and .debs that are on this host already.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::inputs::Inputs;
use super::request::Request;
use super::sources::{self, Sources};
use super::target_debs::{self, TargetDebs};
use crate::archive::{IndexReader, ListFile};
use crate::formats::fields::{Field, PackageFields};
use crate::formats::stanza;
use crate::formats::suite::{MergedUsr, Suite, Variant};
use crate::install::{DebootstrapOptions, HostFile, InstallPlan, RequiredPackages};
use crate::interrupt::Interrupt;
use crate::plan::Selection;
use crate::report::Report;
use crate::store::{self, downloads::Downloads};
use crate::tree::apt::{AptFile, archive_path};
use crate::tree::rootfs::{RootPath, Rootfs};

/// The suites of Debian's whose /usr is merged by debootstrap rather than by a package, except in
/// buildd chroots.
const MERGED_BY_SCRIPT: [&str; 3] = ["buster", "bullseye", "bookworm"];
/// The suites of Debian's whose buildd chroots have all required packages.
const BEFORE_TRIXIE: [&str; 4] = ["stretch", "buster", "bullseye", "bookworm"];
/// The suites whose packages may have an unmerged /usr without a word about it.
const BEFORE_BOOKWORM: [&str; 3] = ["stretch", "buster", "bullseye"];
const UNMERGED: &str = "etc/unsupported-skip-usrmerge-conversion";
const UNMERGED_TEXT: &[u8] = b"this system will not be supported in the future\n";

/// The packages that the target has, where they alone are installed.
pub(super) fn target_debs(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Option<TargetDebs>, target_debs::Error> {
    let wanted = request.debootstrap.as_ref();
    let is_wanted = wanted.is_some_and(|wanted| wanted.debs_of_target);
    let Some(target) = request.outputs.directory.as_ref().filter(|_| is_wanted) else {
        return Ok(None);
    };
    report.warning("no signature vouches for the packages of the tarball");
    let found = TargetDebs::read(request, target, interrupt)?;
    if found.sources.is_empty() {
        report.warning("the tarball has no index, so the tree's apt has no sources: name a MIRROR");
    }
    Ok(Some(found))
}

/// The options of a tree as debootstrap's, if it is to be one.
pub(super) fn options(
    request: &Request,
    suite: &Suite,
    target_debs: Option<&TargetDebs>,
) -> Option<DebootstrapOptions> {
    let wanted = request.debootstrap.as_ref()?;
    let mut files = wanted.host_files.clone();
    let is_silent = BEFORE_BOOKWORM.contains(&suite.codename.as_str());
    let is_unmerged = suite.merged_usr == MergedUsr::No && suite.distribution == "debian";
    // Written at the user's word, even where the packages merge /usr all the same.
    let is_refused = request.system.merged_usr == Some(false);
    if (is_unmerged || is_refused) && !is_silent {
        files.push(HostFile {
            path: RootPath::known(UNMERGED),
            content: UNMERGED_TEXT.to_vec(),
            mode: 0o644,
        });
    }
    Some(DebootstrapOptions {
        files,
        only_downloads: wanted.only_downloads,
        saves_state: wanted.saves_state,
        keeps_directory: wanted.keeps_directory,
        has_debs: wanted.debs_of_target,
        required: match target_debs {
            Some(found) => RequiredPackages::Named(found.required.clone()),
            None => required_packages(request, suite),
        },
    })
}

/// Which packages debootstrap's script of the suite installs first.
fn required_packages(request: &Request, suite: &Suite) -> RequiredPackages {
    let is_old = BEFORE_TRIXIE.contains(&suite.codename.as_str());
    let is_buildd = request.system.variant == Variant::Buildd;
    match is_buildd && suite.distribution == "debian" && !is_old {
        true => RequiredPackages::Essential,
        false => RequiredPackages::OfPriority,
    }
}

/// Chooses the sources. Whether /usr is merged is as debootstrap's script of the suite has it.
pub(super) fn choose_sources(request: &Request, report: &Report) -> Result<Sources, Error> {
    let Some(debootstrap) = &request.debootstrap else {
        return sources::choose(&request.system, &request.sources, report);
    };
    let mut system = request.system.clone();
    system.merged_usr = None;
    let mut sources = match debootstrap.debs_of_target {
        true => sources::without_archive(&system, &request.sources)?,
        false => sources::choose(&system, &request.sources, report)?,
    };
    let suite = &mut sources.suite;
    let wanted = request.system.merged_usr;
    if MERGED_BY_SCRIPT.contains(&suite.codename.as_str()) {
        // debootstrap has the codename from the archive's release.
        let is_known = !debootstrap.debs_of_target;
        let is_merged = wanted.unwrap_or(!is_known || system.variant != Variant::Buildd);
        suite.merged_usr = match is_merged {
            true => MergedUsr::MadeFirst,
            false => MergedUsr::No,
        };
    } else if wanted == Some(false) && suite.merged_usr == MergedUsr::Shipped {
        let name = &system.suite;
        report.warning(format!("{name} needs a merged /usr, which it gets"));
    } else if wanted == Some(false) {
        suite.merged_usr = MergedUsr::No;
    }
    Ok(sources)
}

/// Adapts the choice of packages to what debootstrap's script of the suite says.
pub(super) fn adapt(selection: &mut Selection, sources: &Sources) {
    let suite = &sources.suite;
    let codename = suite.codename.as_str();
    if suite.distribution == "debian" {
        if selection.variant == Variant::Buildd && BEFORE_TRIXIE.contains(&codename) {
            selection.variant = Variant::Minbase;
            selection.include.push("build-essential".to_owned());
        }
        if codename == "bookworm" {
            selection.include.push("usr-is-merged".to_owned());
        }
        if !BEFORE_BOOKWORM.contains(&codename) {
            selection.exclude.push("usrmerge".to_owned());
        }
    }
    let first = sources.list.first().and_then(|source| source.uris.first());
    if first.is_some_and(|uri| uri.starts_with("https://")) {
        selection.include.push("ca-certificates".to_owned());
    }
}

/// Prepares a plan: one-line sources, and .debs of this host before those of the mirrors.
pub(super) fn prepare(
    plan: &mut InstallPlan,
    request: &Request,
    inputs: &Inputs,
    reader: &IndexReader<'_>,
) {
    if request.debootstrap.is_none() {
        return;
    }
    let sources = &inputs.sources;
    let found = inputs.target_debs.as_ref();
    let mut text = found.map_or(String::new(), |found| found.sources.clone());
    for (source, components) in sources.list.iter().zip(reader.components()) {
        // A directory of this host is not in the tree: as with debootstrap, it has no line.
        let uri = source.uris.first().filter(|uri| uri.starts_with("http"));
        let Some(uri) = uri.filter(|_| !components.is_empty()) else {
            continue;
        };
        let uri = store::public_mirror(uri);
        let components = components.join(" ");
        text.push_str(&format!("deb {uri} {} {components}\n", source.suite));
    }
    plan.apt = vec![AptFile {
        path: RootPath::known("etc/apt/sources.list"),
        content: text.into_bytes(),
        mode: 0o644,
    }];
    let directories = directories(request);
    for (chosen, deb) in plan.plan.packages().iter().zip(&mut plan.debs) {
        let path = archive_path(&chosen.package().key());
        let name = path.rsplit('/').next().unwrap_or_default();
        for directory in &directories {
            let file = directory.join(name);
            if file.is_file() {
                deb.urls.insert(0, store::file_url(&file));
            }
        }
    }
}

/// The directories of this host that may have .debs by apt's names.
fn directories(request: &Request) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    if let Some(wanted) = &request.debootstrap {
        directories.extend(wanted.packages.clone());
        let target = request.outputs.directory.as_ref();
        directories.extend(target.map(|target| target.join("var/cache/apt/archives")));
    }
    directories
}

/// Whether such a directory exists. Then no package is downloaded before the plan says which file
/// it is.
pub(super) fn may_have_packages(request: &Request) -> bool {
    directories(request).iter().any(|one| one.is_dir())
}

/// Writes the indexes into a tree that is to have them.
pub(super) fn prepare_tree(
    request: &Request,
    root: &Rootfs,
    reader: &IndexReader<'_>,
    plan: &InstallPlan,
) -> Result<(), Error> {
    let Some(wanted) = &request.debootstrap else {
        return match request.additions.has_lists {
            true => write_lists(root, &as_apt_keeps(reader.lists()?)),
            false => Ok(()),
        };
    };
    let lists = reader.lists()?;
    write_lists(root, &lists)?;
    let mut indexes = Vec::new();
    for list in lists.iter().filter(|list| list.url.ends_with("Packages")) {
        indexes.push(String::from_utf8_lossy(&list.content).into_owned());
    }
    if wanted.debs_of_target {
        indexes = target_debs::index_texts(request, root)?;
    }
    write_available(root, &indexes, plan)
}

/// Whether the tree has the indexes while packages are installed.
pub(super) fn writes_lists(request: &Request) -> bool {
    request.debootstrap.is_some() || request.additions.has_lists
}

/// The files that apt keeps: an InRelease and no other release file of the same source.
fn as_apt_keeps(lists: Vec<ListFile>) -> Vec<ListFile> {
    let mut inline = BTreeSet::new();
    for list in &lists {
        inline.extend(list.url.strip_suffix("/InRelease").map(str::to_owned));
    }
    let is_kept = |list: &ListFile| {
        let (base, name) = list.url.rsplit_once('/').unwrap_or_default();
        !matches!(name, "Release" | "Release.gpg") || !inline.contains(base)
    };
    let mut kept = lists;
    kept.retain(is_kept);
    kept
}

/// Writes releases and indexes, named after their URLs.
fn write_lists(root: &Rootfs, lists: &[ListFile]) -> Result<(), Error> {
    for list in lists {
        let name = target_debs::list_name(&list.url);
        let path = RootPath::known(target_debs::LISTS).entry(name.as_bytes());
        root.write(&path, &list.content, 0o644)?;
    }
    Ok(())
}

/// Fills dpkg's list of available packages from indexes, where the tree has one.
fn write_available(root: &Rootfs, indexes: &[String], plan: &InstallPlan) -> Result<(), Error> {
    let path = RootPath::known("var/lib/dpkg/available");
    if !root.exists(&path)? {
        return Ok(());
    }
    let mut chosen = BTreeSet::new();
    for package in plan.plan.packages() {
        chosen.insert(package.package().name.clone());
    }
    let mut available = String::new();
    for index in indexes {
        add_available(index, &chosen, &mut available);
    }
    Ok(root.write(&path, available.as_bytes(), 0o644)?)
}

/// Adds the stanzas of all versions of the chosen packages.
fn add_available(index: &str, chosen: &BTreeSet<String>, available: &mut String) {
    for stanza in stanza::stanzas(index) {
        let fields = PackageFields::read(stanza);
        let name = fields.map_or("", |fields| fields.get(Field::Package));
        if chosen.contains(name) {
            available.push_str(stanza);
            available.push('\n');
        }
    }
}

/// Copies .debs into the user's own directory of packages.
pub(super) fn keep_packages(
    request: &Request,
    plan: &InstallPlan,
    fetch: &Downloads,
    report: &Report,
) -> Result<(), Error> {
    let wanted = request.debootstrap.as_ref();
    let Some(directory) = wanted.and_then(|wanted| wanted.packages.as_ref()) else {
        return Ok(());
    };
    for (chosen, deb) in plan.plan.packages().iter().zip(&plan.debs) {
        let path = archive_path(&chosen.package().key());
        let file = directory.join(path.rsplit('/').next().unwrap_or_default());
        if file.exists() {
            continue;
        }
        let verified = fetch.original(deb).map_err(Error::Fetch)?;
        let copied = verified.open().and_then(|mut deb| copy(&mut deb, &file));
        if let Err(error) = copied {
            report.warning(format!("cannot keep {}: {error}", file.display()));
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a directory of packages is the user's own, and not in the tree"
)]
fn copy(deb: &mut File, path: &Path) -> io::Result<()> {
    let temporary = path.with_extension("deb.part");
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o644);
    let mut written = options.open(&temporary)?;
    let copied = io::copy(deb, &mut written).and_then(|_| fs::rename(&temporary, path));
    if copied.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "no tree is written")]
    fn a_deb_that_cannot_be_kept_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let deb = place.path().join("deb");
        fs::write(&deb, "x").unwrap();
        let taken = place.path().join("taken_1_all.deb");
        fs::create_dir_all(taken.join("by a directory")).unwrap();
        let mut writable = File::options().append(true).open(&deb).unwrap();
        let unread = copy(&mut writable, &place.path().join("unread_1_all.deb"));
        unread.unwrap_err();
        copy(&mut File::open(&deb).unwrap(), &taken).unwrap_err();
        copy(&mut File::open(&deb).unwrap(), &place.path().join("x.deb")).unwrap();
        let mut names = Vec::new();
        for entry in fs::read_dir(place.path()).unwrap() {
            names.push(entry.unwrap().file_name());
        }
        names.sort();
        assert_eq!(names, ["deb", "taken_1_all.deb", "x.deb"]);
    }
}
