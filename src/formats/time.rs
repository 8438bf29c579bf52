//! Times as text.

use jiff::Timestamp;

/// A time in seconds since 1970 as RFC 3339 has it. One that it does not have becomes 1970.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}
