//! Version numbers and their order (deb-version(7), Policy 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A version as written, ordered as dpkg orders: `1.0` and `0:1.0-0` are equal.
#[derive(Clone)]
pub struct Version(String);

impl Version {
    /// Parses a version: an optional epoch, the upstream version, an optional revision.
    pub(crate) fn parse(text: &str) -> Result<Version, BadVersion> {
        // No other blanks: the resolver compares versions as they stand in a field.
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let epoch_is_number = text
            .split_once(':')
            .is_none_or(|(epoch, _)| epoch.parse::<u32>().is_ok());
        let known = |c: char| c.is_ascii_alphanumeric() || ".+-~:_".contains(c);
        if text.is_empty() || !epoch_is_number || text.ends_with(':') || !text.chars().all(known) {
            return Err(BadVersion {
                found: text.chars().take(80).collect(),
            });
        }
        Ok(Version(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The version without its epoch.
    pub(crate) fn without_epoch(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, rest)| rest)
    }

    /// Compares two versions as text, because an index has too many to copy them. Text that is not
    /// a version has a position in the order too, without a meaning.
    pub(crate) fn compare(a: &str, b: &str) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let ((epoch, upstream, revision), (other_epoch, other_upstream, other_revision)) =
            (parts(a), parts(b));
        epoch
            .cmp(&other_epoch)
            .then_with(|| compare(upstream, other_upstream))
            .then_with(|| compare(revision, other_revision))
    }
}

/// Checks a version as strictly as dpkg does in a control file (parseversion), and says what is
/// wrong.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty");
    }
    let rest = match text.split_once(':') {
        None => text,
        Some((epoch, rest)) => {
            if epoch.is_empty() || !epoch.bytes().all(|c| c.is_ascii_digit()) {
                return Err("its epoch is not a number");
            }
            if epoch.parse::<i32>().is_err() {
                return Err("its epoch is too large");
            }
            rest
        }
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    if upstream.is_empty() || revision.is_empty() {
        return Err("a part of it is empty");
    }
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("it does not start with a digit");
    }
    let is_known = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
    if !upstream.chars().all(|c| is_known(c, ".-+~:"))
        || !revision.chars().all(|c| is_known(c, ".+~"))
    {
        return Err("it has a character that no version has");
    }
    Ok(())
}

/// Epoch, upstream version, revision.
fn parts(version: &str) -> (u32, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch.parse().unwrap_or(0), upstream, revision)
}

/// Compares two upstream versions or revisions, text and numbers in turn: `~` sorts before the end,
/// the end before letters, letters before all else.
fn compare(a: &str, b: &str) -> Ordering {
    let mut a = a.as_bytes();
    let mut b = b.as_bytes();
    while !a.is_empty() || !b.is_empty() {
        loop {
            let x = weight(a.first());
            let y = weight(b.first());
            if x != y {
                return x.cmp(&y);
            }
            if x == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let x = number(&mut a);
        let y = number(&mut b);
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// A character's position in the order; 0 for the end and for a digit, which end a run of text.
fn weight(character: Option<&u8>) -> i32 {
    match character {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    }
}

/// Takes the leading digits. Returns them without leading zeros, so that a longer number is larger,
/// however long it is.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    &digits[zeros..]
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        Version::compare(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Hash for Version {
    /// Hashes only the epoch, which equal versions share. Versions are looked up by package first,
    /// so this is enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        parts(&self.0).0.hash(state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a version.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a version number")]
pub struct BadVersion {
    /// The text, cut at 80 characters.
    pub(crate) found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_dpkgs() {
        let version = |text| Version::parse(text).unwrap();
        let ascending = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a",
            "1.0+dfsg",
            "1.0.1",
            "1.2",
            "1.10",
            "3.13~",
            "3.13.5-1",
            "20250101",
            "99999999999999999999999999",
            "1:0.1",
            "2:0",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(version(a).cmp(&version(b)), i.cmp(&j), "{a} {b}");
            }
        }
        for (a, b) in [
            ("1.0", "0:1.0"),
            ("1.0", "1.0-0"),
            ("1.01", "1.1"),
            ("1.0-1", "1.00-01"),
            ("0", "0-0"),
        ] {
            assert_eq!(version(a), version(b), "{a} {b}");
        }
    }

    #[test]
    fn texts_that_are_no_versions_are_refused() {
        for bad in ["", " ", "a:1", "1:", "1 2", "1/2", "ä", "1\u{b}", "\u{c}1"] {
            let error = Version::parse(bad).unwrap_err();
            assert_eq!(error.found, bad.trim_matches(' '));
        }
    }
}
