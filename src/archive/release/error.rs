//! The reasons why a release is not used.

use super::UtcTime;

/// Why a release is not used, signed or not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRelease {
    /// A required field is missing.
    #[error("it has no {field}")]
    Missing { field: &'static str },
    /// A date cannot be read.
    #[error("its {field} `{found}` is not a date")]
    Date {
        field: &'static str,
        /// The field's value, cut.
        found: String,
    },
    /// It is of another suite than the source's.
    #[error(
        "it is of suite {} (codename {}), not of {requested}",
        suite.as_deref().unwrap_or("-"),
        codename.as_deref().unwrap_or("-")
    )]
    OtherSuite {
        requested: String,
        suite: Option<String>,
        codename: Option<String>,
    },
    /// Its Date is in the future.
    #[error("its date {date} is in the future: it is {now} now; is the clock right?")]
    Future { date: UtcTime, now: UtcTime },
    /// Its Valid-Until has passed.
    #[error("it was valid until {until}, and it is {now} now")]
    Expired { until: UtcTime, now: UtcTime },
    /// There are MD5 and SHA-1 digests at most.
    #[error("it has neither SHA512 nor SHA256 digests")]
    NoStrongDigests,
    /// A line of the list of files cannot be read.
    #[error("its line `{line}` is not a digest, a size and a path")]
    File {
        /// Cut.
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
