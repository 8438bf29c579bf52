//! Sources → verified releases → the index of packages. (contract; body to come)
use crate::{digest::Digest, report::Report, store::Store};
use std::{collections::BTreeMap, sync::Arc};

/// One apt source: a suite of an archive, some of its components.
#[derive(Clone, Debug)]
pub struct Source {
    /// mirrors of one archive, tried in turn
    pub uris: Vec<String>,
    /// as in the URL: `trixie`, `trixie-security`, `./` for a flat one
    pub suite: String,
    pub components: Vec<String>,
    /// native first
    pub architectures: Vec<String>,
    pub trust: Trust,
    pub expiry: Expiry,
    /// for the apt sources written into the tree: keyring path there
    pub signed_by: Option<String>,
}
#[derive(Clone, Debug)]
pub enum Trust {
    Keys(Arc<Keyring>),
    /// [trusted=yes], --no-check-gpg
    Unchecked,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Check,
    /// --no-check-valid-until
    Ignore,
}
/// OpenPGP certificates that may sign a release.
#[derive(Debug)]
pub struct Keyring;

/// A verified Release file. Made nowhere else.
#[derive(Clone, Debug)]
pub struct Release {
    pub source: Source,
    pub origin: Option<String>,
    pub suite: Option<String>,
    pub codename: Option<String>,
    pub version: Option<String>,
    /// seconds since the epoch
    pub date: i64,
    pub components: Vec<String>,
    pub architectures: Vec<String>,
    pub not_automatic: bool,
    pub but_automatic_upgrades: bool,
    pub files: BTreeMap<String, (u64, Digest)>,
}
/// One component's and architecture's Packages text, verified.
#[derive(Debug)]
pub struct Listing {
    pub release: Arc<Release>,
    pub component: String,
    pub architecture: String,
    pub text: String,
}
/// What all sources offer, in the order of the sources.
#[derive(Debug, Default)]
pub struct Index {
    pub listings: Vec<Listing>,
}
#[derive(Debug, thiserror::Error)]
#[error("archive")]
pub struct Error;
/// Reads and verifies all sources, in parallel; listings come out in source order. `now`: seconds since the epoch.
pub fn read(_store: &Store, _sources: &[Source], _now: i64, _report: &Report) -> Result<Index, Error> {
    unimplemented!()
}
impl Keyring {
    pub fn parse(_files: &[(&str, &[u8])]) -> Result<Keyring, Error> {
        unimplemented!()
    }
}
