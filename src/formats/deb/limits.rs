//! How much is decoded of a package.
//!
//! A compressed stream of a few kilobytes decodes to gigabytes, so what a package may cost is
//! derived from its size and its Installed-Size. `docs/security.md` has the largest real values.

use crate::interrupt::Interrupt;

/// What is decoded of any package, in bytes.
const FREE_BYTES: u64 = 64 << 20;
/// How far the data may exceed Installed-Size, which is an estimate (Policy 5.6.20).
const INSTALLED_FACTOR: u64 = 2;
/// How far the data may exceed the .deb, whatever its Installed-Size says.
const RATIO: u64 = 64;

/// The entries of any package.
const FREE_ENTRIES: u64 = 128 << 10;
/// The bytes of a .deb for which it may have one entry more.
const BYTES_PER_ENTRY: u64 = 32;
/// The most entries of a package, however large.
const MAX_ENTRIES: u64 = 4 << 20;
/// The bytes of names and link targets of any package. A larger .deb may have as many as its size.
const FREE_NAMES: u64 = 16 << 20;

/// The largest size of all control members together, in bytes. The largest real ones have 3 MiB of
/// templates.
pub(super) const CONTROL_LIMIT: u64 = 32 << 20;
/// The most control members. Real packages have up to 20.
pub(super) const MEMBER_LIMIT: u64 = 1024;

/// The limits for one package, and the request to stop decoding it.
#[derive(Clone, Debug)]
pub(crate) struct DebLimits {
    /// Decoded bytes.
    pub(super) bytes: u64,
    /// Headers of the tar archive.
    pub(super) entries: u64,
    /// Bytes of names and link targets.
    pub(super) names: u64,
    pub(super) interrupt: Interrupt,
}

impl DebLimits {
    /// The limits for a .deb of `size` bytes with an Installed-Size of `installed_size` KiB.
    pub(crate) fn new(size: u64, installed_size: u64, interrupt: Interrupt) -> DebLimits {
        let promised = installed_size.saturating_mul(1024);
        let by_promise = promised.saturating_mul(INSTALLED_FACTOR);
        let by_size = size.saturating_mul(RATIO);
        let entries = FREE_ENTRIES.saturating_add(size / BYTES_PER_ENTRY);
        DebLimits {
            bytes: FREE_BYTES.saturating_add(by_promise.max(by_size)),
            entries: entries.min(MAX_ENTRIES),
            names: FREE_NAMES.saturating_add(size),
            interrupt,
        }
    }

    /// No limits: for an archive of the user's own.
    pub(crate) fn none(interrupt: Interrupt) -> DebLimits {
        DebLimits {
            bytes: u64::MAX,
            entries: u64::MAX,
            names: u64::MAX,
            interrupt,
        }
    }

    /// The limits for the control member.
    pub(super) fn of_control(&self) -> DebLimits {
        DebLimits {
            // With the headers, and the zeros at the end.
            bytes: CONTROL_LIMIT + (MEMBER_LIMIT + 40) * 512,
            entries: MEMBER_LIMIT,
            names: FREE_NAMES,
            interrupt: self.interrupt.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_real_packages_are_within_the_limits() {
        // Of Debian 12 and 13: size in bytes, Installed-Size in KiB, bytes of data, entries.
        for (name, size, installed, data, entries) in [
            ("hicolor-icon-theme", 11_832, 780, 430_592, 721),
            ("libmagic-mgc", 337_800, 10_154, 10_392_576, 17),
            ("libasound2-data", 21_188, 197, 219_648, 89),
            ("linux-image-amd64", 70_305_560, 400_032, 410_198_528, 5210),
            ("librocblas0-tests-data", 1_296_820, 722_200, 739_532_800, 1),
            ("qgis-api-doc", 3_179_722_260, 3_908_302, 4_002_101_248, 1),
        ] {
            let limits = DebLimits::new(size, installed, Interrupt::default());
            assert!(data < limits.bytes / 2 + FREE_BYTES, "{name}");
            assert!(entries * 20 < limits.entries, "{name}");
        }
    }

    #[test]
    fn sizes_beyond_all_numbers_give_the_largest_limits() {
        let limits = DebLimits::new(u64::MAX, u64::MAX, Interrupt::default());
        assert_eq!(limits.bytes, u64::MAX);
        assert_eq!(limits.entries, MAX_ENTRIES);
        assert_eq!(limits.names, u64::MAX);
    }
}
