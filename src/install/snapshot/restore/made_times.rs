//! Shifts the modification times that an earlier run made to the time of this run.
//!
//! All are shifted by the time between the two runs. So their order and their distances stay, also
//! where file systems or scripts round them to whole seconds.

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

use crate::install::snapshot::{SavedTime, SnapshotHeader};

const SECOND: i128 = 1_000_000_000;

/// Maps the times of one run to those of another.
pub(in crate::install::snapshot) struct MadeTimes {
    /// In nanoseconds.
    shift: i128,
}

impl MadeTimes {
    /// For a run that at `now`, in nanoseconds since the epoch, is where the earlier run was when
    /// the snapshot was written.
    pub(in crate::install::snapshot) fn new(header: &SnapshotHeader, now: i64) -> MadeTimes {
        MadeTimes {
            shift: i128::from(now) - i128::from(header.made_until),
        }
    }

    /// The modification time that an entry gets.
    pub(in crate::install::snapshot) fn of(&self, saved: SavedTime) -> Timestamps {
        let mut modified = Timespec {
            tv_sec: saved.seconds,
            tv_nsec: saved.nanoseconds.into(),
        };
        if saved.is_made {
            let own = i128::from(saved.seconds) * SECOND + i128::from(saved.nanoseconds);
            let now = own + self.shift;
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

impl SavedTime {
    /// A time of a package's.
    pub(in crate::install::snapshot) fn whole(seconds: i64) -> SavedTime {
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
    fn the_time_between_times_stays_and_the_last_is_now() {
        const BEGAN: i64 = 1_700_000_000_000_000_000;
        const NOW: i64 = BEGAN + 100_000_000_123;
        let header = SnapshotHeader {
            packages: Vec::new(),
            script_epoch: None,
            stand_ins: None,
            newest: 0,
            made_from: BEGAN,
            made_until: BEGAN + 5_000_000_000,
        };
        let times = MadeTimes::new(&header, NOW);
        for milliseconds in [0, 4, 8, 2_000, 4_999, 5_000] {
            let own = BEGAN + milliseconds * 1_000_000;
            let saved = SavedTime {
                seconds: own / 1_000_000_000,
                nanoseconds: (own % 1_000_000_000) as u32,
                is_made: true,
            };
            let found = times.of(saved).last_modification;
            let found = found.tv_sec * 1_000_000_000 + found.tv_nsec;
            assert_eq!(NOW - found, header.made_until - own, "{milliseconds}");
        }
        let shipped = times.of(SavedTime::whole(17)).last_modification;
        assert_eq!((shipped.tv_sec, shipped.tv_nsec), (17, 0));
    }
}
