//! Suggestions for misspelled package names.

use super::Error;
use super::pool::{NameId, Pool, TargetForm};

/// The most names that are suggested.
const MAX_SUGGESTIONS: usize = 3;

/// The error for a name that no listing has.
pub(super) fn unknown(pool: &Pool<'_>, name: &str) -> Error {
    Error::Unknown {
        package: name.to_owned(),
        suggestions: suggestions(pool, name),
    }
}

/// The existing names within a small edit distance of `requested`, the nearest first.
fn suggestions(pool: &Pool<'_>, requested: &str) -> Vec<String> {
    let limit = (requested.len() / 3).clamp(1, 4);
    let mut similar: Vec<(usize, &str)> = Vec::new();
    for name in pool.names() {
        if name.len().abs_diff(requested.len()) > limit {
            continue;
        }
        let distance = strsim::osa_distance(requested, name);
        if distance <= limit {
            similar.push((distance, name));
        }
    }
    similar.sort_unstable();
    let mut suggestions = Vec::new();
    for (_, name) in similar {
        if pool.name(name).is_some_and(|name| exists(pool, name)) {
            suggestions.push(name.to_owned());
        }
        if suggestions.len() == MAX_SUGGESTIONS {
            break;
        }
    }
    suggestions
}

/// Whether a name has a version or a provider; others are only mentioned.
fn exists(pool: &Pool<'_>, name: NameId) -> bool {
    for package in pool.packages_named(name) {
        if pool.has_versions(package) {
            return true;
        }
    }
    pool.provides(name, TargetForm::Plain).next().is_some()
}
