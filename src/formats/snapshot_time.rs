//! The time of a snapshot of an archive, as the URLs of snapshot archives have it.
//!
//! snapshot.debian.org and snapshot.ubuntu.com serve the last state before the time that is asked
//! for, so any time will do.

use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;

/// A time in UTC, to the second. Prints as `20260912T075541Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotTime(civil::DateTime);

impl SnapshotTime {
    /// Reads a date, which means its midnight, or a time in UTC: `2026-09-12`, `20260912`,
    /// `2026-09-12T07:55:41Z`, `20260912T075541Z`. `None` for anything else, and for a year before
    /// 1970.
    pub(crate) fn parse(text: &str) -> Option<SnapshotTime> {
        let time = match text.strip_suffix(['Z', 'z']) {
            Some(time) if time.contains(['T', 't']) => time.parse().ok()?,
            Some(_) => return None,
            None => {
                let date: civil::Date = text.parse().ok()?;
                // A time without its zone would be read as a date.
                if text.len() > "2026-09-12".len() {
                    return None;
                }
                date.at(0, 0, 0, 0)
            }
        };
        let time = SnapshotTime(time);
        (time.0.subsec_nanosecond() == 0 && time.seconds() >= 0).then_some(time)
    }

    /// Seconds since the epoch.
    pub(crate) fn seconds(self) -> i64 {
        let zoned = self.0.to_zoned(TimeZone::UTC);
        zoned.map_or(i64::MAX, |time| time.timestamp().as_second())
    }
}

impl fmt::Display for SnapshotTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y%m%dT%H%M%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        let rows = [
            ("20260912T075541Z", "20260912T075541Z", 1_789_199_741),
            ("2026-09-12T07:55:41Z", "20260912T075541Z", 1_789_199_741),
            ("2026-09-12", "20260912T000000Z", 1_789_171_200),
            ("20260912", "20260912T000000Z", 1_789_171_200),
            ("1970-01-01", "19700101T000000Z", 0),
        ];
        for (text, printed, seconds) in rows {
            let time = SnapshotTime::parse(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(time.to_string(), printed);
            assert_eq!(time.seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn what_could_mean_another_time_is_refused() {
        for text in [
            "",
            "Z",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "20260912T075541",
            "2026-09-12T07:55:41",
            "2026-09-12T07:55:41+02:00",
            "2026-09-12T07:55:41.5Z",
            "2026-09-12 07:55:41Z",
            "1969-12-31",
            "1789199741",
        ] {
            assert_eq!(SnapshotTime::parse(text), None, "{text}");
        }
    }
}
