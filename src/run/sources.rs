//! Turns a request into the apt sources that are read: the suite's own or the user's one mirror,
//! then the extra sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::request::{SourceOptions, System};
use crate::archive::sources::{self, SourceEntry};
use crate::archive::{self, Exemptions, Expiry, HostMirrors, Keyring, Leniency, Source, Trust};
use crate::formats::arch;
use crate::formats::suite::{MergedUsr, Pocket, Suite, Suites};
use crate::report::Report;

/// The sources of a run, and the suite that they make.
pub(super) struct Sources {
    pub(super) suite: Suite,
    /// In the order in which they are read.
    pub(super) list: Vec<Source>,
    /// Native first.
    pub(super) architectures: Vec<String>,
}

/// Chooses the sources of a system.
pub(super) fn choose(
    system: &System,
    options: &SourceOptions,
    report: &Report,
) -> Result<Sources, Error> {
    let suites = load_suites(&options.suite_directories)?;
    let suite = with_merged_usr(find(&suites, &system.suite, options)?, system)?;
    let mut architectures = system.architectures.clone();
    if architectures.is_empty() {
        architectures.push(host_architecture()?);
    }
    let trust = trust(&suite, options, report)?;
    let native = &architectures[0];
    let mut pockets = suite.pockets_for(native);
    let mut own_archive = None;
    if let Some(mirror) = &options.mirror {
        let is_known = pockets.iter().any(|pocket| pocket.uris.contains(mirror));
        own_archive = Some(sources::archive_at(mirror)).filter(|_| !is_known);
        use_mirror(&mut pockets, &system.suite, mirror);
    } else {
        if !options.pockets {
            pockets.truncate(1);
        }
        if let Some(host) = host_mirrors(&suites, &suite, native) {
            prefer(&host, &mut pockets, report);
        }
        if pockets.iter().any(|pocket| pocket.uris.is_empty()) {
            return Err(Error::Architecture {
                suite: system.suite.clone(),
                architecture: native.clone(),
            });
        }
    }
    add_mirrors(&mut pockets, &options.further_mirrors);

    let components = match options.components.as_slice() {
        [] => suite.default_components.clone(),
        given => given.to_vec(),
    };
    let keyring = suite.keyrings.first().filter(|_| suite.deb822_sources);
    let mut list = Vec::new();
    for pocket in pockets {
        let archive = match (&own_archive, pocket.uris.first()) {
            (Some(own), _) => own.clone(),
            // With keys of the user's own it is not the distribution's archive.
            (None, Some(uri)) if !options.keyrings.is_empty() => sources::archive_at(uri),
            (None, _) => format!("{} {}", suite.distribution, pocket.archive),
        };
        list.push(Source {
            archive,
            leniency: leniency(&suite, options),
            uris: pocket.uris,
            suite: pocket.suite,
            components: components.clone(),
            architectures: architectures.clone(),
            trust: trust.clone(),
            expiry: match options.accept_expired {
                true => Expiry::Ignore,
                false => Expiry::Check,
            },
            signed_by: keyring.map(|keyring| keyring.tree_path.clone()),
            pin: None,
            exemptions: Exemptions::default(),
        });
    }
    let extra = ExtraSources {
        suites: &suites,
        architectures: &architectures,
        trust: &trust,
        options,
    };
    for given in &options.extra_sources {
        list.extend(extra.read(given, report)?);
    }
    Ok(Sources {
        suite,
        list,
        architectures,
    })
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
    Ok(suite)
}

/// Leaves the release pocket alone, on the user's mirror. The mirror is asked for the suite by the
/// user's name for it, as debootstrap does.
fn use_mirror(pockets: &mut Vec<Pocket>, name: &str, mirror: &str) {
    pockets.truncate(1);
    for pocket in pockets {
        pocket.suite = name.to_owned();
        pocket.uris = vec![mirror.to_owned()];
    }
}

/// The mirrors that the host's own apt uses, if they serve this suite and architecture.
fn host_mirrors(suites: &Suites, suite: &Suite, native: &str) -> Option<HostMirrors> {
    let host = host_architecture().ok()?;
    if suite.end_of_life || !suite.shares_mirrors(native, &host) {
        return None;
    }
    let names = suites.names(&suite.distribution);
    Some(archive::host_mirrors(
        Path::new("/"),
        &suite.distribution,
        &names,
    ))
}

fn prefer(host: &HostMirrors, pockets: &mut [Pocket], report: &Report) {
    let mut reported = Vec::new();
    for pocket in pockets {
        if let Some(mirror) = host.prefer(pocket)
            && !reported.contains(&mirror)
        {
            report.note(format!("using the host's own mirror {mirror}"));
            reported.push(mirror);
        }
    }
}

/// Adds mirrors of the archive that has the release pocket. Security updates may be in another
/// archive.
fn add_mirrors(pockets: &mut [Pocket], mirrors: &[String]) {
    let Some(main) = pockets.first().map(|release| release.archive.clone()) else {
        return;
    };
    for pocket in pockets {
        if pocket.archive == main {
            pocket.uris.extend_from_slice(mirrors);
        }
    }
}

/// The trusted keys: those of the user's files, otherwise the suite's.
fn trust(suite: &Suite, options: &SourceOptions, report: &Report) -> Result<Trust, Error> {
    if !options.check_signatures {
        report.warning(
            "signatures are NOT checked: \
             anyone between this machine and the mirror can choose what is installed",
        );
        return Ok(Trust::Unchecked);
    }
    let mut files = Vec::new();
    for path in &options.keyrings {
        files.push((path.display().to_string(), read(path)?));
    }
    let mut keys = Vec::new();
    for (name, bytes) in &files {
        keys.push((name.as_str(), bytes.as_slice()));
    }
    if keys.is_empty() {
        for keyring in &suite.keyrings {
            keys.push((keyring.name.as_str(), &*keyring.bytes));
        }
    }
    Ok(Trust::Keys(Arc::new(Keyring::parse(&keys)?)))
}

/// What is accepted of the suite's own sources. Another suite is refused where the suite is known:
/// the same keys sign all suites of a distribution. A suite that no file lists is what its mirror
/// says.
fn leniency(suite: &Suite, options: &SourceOptions) -> Leniency {
    Leniency {
        former_keys: suite.ended,
        older: options.accept_older,
        other_suite: options.accept_other_suite || suite.distribution.is_empty(),
    }
}

/// What the user's further sources are read with.
struct ExtraSources<'a> {
    suites: &'a Suites,
    architectures: &'a [String],
    trust: &'a Trust,
    options: &'a SourceOptions,
}

impl ExtraSources<'_> {
    /// Reads one `--source`: a line, or a file of sources.
    fn read(&self, given: &str, report: &Report) -> Result<Vec<Source>, Error> {
        let is_line = given.trim_start().starts_with("deb") && given.contains(char::is_whitespace);
        let entries = match is_line {
            true => sources::parse("--source", given)?,
            false => sources::read_file(Path::new(given))?,
        };
        let mut list = Vec::new();
        for entry in entries {
            let mut source = entry.source(self.architectures, self.trust, Path::new("/"))?;
            warn_of_exemptions(&entry, source.exemptions, report);
            source.leniency = self.leniency(&entry);
            if !self.options.check_signatures {
                source.trust = Trust::Unchecked;
            }
            if self.options.accept_expired {
                source.expiry = Expiry::Ignore;
            }
            list.push(source);
        }
        Ok(list)
    }

    /// What is accepted of a user's source: as apt does, a Release that names another suite, unless
    /// the source is a distribution's own.
    fn leniency(&self, entry: &SourceEntry) -> Leniency {
        let name = entry.suite();
        let codename = name.split(['-', '/']).next().unwrap_or(name);
        let suite = self
            .suites
            .find(name)
            .or_else(|| self.suites.find(codename));
        let own = suite.filter(|_| !entry.has_own_keys());
        Leniency {
            former_keys: own.is_some_and(|suite| suite.ended),
            older: self.options.accept_older,
            other_suite: self.options.accept_other_suite || own.is_none(),
        }
    }
}

/// Warns of the checks that an entry turns off, in every run.
fn warn_of_exemptions(entry: &SourceEntry, exemptions: Exemptions, report: &Report) {
    let shown = entry.shown();
    if exemptions.unsigned {
        report.warning(format!(
            "trusted=yes: the signatures of {shown} are NOT checked: \
             anyone between this machine and the mirror can choose what is installed"
        ));
    }
    if exemptions.expired {
        report.warning(format!(
            "check-valid-until=no: {shown} is used even if it has expired: \
             a mirror can hold back its updates"
        ));
    }
    for option in &entry.without_effect {
        report.warning(format!(
            "{option} of {shown} has no effect: the check is not turned off"
        ));
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
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
mod tests {
    use super::*;

    fn options(mirror: Option<&str>) -> SourceOptions {
        SourceOptions {
            check_signatures: false,
            ..SourceOptions::from_mirror(mirror)
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "tests write their files with the standard library"
    )]
    fn components_are_those_of_the_suite_unless_given() {
        let directory = tempfile::tempdir().unwrap();
        let text = "distribution = \"debian\"\n[[suites]]\ncodename = \"mine\"\n\
                    components = [\"a\", \"b\"]\n";
        std::fs::write(directory.path().join("mine.toml"), text).unwrap();
        for (suite, given, expected) in [
            ("mine", &[][..], &["a", "b"][..]),
            ("mine", &["c"], &["c"]),
            ("trixie", &[], &["main"]),
        ] {
            let options = SourceOptions {
                suite_directories: vec![directory.path().to_owned()],
                components: given.iter().map(|name| (*name).to_owned()).collect(),
                ..options(None)
            };
            let sources = choose(&System::minbase(suite), &options, &Report::silent()).unwrap();
            assert_eq!(sources.list[0].components, expected, "{suite}");
        }
    }

    /// Suite and mirrors of each source, or the error.
    fn chosen(system: &System, options: &SourceOptions) -> String {
        let sources = match choose(system, options, &Report::silent()) {
            Ok(sources) => sources,
            Err(error) => return error.to_string(),
        };
        let mut lines = Vec::new();
        for source in sources.list {
            lines.push(format!("{} {}", source.suite, source.uris.join(" ")));
        }
        lines.join("\n")
    }

    #[test]
    fn a_mirror_serves_the_release_pocket_by_the_users_name() {
        let mut given = options(Some("http://m/debian"));
        given.further_mirrors.push("http://n/debian".into());
        assert_eq!(
            chosen(&System::minbase("stable"), &given),
            "stable http://m/debian http://n/debian"
        );
    }

    #[test]
    fn extra_sources_follow_with_one_mirror_each() {
        let mut given = options(Some("http://m/debian"));
        let line = "deb http://x/debian sid main";
        given.extra_sources.push(line.into());
        assert_eq!(
            chosen(&System::minbase("trixie"), &given),
            "trixie http://m/debian\nsid http://x/debian"
        );
    }

    #[test]
    fn a_suite_that_no_file_lists_needs_a_mirror_and_a_keyring() {
        let mirror = Some("http://m/own");
        let mut given = options(None);
        assert_eq!(
            chosen(&System::minbase("own"), &given),
            "unknown suite `own`"
        );
        given.keyrings.push("own.gpg".into());
        assert_eq!(
            chosen(&System::minbase("own"), &given),
            "no suite file lists `own`, so it needs a MIRROR"
        );
        let mut checked = options(mirror);
        checked.check_signatures = true;
        assert_eq!(
            chosen(&System::minbase("own"), &checked),
            "no suite file lists `own`, so it needs a --keyring"
        );
        assert_eq!(
            chosen(&System::minbase("own"), &options(mirror)),
            "own http://m/own"
        );
    }

    #[test]
    fn usr_cannot_be_split_where_packages_ship_it_merged() {
        let mut split = System::minbase("trixie");
        split.merged_usr = Some(false);
        assert_eq!(
            chosen(&split, &options(Some("http://m/debian"))),
            "`trixie` does not support --no-merged-usr"
        );
    }

    #[test]
    fn typing_errors_in_suite_names_are_recognised() {
        let suites = load_suites(&[]).unwrap();
        for typed in ["trixi", "trixiee", "trixei", "trlxie", "rtixie"] {
            assert_eq!(similar_names(&suites, typed), ["trixie"], "{typed}");
        }
        for typed in ["tri", "eixirt", "debian"] {
            let none: [&str; 0] = [];
            assert_eq!(similar_names(&suites, typed), none, "{typed}");
        }
    }
}
