//! Values of options: lists, sizes, times, mirrors.

use std::time::Duration;

use crate::archive::sources;
use crate::formats::snapshot_time::SnapshotTime;
use crate::store;

/// Splits values at commas and blanks, as debootstrap and mmdebstrap do.
pub(super) fn words(values: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for value in values {
        for word in value.split([',', ' ', '\t', '\n']) {
            if !word.is_empty() {
                words.push(word.to_owned());
            }
        }
    }
    words
}

/// As [`words`]; a value that begins as one of apt's patterns is one word.
pub(super) fn package_words(values: &[String]) -> Vec<String> {
    let mut packages = Vec::new();
    for value in values {
        match value.starts_with(['?', '~', '!', '(']) {
            true => packages.push(value.clone()),
            false => packages.extend(words(std::slice::from_ref(value))),
        }
    }
    packages
}

/// As [`words`], each word once.
pub(super) fn distinct(values: &[String]) -> Vec<String> {
    let mut distinct = Vec::new();
    for word in words(values) {
        if !distinct.contains(&word) {
            distinct.push(word);
        }
    }
    distinct
}

/// The hint for a URL that could be fetched, but not written to sources.list.
const URLS: &str = "a URL begins with http://, https://, file: or copy:";

/// Where the URL of a mirror is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MirrorOrigin {
    /// MIRROR
    Argument,
    /// `--mirror`
    Option,
    /// RBOOTSTRAP_MIRROR
    Variable,
}

/// A mirror that is not a URL.
#[derive(Debug, thiserror::Error)]
#[error("`{found}`{} is not the URL of a mirror: {reason}", origin.shown())]
pub(super) struct NotAMirror {
    found: String,
    reason: String,
    hint: Option<&'static str>,
    origin: MirrorOrigin,
}

impl MirrorOrigin {
    fn shown(self) -> &'static str {
        match self {
            MirrorOrigin::Argument => "",
            MirrorOrigin::Option => ", the value of --mirror,",
            MirrorOrigin::Variable => ", the value of RBOOTSTRAP_MIRROR,",
        }
    }
}

impl NotAMirror {
    pub(super) fn hint(&self) -> String {
        let hint = self.hint.unwrap_or(URLS);
        match self.origin {
            MirrorOrigin::Argument => format!("the order is SUITE TARGET MIRROR; {hint}"),
            MirrorOrigin::Option | MirrorOrigin::Variable => hint.to_owned(),
        }
    }
}

/// Fails for a mirror that cannot be fetched, or not be written to the tree's sources.
pub(super) fn check_mirror(mirror: &str, origin: MirrorOrigin) -> Result<(), NotAMirror> {
    let refused = |reason: String, hint: Option<&'static str>| NotAMirror {
        found: store::hidden(mirror),
        reason,
        hint,
        origin,
    };
    store::check_url(mirror).map_err(|bad| refused(bad.to_string(), Some(bad.hint())))?;
    match sources::is_writable(mirror) {
        true => Ok(()),
        false => {
            let reason = "sources.list cannot hold its blanks, quotes, `#` or brackets";
            Err(refused(reason.to_owned(), None))
        }
    }
}

/// Reads a size in bytes: `500000`, `500M`, `2G`, `1.5G`; powers of 1024, with or without `B` or
/// `iB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a size such as 500M or 2G");
    let upper = text.trim().to_ascii_uppercase();
    let short = upper
        .strip_suffix("IB")
        .or_else(|| upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let (number, power) = match short.chars().last().and_then(|unit| "KMGT".find(unit)) {
        Some(place) => (&short[..short.len() - 1], place as i32 + 1),
        None => (short, 0),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let bytes = number * 1024f64.powi(power);
    if (0.0..=9e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(bad())
    }
}

/// Reads a time: `90`, `90s`, `30m`, `2h`, `1d`, `1.5h`; without a unit it is in seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a time such as 90s, 30m or 2h");
    let text = text.trim();
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(bad()),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let seconds = number * seconds;
    if (0.0..=1e9).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(bad())
    }
}

/// Reads the time of a snapshot: `20260912T075541Z`, `2026-09-12T07:55:41Z`, `2026-09-12`.
pub(super) fn snapshot_time(text: &str) -> Result<SnapshotTime, String> {
    let time = SnapshotTime::parse(text);
    time.ok_or_else(|| format!("`{text}` is not a time such as 2026-09-12 or 20260912T075541Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let rows = [
            ("0", 0),
            ("500000", 500_000),
            ("500M", 500 << 20),
            ("2g", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("1 KB", 1024),
            ("1T", 1 << 40),
        ];
        for (text, bytes) in rows {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1X", "many", "1e40"] {
            let message = format!("`{text}` is not a size such as 500M or 2G");
            assert_eq!(size(text), Err(message));
        }
    }

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        let rows = [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("30m", 1800),
            ("1.5h", 5400),
            ("2 h", 7200),
            ("1d", 86_400),
        ];
        for (text, seconds) in rows {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "-1", "1w", "1h30m", "soon", "1e40", "inf"] {
            let message = format!("`{text}` is not a time such as 90s, 30m or 2h");
            assert_eq!(duration(text), Err(message));
        }
    }

    #[test]
    fn lists_are_split_at_commas_and_blanks() {
        let values = ["a,b".to_owned(), " c\td,".to_owned(), String::new()];
        assert_eq!(words(&values), ["a", "b", "c", "d"]);
        let twice = ["main main".to_owned(), "main,contrib".to_owned()];
        assert_eq!(distinct(&twice), ["main", "contrib"]);
    }
}
