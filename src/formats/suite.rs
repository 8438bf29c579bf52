//! Suites as data: reads `suites/*.toml`.
//!
//! A suite says which mirrors have it, which keys sign it, and the few facts in which it differs
//! from others. The files are compiled in; a user's own files add to them (suites/README.md).
//! `archive` finds out whether a mirror has a suite, and what is in it.

mod data;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The set of packages that `--variant` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The essential packages.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// The packages of priority required as well.
    Minbase,
    /// Minbase and build-essential.
    Buildd,
    /// The packages of priority important as well.
    Important,
    /// The packages of priority standard as well.
    Standard,
    /// The packages that the user names, and their dependencies.
    Custom,
    /// As `Custom`, unpacked but not configured.
    Extract,
    /// What programs need to run, unpacked but not configured, without apt and dpkg's database.
    Scratch,
}

impl Variant {
    /// Its name, the first of those that are read. Keys of plans have it, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Variant::Essential => "essential",
            Variant::Apt => "apt",
            Variant::Minbase => "minbase",
            Variant::Buildd => "buildd",
            Variant::Important => "important",
            Variant::Standard => "standard",
            Variant::Custom => "custom",
            Variant::Extract => "extract",
            Variant::Scratch => "scratch",
        }
    }

    /// Whether the user names all packages but their dependencies.
    pub(crate) fn has_own_packages(self) -> bool {
        match self {
            Variant::Custom | Variant::Extract | Variant::Scratch => true,
            Variant::Essential
            | Variant::Apt
            | Variant::Minbase
            | Variant::Buildd
            | Variant::Important
            | Variant::Standard => false,
        }
    }

    /// Whether packages are configured, so that their scripts run.
    pub(crate) fn configures(self) -> bool {
        match self {
            Variant::Extract | Variant::Scratch => false,
            Variant::Essential
            | Variant::Apt
            | Variant::Minbase
            | Variant::Buildd
            | Variant::Important
            | Variant::Standard
            | Variant::Custom => true,
        }
    }
}

impl FromStr for Variant {
    type Err = UnknownVariant;

    /// Reads a name, also those of debootstrap and mmdebstrap.
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
            "scratch" => Variant::Scratch,
            _ => return Err(UnknownVariant { found: name.into() }),
        })
    }
}

/// A variant that does not exist.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown variant `{found}` (expected one of: essential, apt, minbase, buildd, important, \
     standard, \
     custom, extract, scratch)"
)]
pub struct UnknownVariant {
    pub(crate) found: String,
}

/// One suite of a distribution.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// `debian`, `ubuntu` (the ID of os-release); empty for a suite that no file lists.
    pub(crate) distribution: String,
    /// `trixie`
    pub(crate) codename: String,
    /// Its other names at present: `stable`
    pub(crate) aliases: Vec<String>,
    /// The distribution's version: `13`, `24.04`
    pub(crate) version: Option<String>,
    /// The components to read unless the user names others.
    pub(crate) default_components: Vec<String>,
    /// The keyrings that sign its archive.
    pub(crate) keyrings: Vec<BuiltInKeyring>,
    pub(crate) merged_usr: MergedUsr,
    /// Whether the system's apt sources are written as deb822 with Signed-By.
    pub(crate) deb822_sources: bool,
    /// Whether only the archive of old releases has it.
    pub(crate) end_of_life: bool,
    /// Whether its archive is no longer updated, so that keys that have expired since may have
    /// signed it.
    pub(crate) ended: bool,
    /// The archives' suites to read, with the mirrors of all architectures.
    pockets: Vec<PocketMirrors>,
}

/// One suite of an archive that is a part of a [`Suite`]: the release, its updates, its security
/// updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pocket {
    /// Its name in `dists/`: `trixie-security`
    pub(crate) suite: String,
    /// `release`, `updates`, `security`
    pub(crate) name: String,
    /// Its archive: `main`, `security`
    pub(crate) archive: String,
    /// The archive's mirrors, tried in order; none for a suite that no file lists.
    pub(crate) uris: Vec<String>,
    /// The URL of the archive's snapshots, with `{time}` for the time.
    pub(crate) snapshot: Option<String>,
}

#[derive(Clone, Debug)]
struct PocketMirrors {
    pocket: Pocket,
    /// Of each list, the first entry for the architecture is used.
    mirrors: Vec<Vec<Mirrors>>,
}

/// Mirrors for some architectures, or for all if it names none.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Mirrors {
    #[serde(default)]
    architectures: Vec<String>,
    uris: Vec<String>,
}

impl Mirrors {
    fn serves(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|own| own == architecture)
    }
}

/// How /bin, /sbin and /lib* become symlinks into /usr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MergedUsr {
    /// base-files ships the symlinks.
    Shipped,
    /// They are created before the first package is unpacked.
    MadeFirst,
    /// They are created for the directories in / that essential packages ship, and the package
    /// usr-is-merged is installed, as by debootstrap and by mmdebstrap's hook maybe-merged-usr.
    WithPackage,
    /// They do not, unless a package (usrmerge) creates the symlinks later.
    No,
}

/// A keyring that signs the archive of a suite.
#[derive(Clone, Debug)]
pub(crate) struct BuiltInKeyring {
    /// Its file name, for messages.
    pub(crate) name: String,
    pub(crate) bytes: Cow<'static, [u8]>,
    /// Its path in the finished system, for Signed-By.
    pub(crate) tree_path: String,
}

impl BuiltInKeyring {
    /// Whether it is a file of the user's, which no package of the distribution need ship.
    pub(crate) fn is_users(&self) -> bool {
        matches!(self.bytes, Cow::Owned(_))
    }
}

impl Suite {
    /// A suite that no file lists; the user names its mirror and its keyring. Nothing is assumed
    /// about it: its packages ship the symlinks of a merged /usr, and apt's sources have the format
    /// that every apt reads.
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
            ended: false,
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

    /// The pockets for an architecture, the release first.
    pub(crate) fn pockets_for(&self, architecture: &str) -> Vec<Pocket> {
        let mut pockets = Vec::new();
        for PocketMirrors { pocket, mirrors } in &self.pockets {
            let mut pocket = pocket.clone();
            for list in mirrors {
                if let Some(entry) = list.iter().find(|entry| entry.serves(architecture)) {
                    pocket.uris.extend_from_slice(&entry.uris);
                }
            }
            pockets.push(pocket);
        }
        pockets
    }

    /// Whether both architectures have the same mirrors, so that the mirror of a host of one
    /// architecture also has the packages of the other.
    pub(crate) fn shares_mirrors(&self, architecture: &str, other: &str) -> bool {
        self.pockets_for(architecture) == self.pockets_for(other)
    }
}

/// All known suites: those that are compiled in and the user's.
#[derive(Clone, Debug)]
pub(crate) struct Suites {
    all: Vec<Suite>,
}

impl Suites {
    /// Reads the compiled-in suites and the `*.toml` files in the directories of the user, later
    /// ones over earlier ones. A missing directory has no files.
    pub(crate) fn load(user: &[&Path]) -> Result<Suites, Error> {
        Ok(Suites {
            all: data::load(user)?,
        })
    }

    /// The compiled-in suites and those of one file, whose keyrings are not read.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn load_text(path: &Path, text: &str) -> Result<Suites, Error> {
        Ok(Suites {
            all: data::load_text(path, text)?,
        })
    }

    /// Finds a suite by its codename, or else by an alias.
    pub(crate) fn find(&self, name: &str) -> Option<&Suite> {
        let by_codename = self.all.iter().find(|suite| suite.codename == name);
        by_codename.or_else(|| self.all.iter().find(|suite| suite.is_called(name)))
    }

    /// All suites by distribution, in the order of the files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Suite> {
        self.all.iter()
    }

    /// Codenames and aliases of a distribution's suites.
    pub(crate) fn names(&self, distribution: &str) -> Vec<&str> {
        let mut names = Vec::new();
        for suite in &self.all {
            if suite.distribution == distribution {
                names.extend(suite.aliases.iter().map(String::as_str));
                names.push(&suite.codename);
            }
        }
        names
    }
}

/// A failure to read suites. Only a user's files can cause it: a test reads the compiled-in ones.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is too large to be a suite file.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        /// In bytes.
        limit: u64,
    },
    /// A file is not TOML, or has an unknown field or a field of the wrong type. `source` has the
    /// line.
    #[error("{} is not a suite file", path.display())]
    Syntax {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// A field names an archive, a pocket or a keyring that no file describes.
    #[error("{}: suite {codename}: field `{field}`: unknown {kind} `{name}`", path.display())]
    Undescribed {
        path: PathBuf,
        codename: String,
        field: String,
        /// `archive`, `pocket` or `keyring`.
        kind: &'static str,
        name: String,
    },
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests write their files with the standard library"
)]
mod tests;
