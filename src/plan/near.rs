//! What somebody may have meant who asks for a package that there is not.

use super::Error;
use super::pool::{Asked, Pool};

/// More names than this are noise.
const SHOWN: usize = 3;

/// The error for a name that no listing offers.
pub(super) fn unknown(pool: &Pool<'_>, name: &str) -> Error {
    Error::Unknown {
        package: name.to_owned(),
        near: nearest(pool, name),
    }
}

/// The names on offer that differ least from `wanted`, at most a third of its letters.
fn nearest(pool: &Pool<'_>, wanted: &str) -> Vec<String> {
    let most = (wanted.len() / 3).clamp(1, 4);
    let offered = pool
        .names()
        .iter()
        .filter(|name| name.len().abs_diff(wanted.len()) <= most);
    let mut near: Vec<(usize, &str)> = offered
        .filter_map(|name| distance(wanted, name, most).map(|d| (d, *name)))
        .collect();
    near.sort_unstable();
    let exists = |name: &str| {
        let Some(number) = pool.name(name) else {
            return false;
        };
        pool.packages_named(number)
            .any(|package| pool.versions(package).next().is_some())
            || pool.provides(number, Asked::Plainly).next().is_some()
    };
    near.into_iter()
        .map(|(_, name)| name)
        .filter(|name| exists(name))
        .take(SHOWN)
        .map(str::to_owned)
        .collect()
}

/// How many letters have to be added, dropped, replaced or swapped with their neighbour; `None` if more than `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            row[j] = (last[j] + 1)
                .min(row[j - 1] + 1)
                .min(last[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: usize = before_last[j - 2];
                row[j] = row[j].min(swapped + 1);
            }
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_bounded() {
        for (a, b, expected) in [
            ("nginx", "nginx", Some(0)),
            ("ngnix", "nginx", Some(1)),
            ("curl", "crul", Some(1)),
            ("vim", "emacs", None),
        ] {
            assert_eq!(distance(a, b, 2), expected, "{a} {b}");
        }
        assert_eq!(distance("", "ab", 2), Some(2));
    }
}
