//! Turns a request into the apt sources that are read: the suite's own or the user's one mirror,
//! then the extra sources.

mod extra;
mod in_tree;
mod listed;
mod only;
mod pockets;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::extra::ExtraSources;
pub(super) use self::in_tree::in_tree;
pub(super) use self::listed::Sources;
pub(super) use self::pockets::named_mirrors;
use self::pockets::{PocketChoice, public_pockets, snapshot_name};
use super::Error;
use super::request::{ListedSources, SourceOptions, System};
use crate::archive::sources;
use crate::archive::{
    self, Exemptions, Expiry, Keyring, Leniency, Source, SourceKeys, TreeKeys, Trust,
};
use crate::formats::arch;
use crate::formats::snapshot_time::SnapshotTime;
use crate::formats::suite::{MergedUsr, Pocket, Suite, Suites, Variant};
use crate::report::Report;

/// Chooses the sources of a system.
pub(super) fn choose(
    system: &System,
    options: &SourceOptions,
    report: &Report,
) -> Result<Sources, Error> {
    let suites = load_suites(&options.suite_directories)?;
    if let Some(texts) = &options.only {
        return only::choose(texts, &suites, system, options, report);
    }
    let suite = with_merged_usr(find(&suites, &system.suite, options)?, system)?;
    let architectures = architectures(system)?;
    let keys = keys(&suite, options, report)?;
    let native = &architectures[0];
    let all = suite.pockets_for(native);
    let archives = archive_names(&suite, &all, options);
    let pockets = PocketChoice {
        suites: &suites,
        suite: &suite,
        name: &system.suite,
        architecture: native,
        options,
    }
    .choose(report)?;
    let used_archives = match options.snapshot {
        // A snapshot is an archive of its own: neither is older or newer than the other.
        Some(_) => pockets.iter().map(snapshot_name).collect(),
        None => archives.clone(),
    };
    let own = OwnSources {
        suite: &suite,
        architectures: &architectures,
        keys: &keys,
        options,
    };
    let used = own.sources(&pockets, &used_archives);
    let extra = ExtraSources {
        suites: &suites,
        architectures: &architectures,
        keys: &keys,
        options,
    };
    let extra = extra.read_all(report)?;
    let sources = Sources {
        own: used.len(),
        list: [used, extra].concat(),
        public: own.sources(&public_pockets(&all, options), &archives),
        choice: options.listed,
        is_snapshot: options.snapshot.is_some(),
        keeps_logins: options.keeps_logins,
        suite: suite.clone(),
        architectures: architectures.clone(),
        recorded: Vec::new(),
    };
    Ok(sources)
}

/// A system whose packages come from no archive. The suite need not be listed.
pub(super) fn without_archive(system: &System, options: &SourceOptions) -> Result<Sources, Error> {
    let suites = load_suites(&options.suite_directories)?;
    let known = suites.find(&system.suite).cloned();
    let suite = known.unwrap_or_else(|| Suite::unlisted(&system.suite));
    let architectures = architectures(system)?;
    Ok(Sources {
        own: 0,
        list: Vec::new(),
        public: Vec::new(),
        choice: ListedSources::Nothing,
        is_snapshot: false,
        keeps_logins: false,
        suite: with_merged_usr(suite, system)?,
        architectures,
        recorded: Vec::new(),
    })
}

/// The names of the pockets' archives, by which their newest dates are remembered: the
/// distribution's, whichever mirror serves it, unless the user names another mirror or other keys.
fn archive_names(suite: &Suite, pockets: &[Pocket], options: &SourceOptions) -> Vec<String> {
    let has_own_keys = !options.keyrings.is_empty();
    let mut names = Vec::with_capacity(pockets.len());
    for pocket in pockets {
        let own = match &options.mirror {
            Some(mirror) if has_own_keys || !is_listed(pocket, mirror) => Some(mirror),
            None if has_own_keys => pocket.uris.first(),
            Some(_) | None => None,
        };
        names.push(match own {
            Some(uri) => sources::archive_at(uri),
            None => format!("{} {}", suite.distribution, pocket.archive),
        });
    }
    names
}

/// Whether a pocket lists a mirror, with or without a slash at its end.
fn is_listed(pocket: &Pocket, mirror: &str) -> bool {
    let wanted = sources::archive_at(mirror);
    let mut listed = pocket.uris.iter().map(|uri| sources::archive_at(uri));
    listed.any(|uri| uri == wanted)
}

/// What the suite's own sources are made of besides their pockets.
struct OwnSources<'a> {
    suite: &'a Suite,
    architectures: &'a [String],
    keys: &'a SourceKeys,
    options: &'a SourceOptions,
}

impl OwnSources<'_> {
    /// The sources of pockets. `archives` are their archives' names.
    fn sources(&self, pockets: &[Pocket], archives: &[String]) -> Vec<Source> {
        let mut sources = Vec::new();
        for (pocket, archive) in pockets.iter().zip(archives) {
            sources.push(self.source(pocket.clone(), archive));
        }
        sources
    }

    fn source(&self, pocket: Pocket, archive: &str) -> Source {
        let components = match self.options.components.as_slice() {
            [] => self.suite.default_components.clone(),
            given => given.to_vec(),
        };
        let SourceKeys {
            trust,
            tree,
            packaged,
        } = self.keys.clone();
        Source {
            uris: pocket.uris,
            suite: pocket.suite,
            components,
            architectures: self.architectures.to_vec(),
            trust,
            expiry: match self.options.accept_expired {
                true => Expiry::Ignore,
                false => Expiry::Check,
            },
            tree_keys: tree,
            packaged,
            pin: None,
            exemptions: Exemptions::default(),
            archive: archive.to_owned(),
            leniency: Leniency {
                as_of: self.options.snapshot.map(SnapshotTime::seconds),
                ..leniency(known(self.suite), self.options)
            },
        }
    }
}

/// All known suites: the built-in ones and those of the user's files.
pub(crate) fn load_suites(directories: &[PathBuf]) -> Result<Suites, Error> {
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    Ok(Suites::load(&directories)?)
}

/// Finds a suite by any of its names. A suite that no file lists needs a mirror and a keyring.
fn find(suites: &Suites, name: &str, options: &SourceOptions) -> Result<Suite, Error> {
    if let Some(suite) = suites.find(name) {
        return Ok(suite.clone());
    }
    let needs = match (&options.mirror, options.keyrings.is_empty()) {
        (None, true) => {
            return Err(Error::UnknownSuite {
                name: name.to_owned(),
                similar: similar_names(suites, name),
            });
        }
        (None, false) => "a MIRROR",
        (Some(_), true) if options.check_signatures => "a --keyring",
        (Some(_), _) => return Ok(Suite::unlisted(name)),
    };
    Err(Error::UnlistedSuite {
        name: name.to_owned(),
        needs,
    })
}

/// The suite names that are one typing error away: a letter added, missing or wrong, or two letters
/// swapped.
fn similar_names(suites: &Suites, name: &str) -> Vec<String> {
    let mut similar = Vec::new();
    for suite in suites.all() {
        for known in suite.aliases.iter().chain([&suite.codename]) {
            if strsim::osa_distance(known, name) <= 1 {
                similar.push(known.clone());
            }
        }
    }
    similar
}

fn with_merged_usr(mut suite: Suite, system: &System) -> Result<Suite, Error> {
    // No script moves the directories later.
    if system.variant == Variant::Scratch && system.merged_usr != Some(false) {
        suite.merged_usr = MergedUsr::MadeFirst;
        return Ok(suite);
    }
    // Only the user's packages are installed, so usr-is-merged is not.
    if system.variant.has_own_packages() && suite.merged_usr == MergedUsr::WithPackage {
        suite.merged_usr = MergedUsr::No;
    }
    match (system.merged_usr, suite.merged_usr) {
        (Some(false), MergedUsr::Shipped) => {
            return Err(Error::MergedUsr {
                suite: system.suite.clone(),
                option: "no-merged-usr",
            });
        }
        (Some(false), _) => suite.merged_usr = MergedUsr::No,
        (Some(true), MergedUsr::No) => suite.merged_usr = MergedUsr::MadeFirst,
        (Some(true), _) | (None, _) => {}
    }
    let may_have_package = suite.merged_usr == MergedUsr::Shipped && system.usr_is_merged;
    if may_have_package && !system.variant.has_own_packages() {
        suite.merged_usr = MergedUsr::WithPackage;
    }
    Ok(suite)
}

/// The trusted keys: those of the user's files, otherwise the suite's.
fn keys(suite: &Suite, options: &SourceOptions, report: &Report) -> Result<SourceKeys, Error> {
    let mut files = Vec::new();
    for path in &options.keyrings {
        let content = read(path, Some("--keyring or RBOOTSTRAP_KEYRING"))?;
        files.push((path.display().to_string(), content));
    }
    let mut further = Vec::new();
    for path in &options.further_keyrings {
        let content = read(path, None)?;
        further.push((path.display().to_string(), content));
    }
    let mut keys = Vec::new();
    for (name, bytes) in files.iter().chain(&further) {
        keys.push((name.as_str(), bytes.as_slice()));
    }
    if files.is_empty() {
        for keyring in &suite.keyrings {
            keys.push((keyring.name.as_str(), &*keyring.bytes));
        }
    }
    let trust = match options.check_signatures {
        true => Trust::Keys(Arc::new(Keyring::parse(&keys)?)),
        false => {
            report.warning(
                "signatures are NOT checked: \
                 anyone between this machine and the mirror can choose what is installed",
            );
            Trust::Unchecked
        }
    };
    if files.is_empty() {
        return Ok(SourceKeys {
            trust,
            tree: TreeKeys::of_suite(suite),
            packaged: None,
        });
    }
    let mut contents = Vec::new();
    for (_, content) in files {
        contents.push(content);
    }
    Ok(SourceKeys {
        trust,
        tree: TreeKeys::own(suite, &contents),
        packaged: archive::packaged(suite),
    })
}

/// What is accepted of the releases of a suite that a file lists, or of another source. Another
/// suite is refused where the suite is listed: the same keys sign all suites of a distribution. Any
/// other source is what its mirror says.
fn leniency(listed: Option<&Suite>, options: &SourceOptions) -> Leniency {
    Leniency {
        former_keys: listed.is_some_and(|suite| suite.ended),
        older: options.accept_older,
        other_suite: options.accept_other_suite || listed.is_none(),
        no_date: listed.is_none(),
        max_future: None,
        absent_indexes: false,
        as_of: None,
    }
}

/// The suite if a file lists it.
fn known(suite: &Suite) -> Option<&Suite> {
    Some(suite).filter(|suite| !suite.distribution.is_empty())
}

/// Reads a keyring. `option` names it.
fn read(path: &Path, option: Option<&'static str>) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        option,
        source,
    })
}

/// The architectures of a system, native first: the user's, otherwise the host's. Fails for a name
/// that no archive gives an architecture.
fn architectures(system: &System) -> Result<Vec<String>, Error> {
    for name in &system.architectures {
        let is_none = ["all", "any", "native", "source", "none"].contains(&name.as_str());
        let meant = arch::meant(name);
        if is_none || meant.is_some() {
            return Err(Error::NotAnArchitecture {
                name: name.clone(),
                meant,
            });
        }
    }
    match system.architectures.is_empty() {
        true => Ok(vec![host_architecture()?]),
        false => Ok(system.architectures.clone()),
    }
}

/// Debian's name for the architecture that this program was built for.
fn host_architecture() -> Result<String, Error> {
    match arch::host() {
        Some(host) => Ok(host.name.into()),
        None => Err(Error::HostArchitecture {
            found: std::env::consts::ARCH.into(),
        }),
    }
}

#[cfg(test)]
mod tests;
