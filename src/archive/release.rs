//! The Release file of a suite: what it is, until when it holds, and which files it vouches for.
//!
//! Only [`super::Reading`] makes one, from a text whose signature was checked (or that the user trusts as it is). The names of indexes,
//! and the places where a mirror keeps them, are worked out here; fetching them is for `archive` and the store.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;

use super::{CLOCK_TOLERANCE, Expiry, Source};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, Digest};
use crate::formats::stanza::Fields;
use crate::store;

/// A verified Release file. Made nowhere else.
#[derive(Clone, Debug)]
pub struct Release {
    /// Where it came from; the mirror that gave it is the first of its URIs.
    pub source: Source,
    /// Origin
    pub(crate) origin: Option<String>,
    /// Label
    pub(crate) label: Option<String>,
    /// Suite: `stable`
    pub suite: Option<String>,
    /// Codename: `trixie`
    pub codename: Option<String>,
    /// Version: `13.7`
    pub(crate) version: Option<String>,
    /// Date, in seconds since the epoch.
    pub(crate) date: i64,
    /// Valid-Until, in seconds since the epoch.
    pub(crate) valid_until: Option<i64>,
    /// Components as written: `main`, `updates/main`
    pub(crate) components: Vec<String>,
    /// Architectures; `all` among them where its packages have an index of their own or might have one.
    pub(crate) architectures: Vec<String>,
    /// NotAutomatic: its packages have priority 1.
    pub not_automatic: bool,
    /// ButAutomaticUpgrades: with NotAutomatic, its packages have priority 100.
    pub but_automatic_upgrades: bool,
    /// Acquire-By-Hash: indexes can be fetched by digest, which a mirror keeps for a while after they changed.
    pub(crate) acquire_by_hash: bool,
    /// Whether `binary-all/Packages` is to be read too: `Architectures` has `all`, and `No-Support-for-Architecture-all` does not say
    /// that the other indexes repeat its packages.
    pub(crate) separate_all: bool,
    /// Size in bytes and digest of each file, by its path below the suite; from the strongest list of digests that there is.
    pub(crate) files: BTreeMap<String, (u64, Digest)>,
}

/// The compressions that an index may have, in no order.
const COMPRESSIONS: [Compression; 6] = [
    Compression::Xz,
    Compression::Zstd,
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Lzma,
    Compression::None,
];

impl Release {
    /// Reads a Release file whose signature was checked, and checks that it is the one that `source` asks for and that it holds at `now`,
    /// in seconds since the epoch.
    pub(super) fn parse(text: &str, source: &Source, now: i64) -> Result<Release, BadRelease> {
        let all = Fields::read(text);
        let word = |name: &str| all.one(name).map(str::to_owned);
        let words = |name: &str| {
            all.one(name)
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let yes = |name: &str| {
            all.one(name)
                .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
        };
        let time = |field: &'static str| match all.one(field) {
            None => Ok(None),
            Some(value) => parse_date(value).map(Some).ok_or_else(|| BadRelease::Date {
                field,
                found: value.chars().take(60).collect(),
            }),
        };
        let architectures = words("Architectures");
        let repeats_all = words("No-Support-for-Architecture-all")
            .iter()
            .any(|index| index == "Packages");
        let release = Release {
            origin: word("Origin"),
            label: word("Label"),
            suite: word("Suite"),
            codename: word("Codename"),
            version: word("Version"),
            date: time("Date")?.ok_or(BadRelease::Missing { field: "Date" })?,
            valid_until: time("Valid-Until")?,
            components: words("Components"),
            separate_all: !repeats_all
                && architectures
                    .iter()
                    .any(|architecture| architecture == "all"),
            architectures,
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            acquire_by_hash: yes("Acquire-By-Hash"),
            files: strongest_list(&all)?,
            source: source.clone(),
        };
        release.is_of(&source.suite)?;
        release.holds_at(now)?;
        Ok(release)
    }

    /// Suite or Codename must be what was asked for, so that no mirror can serve another suite that the same key signed. The security
    /// archive's old form `buster/updates` calls itself `buster`. A release that names neither cannot be compared.
    fn is_of(&self, asked: &str) -> Result<(), BadRelease> {
        let plain = asked.strip_suffix("/updates").unwrap_or(asked);
        let mut named = [&self.suite, &self.codename]
            .into_iter()
            .flatten()
            .peekable();
        if is_flat(asked)
            || named.peek().is_none()
            || named.any(|name| name == asked || name == plain)
        {
            return Ok(());
        }
        Err(BadRelease::OtherSuite {
            asked: asked.into(),
            suite: self.suite.clone(),
            codename: self.codename.clone(),
        })
    }

    fn holds_at(&self, now: i64) -> Result<(), BadRelease> {
        if self.date > now + CLOCK_TOLERANCE {
            return Err(BadRelease::Future {
                date: Time(self.date),
                now: Time(now),
            });
        }
        match self.valid_until {
            Some(until) if until < now && self.source.expiry == Expiry::Check => {
                Err(BadRelease::Expired {
                    until: Time(until),
                    now: Time(now),
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether a suite is this one, by any of the names that it goes by.
    pub(crate) fn is_called(&self, suite: &str) -> bool {
        self.suite.as_deref() == Some(suite)
            || self.codename.as_deref() == Some(suite)
            || self.source.suite == suite
    }

    /// The priority of its packages (apt_preferences(5)): what the user says, or else "APT's Default Priority Assignments".
    pub(crate) fn priority(&self) -> i32 {
        match (
            self.source.pin,
            self.not_automatic,
            self.but_automatic_upgrades,
        ) {
            (Some(pin), ..) => pin.get().into(),
            (None, true, true) => 100,
            (None, true, false) => 1,
            (None, false, _) => 500,
        }
    }

    /// The path of the index of a component and an architecture below the suite, without a compression's extension; `None` where the
    /// release has none. A flat repository has one for all. `component` may be asked for as `main` or `updates/main`.
    pub(crate) fn index_path(&self, component: &str, architecture: &str) -> Option<String> {
        let paths = if is_flat(&self.source.suite) {
            vec!["Packages".into(), "./Packages".into()]
        } else {
            let last = component
                .rsplit_once('/')
                .map_or(component, |(_, last)| last);
            vec![
                format!("{component}/binary-{architecture}/Packages"),
                format!("{last}/binary-{architecture}/Packages"),
            ]
        };
        paths
            .into_iter()
            .find(|path| self.compressions(path).next().is_some())
    }

    /// The compressions in which the release has the index at `path`.
    pub(crate) fn compressions(&self, path: &str) -> impl Iterator<Item = Compression> {
        COMPRESSIONS
            .into_iter()
            .filter(move |compression| self.files.contains_key(&with_extension(path, *compression)))
    }

    /// The components for which there is an index of any architecture, as a user names them.
    pub(crate) fn offered_components(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.split_once("/binary-"))
            .map(|(component, _)| component.to_owned())
            .collect();
        found.dedup();
        found
    }

    /// Where a file of the release is to be had, best first: for each mirror by its digest, where that is offered, and by its name.
    pub(crate) fn urls(&self, path: &str, digest: &Digest) -> Vec<String> {
        let directory = path
            .rsplit_once('/')
            .map_or(String::new(), |(directory, _)| format!("{directory}/"));
        let by_hash = format!(
            "{directory}by-hash/{}/{}",
            digest.algorithm().field(),
            digest.hexadecimal()
        );
        let below = self
            .source
            .uris
            .iter()
            .map(|uri| suite_url(uri, &self.source.suite));
        let paths = if self.acquire_by_hash {
            vec![by_hash, path.to_owned()]
        } else {
            vec![path.to_owned()]
        };
        below
            .flat_map(|base| {
                paths
                    .iter()
                    .map(move |path| format!("{base}/{}", store::encode(path)))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// Whether a suite's name stands for a flat repository: a directory, with the index right in it.
pub(super) fn is_flat(suite: &str) -> bool {
    suite.ends_with('/')
}

/// The URL of the directory of a suite, without a slash at its end.
pub(super) fn suite_url(uri: &str, suite: &str) -> String {
    let uri = uri.trim_end_matches('/');
    if !is_flat(suite) {
        return format!("{uri}/dists/{}", store::encode(suite));
    }
    let path = suite.trim_start_matches("./").trim_matches('/');
    if path.is_empty() {
        uri.to_owned()
    } else {
        format!("{uri}/{}", store::encode(path))
    }
}

/// A path with the extension that a compression has.
pub(super) fn with_extension(path: &str, compression: Compression) -> String {
    match compression.extension() {
        "" => path.to_owned(),
        extension => format!("{path}.{extension}"),
    }
}

/// The files with the strongest digests that the release gives. MD5 and SHA-1 are not looked at: a release that has no others is refused.
fn strongest_list(all: &Fields<'_>) -> Result<BTreeMap<String, (u64, Digest)>, BadRelease> {
    let list = Algorithm::STRONGEST_FIRST
        .into_iter()
        .find_map(|algorithm| Some((algorithm, all.one(algorithm.field())?)));
    let (algorithm, list) = list.ok_or(BadRelease::NoStrongDigests)?;
    let entry = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let digest = Digest::parse(algorithm, words.next()?).ok()?;
        let size = words.next()?.parse().ok()?;
        let path = words.next()?.to_owned();
        words.next().is_none().then_some((path, (size, digest)))
    };
    let lines = list.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            entry(line).ok_or_else(|| BadRelease::File {
                line: line.trim().chars().take(200).collect(),
            })
        })
        .collect()
}

/// Reads `Sat, 12 Sep 2026 07:55:41 UTC`, as seconds since the epoch. Hours may have one digit, as Ubuntu writes them; no zone but UTC is
/// known, as to apt.
fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: i8 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let year: i16 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some()
        || !matches!(words.next()?, "UTC" | "GMT" | "Z" | "+0000")
        || words.next().is_some()
    {
        return None;
    }
    let time = civil::DateTime::new(
        year,
        i8::try_from(month).ok()?,
        day,
        hour,
        minute,
        second,
        0,
    )
    .ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// A time that prints as `2026-09-12T07:55:41Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(
    /// Seconds since the epoch.
    pub i64,
);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} seconds after the epoch", self.0),
        }
    }
}

/// A release that is not used, signed or not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRelease {
    /// A field that must be there is not.
    #[error("it has no {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A date cannot be read.
    #[error("its {field} `{found}` is not a date")]
    Date {
        /// The field.
        field: &'static str,
        /// Its value, cut.
        found: String,
    },
    /// It is of another suite than the one asked for.
    #[error("it is of suite {} (codename {}), and {asked} was asked for", suite.as_deref().unwrap_or("-"), codename.as_deref().unwrap_or("-"))]
    OtherSuite {
        /// What was asked for.
        asked: String,
        /// Suite
        suite: Option<String>,
        /// Codename
        codename: Option<String>,
    },
    /// Its Date is in the future.
    #[error("its date {date} is in the future: it is {now} now; is the clock right?")]
    Future {
        /// Date
        date: Time,
        /// What the clock says.
        now: Time,
    },
    /// Its Valid-Until has passed.
    #[error("it was valid until {until}, and it is {now} now")]
    Expired {
        /// Valid-Until
        until: Time,
        /// What the clock says.
        now: Time,
    },
    /// There are MD5 and SHA-1 digests at most.
    #[error("it has neither SHA512 nor SHA256 digests")]
    NoStrongDigests,
    /// A line of the list of files cannot be read.
    #[error("it lists a file by `{line}`, which is not digest, size and path")]
    File {
        /// The line, cut.
        line: String,
    },
}

impl BadRelease {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            BadRelease::Expired { .. } => Some(
                "--no-check-valid-until accepts a snapshot, or a mirror that lags behind".into(),
            ),
            BadRelease::Missing { .. }
            | BadRelease::Date { .. }
            | BadRelease::OtherSuite { .. }
            | BadRelease::Future { .. }
            | BadRelease::NoStrongDigests
            | BadRelease::File { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
