//! Suites as data: `suites/*.toml`, typed.
//!
//! Knows where the suites of a distribution are to be had, who signs them, and the few facts in which they differ. The files are compiled in;
//! a user's own add to them (suites/README.md). Whether a mirror has a suite, and what is in it, is for `archive` to find out.

mod data;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a user may ask for with `--variant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The essential packages.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// With those of priority required.
    Minbase,
    /// With build-essential.
    Buildd,
    /// With those of priority important.
    Important,
    /// With those of priority standard.
    Standard,
    /// What the user names, and what that needs.
    Custom,
    /// As `Custom`, unpacked and not configured.
    Extract,
}

impl FromStr for Variant {
    type Err = UnknownVariant;

    /// Reads the names that debootstrap and mmdebstrap have for it.
    fn from_str(name: &str) -> Result<Variant, UnknownVariant> {
        Ok(match name {
            "essential" => Variant::Essential,
            "apt" => Variant::Apt,
            "minbase" | "required" => Variant::Minbase,
            "buildd" => Variant::Buildd,
            "important" | "debootstrap" | "-" => Variant::Important,
            "standard" => Variant::Standard,
            "custom" => Variant::Custom,
            "extract" => Variant::Extract,
            _ => return Err(UnknownVariant { found: name.into() }),
        })
    }
}

/// A `--variant` that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{found}` is no variant; there are essential, apt, minbase, buildd, important, standard, custom and extract"
)]
pub struct UnknownVariant {
    /// What was given.
    pub(crate) found: String,
}

/// One suite of one distribution as the data has it.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// `debian`, `ubuntu` (the ID of os-release); empty for a suite that no file lists.
    pub(crate) distribution: String,
    /// Its codename: `trixie`
    pub(crate) codename: String,
    /// Other names that it goes by now: `stable`
    pub(crate) aliases: Vec<String>,
    /// The distribution's version: `13`, `24.04`
    pub(crate) version: Option<String>,
    /// Components read unless the user names others.
    pub(crate) default_components: Vec<String>,
    /// The keyrings that its archive is signed with.
    pub(crate) keyrings: Vec<BuiltInKeyring>,
    /// How its /usr is merged.
    pub(crate) merged_usr: MergedUsr,
    /// Whether the system's apt sources are written as deb822 with Signed-By.
    pub(crate) deb822_sources: bool,
    /// Whether it is no longer on the main mirrors, but only in the archive of old releases.
    pub(crate) end_of_life: bool,
    /// What is read, with the mirrors of every architecture.
    pockets: Vec<PocketMirrors>,
}

/// One suite of an archive that is read for a suite: its release, its updates, its security updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pocket {
    /// The suite's name in `dists/`: `trixie-security`
    pub(crate) suite: String,
    /// `release`, `updates`, `security`
    pub(crate) name: String,
    /// The archive that it is in: `main`, `security`
    pub(crate) archive: String,
    /// The archive's mirrors, tried in turn; none for a suite that no file lists.
    pub(crate) uris: Vec<String>,
    /// Where the archive's past is kept, with `{time}` for the time.
    pub(crate) snapshot: Option<String>,
}

#[derive(Clone, Debug)]
struct PocketMirrors {
    pocket: Pocket,
    /// The first whose list of architectures is empty or has the one asked for is taken, from each list in turn.
    mirrors: Vec<Vec<Mirrors>>,
}

/// Mirrors for some architectures, or for all if none are named.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Mirrors {
    #[serde(default)]
    architectures: Vec<String>,
    uris: Vec<String>,
}

/// How a suite's /bin, /sbin and /lib* become links into /usr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MergedUsr {
    /// base-files ships the links.
    Shipped,
    /// The links are made before the first package is unpacked.
    MadeFirst,
    /// They do not, unless a package (usrmerge) makes them: at first /bin and /usr/bin are two directories.
    No,
}

/// A keyring that the suite's archive is signed with.
#[derive(Clone, Debug)]
pub(crate) struct BuiltInKeyring {
    /// Its file name, for messages.
    pub(crate) name: String,
    /// Its content.
    pub(crate) bytes: Cow<'static, [u8]>,
    /// Its path in the finished system, for Signed-By.
    pub(crate) tree_path: String,
}

impl Suite {
    /// A suite that no file lists: its mirror and its keyring are the user's to name, and nothing is assumed of it but that its
    /// packages know best, so no link is made for them and its apt sources are written in the form that every apt reads.
    pub(crate) fn unlisted(name: &str) -> Suite {
        let pocket = Pocket {
            suite: name.into(),
            name: "release".into(),
            archive: "main".into(),
            uris: Vec::new(),
            snapshot: None,
        };
        Suite {
            distribution: String::new(),
            codename: name.into(),
            aliases: Vec::new(),
            version: None,
            default_components: vec!["main".into()],
            keyrings: Vec::new(),
            merged_usr: MergedUsr::Shipped,
            deb822_sources: false,
            end_of_life: false,
            pockets: vec![PocketMirrors {
                pocket,
                mirrors: Vec::new(),
            }],
        }
    }

    /// Whether `name` is its codename or one of its aliases.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.codename == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// What is read for an architecture, in order, the release first.
    pub(crate) fn pockets_for(&self, architecture: &str) -> Vec<Pocket> {
        let serves = |mirrors: &&Mirrors| {
            mirrors.architectures.is_empty()
                || mirrors.architectures.iter().any(|a| a == architecture)
        };
        let resolved = self
            .pockets
            .iter()
            .map(|PocketMirrors { pocket, mirrors }| {
                let uris = mirrors
                    .iter()
                    .filter_map(|list| list.iter().find(serves))
                    .flat_map(|found| found.uris.clone())
                    .collect();
                Pocket {
                    uris,
                    ..pocket.clone()
                }
            });
        resolved.collect()
    }

    /// Whether both architectures have the same mirrors, so that a mirror that a host of one uses has packages of the other too.
    pub(crate) fn shares_mirrors(&self, architecture: &str, other: &str) -> bool {
        self.pockets_for(architecture) == self.pockets_for(other)
    }
}

/// All suites that are known: those compiled in and the user's.
#[derive(Clone, Debug)]
pub(crate) struct Suites {
    all: Vec<Suite>,
}

impl Suites {
    /// The compiled-in suites, and what the `*.toml` files in `user` add to them; of two directories, or two files in one, that say
    /// different things the later holds. A directory that is not there has no files.
    pub(crate) fn load(user: &[&Path]) -> Result<Suites, Error> {
        Ok(Suites {
            all: data::load(user)?,
        })
    }

    /// The suite of that codename, else the one that goes by that name now.
    pub(crate) fn find(&self, name: &str) -> Option<&Suite> {
        let by_codename = self.all.iter().find(|suite| suite.codename == name);
        by_codename.or_else(|| self.all.iter().find(|suite| suite.is_called(name)))
    }

    /// Every suite, distribution by distribution, in the order of the files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Suite> {
        self.all.iter()
    }

    /// Codenames and aliases of a distribution's suites.
    pub(crate) fn names(&self, distribution: &str) -> Vec<&str> {
        let own = self
            .all
            .iter()
            .filter(|suite| suite.distribution == distribution);
        own.flat_map(|suite| suite.aliases.iter().chain([&suite.codename]))
            .map(String::as_str)
            .collect()
    }
}

/// Suites that cannot be read. Only a user's files can be at fault: a test reads those that are compiled in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any such file is.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is no TOML, or has fields that are not known or not of their type.
    #[error("{} does not describe suites", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A suite names an archive, a pocket or a keyring that is not described.
    #[error("suite {codename} of {distribution} names the {kind} `{name}`, which is not described")]
    Undescribed {
        /// The distribution.
        distribution: String,
        /// The suite.
        codename: String,
        /// `archive`, `pocket` or `keyring`.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests build their own world")]
mod tests;
