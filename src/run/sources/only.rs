//! Sources that the user gives alone, in place of a suite's own.

use std::path::Path;

use super::super::Error;
use super::super::request::{ListedSources, SourceOptions, SourceText, System};
use super::extra::ExtraSources;
use super::{Sources, architectures, keys, with_merged_usr};
use crate::archive::sources;
use crate::formats::suite::{Suite, Suites};
use crate::report::Report;

/// Reads the sources. The suite is the one that the user names or else that of the first source;
/// its keys are trusted, and it need not be listed.
pub(super) fn choose(
    texts: &[SourceText],
    suites: &Suites,
    system: &System,
    options: &SourceOptions,
    report: &Report,
) -> Result<Sources, Error> {
    let mut entries = Vec::new();
    for given in texts {
        entries.extend(sources::parse(&given.name, &given.text)?);
    }
    let first = entries.first().map_or("", |entry| entry.suite());
    let name = match system.suite.as_str() {
        "" => first,
        named => named,
    };
    let own = name.split(['-', '/']).next().unwrap_or(name);
    let known = suites.find(name).or_else(|| suites.find(own));
    let suite = known.cloned().unwrap_or_else(|| Suite::unlisted(name));
    let suite = with_merged_usr(suite, system)?;
    let architectures = architectures(system)?;
    let keys = keys(&suite, options, report)?;
    let extra = ExtraSources {
        suites,
        architectures: &architectures,
        keys: &keys,
        options,
    };
    let mut list = Vec::new();
    for entry in entries {
        list.push(extra.source(&entry, Path::new("/"), report)?);
    }
    Ok(Sources {
        own: 0,
        list,
        public: Vec::new(),
        choice: ListedSources::Nothing,
        is_snapshot: false,
        keeps_logins: false,
        suite,
        architectures: architectures.clone(),
        recorded: Vec::new(),
    })
}
