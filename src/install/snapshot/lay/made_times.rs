//! The times of what an installation itself has made, as those of another run.
//!
//! Such a time becomes one of the run that starts from the snapshot. Their order stays: scripts ask
//! which of two files is newer.

use std::ops::RangeInclusive;

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

use crate::install::snapshot::{SavedTime, SnapshotHeader};

const SECOND: i128 = 1_000_000_000;

/// Maps the time of one run to that of another, both in nanoseconds since the epoch.
pub(super) struct MadeTimes {
    then: RangeInclusive<i64>,
    now: RangeInclusive<i64>,
}

impl MadeTimes {
    pub(super) fn new(header: &SnapshotHeader, now: RangeInclusive<i64>) -> MadeTimes {
        MadeTimes {
            then: header.made_from..=header.made_until,
            now,
        }
    }

    /// The modification time that an entry gets.
    pub(super) fn of(&self, saved: SavedTime) -> Timestamps {
        let mut modified = Timespec {
            tv_sec: saved.seconds,
            tv_nsec: saved.nanoseconds.into(),
        };
        if saved.is_made {
            let own = i128::from(saved.seconds) * SECOND + i128::from(saved.nanoseconds);
            let since = own - i128::from(*self.then.start());
            let scaled = since * length(&self.now) / length(&self.then).max(1);
            let now = i128::from(*self.now.start()) + scaled.clamp(0, length(&self.now));
            modified.tv_sec = now.div_euclid(SECOND) as i64;
            modified.tv_nsec = now.rem_euclid(SECOND) as i64;
        }
        Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: modified,
        }
    }
}

fn length(range: &RangeInclusive<i64>) -> i128 {
    (i128::from(*range.end()) - i128::from(*range.start())).max(0)
}

impl SavedTime {
    /// A time of a package's.
    pub(super) fn whole(seconds: i64) -> SavedTime {
        SavedTime {
            seconds,
            nanoseconds: 0,
            is_made: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_times_stays_and_all_are_of_the_run() {
        const BEGAN: i64 = 1_700_000_000_000_000_000;
        let header = SnapshotHeader {
            packages: Vec::new(),
            script_epoch: None,
            stand_ins: None,
            made_from: BEGAN,
            made_until: BEGAN + 5_000_000_000,
        };
        let now = BEGAN + 100_000_000_000..=BEGAN + 100_200_000_000;
        let times = MadeTimes::new(&header, now.clone());
        let mut last = 0;
        for milliseconds in [0, 4, 8, 2_000, 4_999, 5_000] {
            let own = BEGAN + milliseconds * 1_000_000;
            let saved = SavedTime {
                seconds: own / 1_000_000_000,
                nanoseconds: (own % 1_000_000_000) as u32,
                is_made: true,
            };
            let found = times.of(saved).last_modification;
            let found = found.tv_sec * 1_000_000_000 + found.tv_nsec;
            assert!(now.contains(&found) && found > last, "{milliseconds}");
            last = found;
            let shipped = SavedTime {
                is_made: false,
                ..saved
            };
            let kept = times.of(shipped).last_modification;
            assert_eq!(kept.tv_sec, saved.seconds);
        }
    }
}
