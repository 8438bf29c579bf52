//! The user's further sources (`--source`): lines, and files in apt's formats.

use std::path::Path;

use super::super::Error;
use super::super::request::SourceOptions;
use super::leniency;
use crate::archive::sources::{self, SourceEntry};
use crate::archive::{BadSource, Exemptions, Expiry, Leniency, Source, SourceKeys, Trust};
use crate::formats::suite::Suites;
use crate::report::Report;
use crate::store;

/// What the user's further sources are read with.
pub(super) struct ExtraSources<'a> {
    pub(super) suites: &'a Suites,
    pub(super) architectures: &'a [String],
    pub(super) keys: &'a SourceKeys,
    pub(super) options: &'a SourceOptions,
}

impl ExtraSources<'_> {
    /// Reads every `--source`.
    pub(super) fn read_all(&self, report: &Report) -> Result<Vec<Source>, Error> {
        let mut list = Vec::new();
        for given in &self.options.extra_sources {
            list.extend(self.read(given, report)?);
        }
        Ok(list)
    }

    /// Reads one `--source`: a line, or a file of sources.
    fn read(&self, given: &str, report: &Report) -> Result<Vec<Source>, Error> {
        let is_line = given.trim_start().starts_with("deb") && given.contains(char::is_whitespace);
        let entries = match is_line {
            true => sources::parse("--source", given)?,
            false if sources::begins_with_url(given) => {
                return Err(Error::Source(BadSource::NoType {
                    line: store::hidden(given.trim()),
                }));
            }
            false => sources::read_file(Path::new(given))?,
        };
        if entries.is_empty() {
            report.note(format!(
                "--source {}: no source is enabled",
                store::hidden(given)
            ));
        }
        let mut list = Vec::new();
        for entry in entries {
            let source = self.source(&entry, Path::new("/"), report)?;
            if !entry.is_writable() {
                return Err(Error::Unwritable {
                    entry: entry.shown(),
                });
            }
            list.push(source);
        }
        Ok(list)
    }

    /// Makes a source of an entry. `root` is where the keyrings are that it names.
    pub(super) fn source(
        &self,
        entry: &SourceEntry,
        root: &Path,
        report: &Report,
    ) -> Result<Source, Error> {
        let mut source = entry.source(self.architectures, self.keys, root)?;
        warn_of_exemptions(entry, source.exemptions, report);
        source.leniency = self.leniency(entry);
        if !self.options.check_signatures {
            source.trust = Trust::Unchecked;
        }
        if self.options.accept_expired {
            source.expiry = Expiry::Ignore;
        }
        Ok(source)
    }

    /// What is accepted of a user's source: what apt accepts, unless it is a listed suite, signed
    /// by the distribution's keys.
    fn leniency(&self, entry: &SourceEntry) -> Leniency {
        let name = entry.suite();
        let codename = name.split(['-', '/']).next().unwrap_or(name);
        let suite = self
            .suites
            .find(name)
            .or_else(|| self.suites.find(codename));
        Leniency {
            max_future: entry.max_future(),
            absent_indexes: true,
            ..leniency(suite.filter(|_| !entry.has_own_keys()), self.options)
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
    if entry.distrusted {
        report.warning(format!(
            "trusted=no: {shown} is used if its signature is good; \
             apt installs its packages with --allow-unauthenticated only"
        ));
    }
    if exemptions.expired {
        report.warning(format!(
            "check-valid-until=no: {shown} is used even if it has expired: \
             a mirror can hold back its updates"
        ));
    }
    if exemptions.date {
        report.warning(format!(
            "check-date=no: {shown} is used even if its date is in the future; \
             the tree's apt then does not check Valid-Until either"
        ));
    }
    for option in &entry.unknown {
        report.warning(format!("{option} of {shown} is not supported and ignored"));
    }
    for option in &entry.without_effect {
        report.warning(format!(
            "{option} of {shown} has no effect: the check is not turned off"
        ));
    }
}
