//! Releases that are known without their text: those that a lock names.

use std::collections::BTreeMap;

use super::Release;
use crate::archive::Source;
use crate::formats::digest::Digest;

impl Release {
    /// A release that an earlier run has read. It promises no files.
    pub(crate) fn recorded(source: Source, digest: Digest) -> Release {
        Release {
            source,
            origin: None,
            label: None,
            suite: None,
            codename: None,
            version: None,
            date: None,
            valid_until: None,
            components: Vec::new(),
            architectures: Vec::new(),
            not_automatic: false,
            but_automatic_upgrades: false,
            acquire_by_hash: false,
            separate_all: false,
            signed_by_packaged: false,
            has_found_indexes: false,
            files: BTreeMap::new(),
            digest,
        }
    }
}
