//! Suites as data: `suites/*.toml`, typed. (contract; body to come)
use std::path::Path;

/// What a user may ask for with `--variant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Essential,
    Apt,
    Minbase,
    Buildd,
    Important,
    Standard,
    Custom,
    Extract,
}

/// One suite of one distribution as the data has it.
#[derive(Clone, Debug)]
pub struct Suite {
    /// `debian`, `ubuntu` (the ID of os-release)
    pub distribution: String,
    /// codename: trixie
    pub codename: String,
    /// other names it goes by now: stable
    pub aliases: Vec<String>,
    /// What is read: release, updates, security; in order, release first
    pub pockets: Vec<Pocket>,
    pub default_components: Vec<String>,
    /// contents of the built-in keyrings that its archive is signed with, with the path that the tree has them at
    pub keyrings: Vec<BuiltInKeyring>,
    pub merged_usr: MergedUsr,
    /// whether the suite's apt reads deb822 sources with Signed-By (then sources are written so)
    pub deb822_sources: bool,
    /// still on the main mirrors, or moved to the archive of old releases
    pub end_of_life: bool,
}
#[derive(Clone, Debug)]
pub struct Pocket {
    /// suite name as in dists/: trixie-security
    pub suite: String,
    /// "release", "updates", "security"
    pub name: String,
    /// base URIs by architecture already resolved by `Suite::pockets_for(arch)`
    pub uris: Vec<String>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergedUsr {
    /// base-files ships the links
    Shipped,
    /// the links are made before the first package
    MadeFirst,
    /// no links (older suites)
    No,
}
#[derive(Clone, Debug)]
pub struct BuiltInKeyring {
    pub bytes: &'static [u8],
    /// path in the tree, for Signed-By
    pub tree_path: String,
}

/// All suites known: compiled in, then the user's (`$XDG_CONFIG_HOME/rbootstrap/suites/*.toml`, /etc/rbootstrap/suites)
#[derive(Debug)]
pub struct Suites;
#[derive(Debug, thiserror::Error)]
#[error("suites")]
pub struct Error;
impl Suites {
    pub fn load(_user: &[&Path]) -> Result<Suites, Error> {
        unimplemented!()
    }
    pub fn find(&self, _name: &str) -> Option<&Suite> {
        unimplemented!()
    }
    pub fn all(&self) -> impl Iterator<Item = &Suite> {
        std::iter::empty()
    }
}
