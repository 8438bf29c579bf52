//! The dates of Release files.

use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;

use crate::archive::Source;

/// Parses `Sat, 12 Sep 2026 07:55:41 UTC` into seconds since the epoch. Hours may have one digit,
/// as Ubuntu writes them. Like apt, it knows no zone but UTC.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: i8 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let year: i16 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':');
    let hour: i8 = clock.next()?.parse().ok()?;
    let minute: i8 = clock.next()?.parse().ok()?;
    let second: i8 = clock.next()?.parse().ok()?;
    let is_utc = matches!(words.next()?, "UTC" | "GMT" | "Z" | "+0000");
    if !is_utc || clock.next().is_some() || words.next().is_some() {
        return None;
    }
    let month = i8::try_from(month).ok()?;
    let time = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
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
