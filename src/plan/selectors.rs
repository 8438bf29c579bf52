//! Words that select several packages, as in apt: patterns, `task^`, globs and regular expressions.
//!
//! A word that is the name of a package selects that package, even if it also is a pattern (apt's
//! CacheSetHelper::PackageFromString).

use super::Error;
use super::pattern::{self, is_glob_match, is_pattern, matching_packages};
use super::pool::{NameId, PackageId, Pool, UNKNOWN_ARCHITECTURE, VersionId};
use crate::formats::posix_regex::PosixRegex;
use crate::formats::stanza::Fields;

/// A glob has at least one of the first characters, a regular expression one of the second.
const OF_A_GLOB: &[char] = &['.', '?', '*', '[', ']', '!'];
const OF_A_REGEX: &[char] = &['.', '?', '+', '*', '|', '[', '^', '$'];

/// Whether any word may select several packages.
pub(crate) fn has_patterns(words: &[String]) -> bool {
    words.iter().any(|word| may_be_several(word))
}

/// Whether a word without a version may select several packages.
pub(super) fn may_be_several(word: &str) -> bool {
    is_pattern(word) || word.contains('^') || word.contains(OF_A_GLOB) || word.contains(OF_A_REGEX)
}

/// The packages that a word selects, in order of number. `None` for a word that can only be a name.
pub(super) fn packages(
    pool: &Pool<'_>,
    candidates: &[Option<VersionId>],
    word: &str,
) -> Result<Option<Vec<PackageId>>, Error> {
    if is_pattern(word) {
        let pattern = pattern::parse(word).map_err(|source| Error::Pattern {
            word: word.to_owned(),
            source,
        })?;
        return Ok(Some(matching_packages(pool, &pattern)));
    }
    let (name, architecture) = word.rsplit_once(':').unwrap_or((word, "native"));
    if let Some(task) = name.strip_suffix('^') {
        let found = of_task(pool, candidates, task, architecture);
        return Ok(Some(found).filter(|found| !found.is_empty()));
    }
    let glob = name_part(word, OF_A_GLOB);
    let globbed = named(pool, word, OF_A_GLOB, &|name| is_glob_match(glob, name));
    if !globbed.is_empty() {
        return Ok(Some(globbed));
    }
    if !word.contains(OF_A_REGEX) {
        return Ok(None);
    }
    let Ok(regex) = PosixRegex::new(name_part(word, OF_A_REGEX)) else {
        return Ok(None);
    };
    let found = named(pool, word, OF_A_REGEX, &|name| regex.is_match(name));
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// A word without its `:ARCHITECTURE`. A suffix with special characters is not an architecture.
fn name_part<'w>(word: &'w str, special: &[char]) -> &'w str {
    match word.rsplit_once(':') {
        Some((name, architecture)) if !architecture.contains(special) => name,
        _ => word,
    }
}

/// The packages whose names a test accepts, if the word has special characters.
fn named(
    pool: &Pool<'_>,
    word: &str,
    special: &[char],
    accepts: &dyn Fn(&str) -> bool,
) -> Vec<PackageId> {
    let mut found = Vec::new();
    if !word.contains(special) {
        return found;
    }
    let architecture = word[name_part(word, special).len()..].strip_prefix(':');
    for name in pool.names() {
        if accepts(name)
            && let Some(id) = pool.name(name)
        {
            found.extend(of_name(pool, id, architecture));
        }
    }
    found.sort();
    found
}

/// The package of a name: of an architecture, by default the native one or else the first that has
/// versions.
fn of_name(pool: &Pool<'_>, name: NameId, architecture: Option<&str>) -> Option<PackageId> {
    match architecture {
        Some("native" | "all") => pool.package(name, 0),
        Some(named) => pool.package(name, pool.architecture(named)),
        None => {
            let native = pool.package(name, 0);
            let mut others = pool.packages_named(name);
            native.or_else(|| others.find(|package| pool.has_versions(*package)))
        }
    }
}

/// The packages whose candidate has a task in its field Task.
fn of_task(
    pool: &Pool<'_>,
    candidates: &[Option<VersionId>],
    task: &str,
    architecture: &str,
) -> Vec<PackageId> {
    let number = match architecture {
        "native" => 0,
        named => pool.architecture(named),
    };
    let mut found = Vec::new();
    for package in pool.packages() {
        let Some(candidate) = candidates[package.index()] else {
            continue;
        };
        if number == UNKNOWN_ARCHITECTURE || pool[package].architecture != number {
            continue;
        }
        let stanza = Fields::read(pool[candidate].stanza);
        let tasks = stanza.one("Task").unwrap_or_default();
        if tasks.split([',', ' ']).any(|one| one == task) {
            found.push(package);
        }
    }
    found
}
