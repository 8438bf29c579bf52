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
    /// It is older than one of this source that an earlier run has used.
    #[error("its date {date} is before {newest}, the date of a release that an earlier run used")]
    Rollback { date: UtcTime, newest: UtcTime },
    /// It has no date that can be read, and may be older than one of this source that an earlier
    /// run has used.
    #[error("it has no date; an earlier run used a release dated {newest}")]
    Undated { newest: UtcTime },
    /// Its Date is after the time at which the archive is read: now, or that of `--snapshot`.
    #[error("its date {date} is after {now}")]
    Future { date: UtcTime, now: UtcTime },
    /// Its Valid-Until has passed.
    #[error("it was valid until {until}, which is before {now}")]
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
                "--snapshot TIME reads a snapshot; --no-check-valid-until accepts a mirror that lags"
                    .into(),
            ),
            BadRelease::Rollback { .. } | BadRelease::Undated { .. } => Some(
                "it can be a replay that hides updates; --allow-rollback accepts an archive that \
                 was set back"
                    .into(),
            ),
            BadRelease::OtherSuite { .. } => Some(
                "it can be a replay of another suite; --allow-other-suite accepts a mirror that \
                 names its suite so"
                    .into(),
            ),
            BadRelease::Future { .. } => {
                Some("check this machine's clock, or the time of --snapshot".into())
            }
            BadRelease::Missing { .. }
            | BadRelease::Date { .. }
            | BadRelease::NoStrongDigests
            | BadRelease::File { .. } => None,
        }
    }

    /// Whether the same mirror may have a good release a moment later: a login page was in the way,
    /// or one of several servers behind one name lags.
    pub(in crate::archive) fn may_pass(&self) -> bool {
        match self {
            BadRelease::Missing { .. }
            | BadRelease::Date { .. }
            | BadRelease::Rollback { .. }
            | BadRelease::Undated { .. }
            | BadRelease::Expired { .. }
            | BadRelease::NoStrongDigests
            | BadRelease::File { .. } => true,
            BadRelease::OtherSuite { .. } | BadRelease::Future { .. } => false,
        }
    }
}
