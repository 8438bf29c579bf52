//! Package indexes made in code: of a suite, signed by nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::archive::{Expiry, Leave, Listing, Release, Source, Trust};

/// A release known by its suite's name in the URL alone.
pub fn release(suite: &str, architecture: &str) -> Release {
    let source = Source {
        uris: Vec::new(),
        suite: suite.to_owned(),
        components: vec!["main".to_owned()],
        architectures: vec![architecture.to_owned()],
        trust: Trust::Unchecked,
        expiry: Expiry::Ignore,
        signed_by: None,
        pin: None,
        leave: Leave::default(),
    };
    Release {
        source,
        origin: None,
        label: None,
        suite: None,
        codename: None,
        version: None,
        date: 0,
        valid_until: None,
        components: Vec::new(),
        architectures: Vec::new(),
        not_automatic: false,
        but_automatic_upgrades: false,
        acquire_by_hash: false,
        separate_all: false,
        files: BTreeMap::new(),
    }
}

/// What a release has of an architecture.
pub fn listing(release: Release, architecture: &str, text: String) -> Listing {
    Listing {
        release: Arc::new(release),
        component: "main".to_owned(),
        architecture: architecture.to_owned(),
        text,
    }
}
