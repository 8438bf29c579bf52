//! The dates of Release files.

use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;

use super::BadRelease;
use crate::archive::Source;
use crate::formats::stanza::Fields;

/// The Date of a release, in seconds since the epoch. None where a source without one is accepted.
pub(super) fn date(all: &Fields<'_>, source: &Source) -> Result<Option<i64>, BadRelease> {
    match time(all, "Date") {
        Ok(Some(date)) => Ok(Some(date)),
        Ok(None) | Err(_) if source.leniency.no_date => Ok(None),
        Ok(None) => Err(BadRelease::Missing { field: "Date" }),
        Err(bad) => Err(bad),
    }
}

/// The date in a field, in seconds since the epoch. None without that field.
pub(super) fn time(all: &Fields<'_>, field: &'static str) -> Result<Option<i64>, BadRelease> {
    let Some(value) = all.one(field) else {
        return Ok(None);
    };
    match parse_date(value) {
        Some(time) => Ok(Some(time)),
        None => Err(BadRelease::Date {
            field,
            found: value.chars().take(60).collect(),
        }),
    }
}

/// The Date of a Release file in seconds since the epoch, if it has one that can be read.
pub(in crate::archive) fn date_of(text: &str) -> Option<i64> {
    parse_date(Fields::read(text).one("Date")?)
}

/// Parses a date into seconds since the epoch, in one of the three forms of HTTP and in no zone but
/// UTC, as apt does (`RFC1123StrToTime`):
///
/// - `Sat, 12 Sep 2026 07:55:41 UTC`
/// - `Saturday, 12-Sep-26 07:55:41 UTC`; its year counts from 1900
/// - `Sat Sep 12 07:55:41 2026`
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (first, rest) = words.split_first()?;
    if !is_weekday(first) {
        return None;
    }
    match (first.len(), rest) {
        (4, [day, month, year, clock, zone]) if first.ends_with(',') && is_utc(zone) => {
            seconds(year.parse().ok()?, month, day, clock)
        }
        (3, [month, day, clock, year]) => seconds(year.parse().ok()?, month, day, clock),
        (5.., [date, clock, zone]) if first.ends_with(',') && is_utc(zone) => {
            let mut parts = date.split('-');
            let day = parts.next()?;
            let month = parts.next()?;
            let year: i16 = parts.next()?.parse().ok()?;
            let is_whole = parts.next().is_none();
            seconds(year.checked_add(1900)?, month, day, clock).filter(|_| is_whole)
        }
        _ => None,
    }
}

/// Only its first letters count: it says nothing that the date does not.
fn is_weekday(word: &str) -> bool {
    const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let name = word.get(..3).unwrap_or_default();
    WEEKDAYS.iter().any(|day| day.eq_ignore_ascii_case(name))
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "GMT" | "UTC" | "Z") || zone.parse() == Ok(0)
}

/// A day that the month does not have is one of the next month, and second 60 one of the next
/// minute.
fn seconds(year: i16, month: &str, day: &str, clock: &str) -> Option<i64> {
    let day: i64 = day.parse().ok()?;
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second: i64 = parts.next()?.parse().ok()?;
    let is_clock = (0..=23).contains(&hour) && (0..=59).contains(&minute);
    if !is_clock || !(0..=61).contains(&second) || !(1..=31).contains(&day) || year < 0 {
        return None;
    }
    let first = civil::Date::new(year, month_number(month)?, 1).ok()?;
    let midnight = first.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(midnight + (day - 1) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The number of a month by its first three letters.
fn month_number(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = name.get(..3)?;
    let place = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    i8::try_from(place + 1).ok()
}

/// When a release expires, in seconds since the epoch: at its Valid-Until, but neither before nor
/// after the times that its source sets (Valid-Until-Min and -Max, as for apt).
pub(super) fn expiry(date: Option<i64>, valid_until: Option<i64>, source: &Source) -> Option<i64> {
    let after = |seconds: Option<u32>| Some(date?.saturating_add(i64::from(seconds?)));
    let mut expiry = valid_until;
    if let Some(shortest) = after(source.exemptions.shortest) {
        expiry = expiry.map(|until| until.max(shortest));
    }
    match after(source.exemptions.longest) {
        Some(longest) => Some(expiry.map_or(longest, |until| until.min(longest))),
        None => expiry,
    }
}

/// A time that prints as `2026-09-12T07:55:41Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UtcTime(
    /// Seconds since the epoch.
    pub(crate) i64,
);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} seconds after the epoch", self.0),
        }
    }
}
