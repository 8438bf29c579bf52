//! Steps as words: their kinds, their packages, and the lines that `--simulate` prints.

use std::fmt;

use super::Step;
use crate::dpkg::unpack::Method;
use crate::formats::package_key::PackageKey;

impl Step {
    /// The kind of step, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Step::Base(_) => "base",
            Step::Apt { .. } => "apt",
            Step::Unpack { .. } => "unpack",
            Step::Runtime => "runtime",
            Step::Configure { .. } => "configure",
            Step::Preseed(_) => "preseed",
            Step::Remove { .. } => "remove",
            Step::Triggers => "triggers",
            Step::Archives { .. } => "archives",
            Step::Files { .. } => "files",
            Step::Close(_) => "close",
            Step::SecondStage(_) => "second-stage",
            Step::Tidy { .. } => "tidy",
            Step::Settings(_) => "settings",
            Step::Hook(_) => "hook",
        }
    }

    /// The packages that the step is about.
    pub(crate) fn packages(&self) -> &[PackageKey] {
        match self {
            Step::Unpack { packages, .. }
            | Step::Configure { packages, .. }
            | Step::Archives { packages }
            | Step::Remove { packages } => packages,
            Step::Base(_)
            | Step::Apt { .. }
            | Step::Preseed(_)
            | Step::Hook(_)
            | Step::Runtime
            | Step::Triggers
            | Step::Files { .. }
            | Step::Close(_)
            | Step::SecondStage(_)
            | Step::Tidy { .. }
            | Step::Settings(_) => &[],
        }
    }

    /// How the step differs from others of its kind.
    fn manner(&self) -> &'static str {
        match self {
            Step::Unpack {
                method: Method::Extract,
                ..
            } => "files only",
            Step::Unpack {
                method: Method::Together,
                ..
            } => "together",
            Step::Unpack {
                method: Method::Recorded,
                ..
            } => "files only, recorded",
            Step::Unpack {
                method: Method::Locales,
                ..
            } => "locales only, recorded",
            Step::Configure { forced: true, .. } => "with --force-depends",
            Step::Remove { .. } => "with --force-depends",
            Step::Base(_)
            | Step::Apt { .. }
            | Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Preseed(_)
            | Step::Hook(_)
            | Step::Runtime
            | Step::Triggers
            | Step::Files { .. }
            | Step::Archives { .. }
            | Step::Close(_)
            | Step::SecondStage(_)
            | Step::Tidy { .. }
            | Step::Settings(_) => "",
        }
    }
}

/// A line: the kind, its manner, and the packages as dpkg names them.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Step::Base(base) => {
                write!(f, " {}", base.architectures.join(" "))?;
                for rule in &base.path_rules {
                    write!(f, " {rule}")?;
                }
            }
            Step::Apt { files } => {
                for file in files {
                    write!(f, " {}", file.path)?;
                }
            }
            Step::Files { files } => {
                for file in files {
                    write!(f, " {}", file.path)?;
                }
            }
            Step::Hook(hook) => write!(f, " {}", hook.words().join(" "))?,
            Step::Settings(changes) => {
                for path in &changes.directories {
                    write!(f, " {path}/")?;
                }
                for file in &changes.files {
                    write!(f, " {}", file.path)?;
                }
                for path in &changes.removed {
                    write!(f, " -{path}")?;
                }
            }
            Step::Preseed(preseed) => match preseed.count() {
                1 => f.write_str(" 1 answer")?,
                count => write!(f, " {count} answers")?,
            },
            Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Remove { .. }
            | Step::Runtime
            | Step::Triggers
            | Step::Archives { .. }
            | Step::Close(_)
            | Step::SecondStage(_)
            | Step::Tidy { .. } => {}
        }
        if !self.manner().is_empty() {
            write!(f, " {}", self.manner())?;
        }
        for key in self.packages() {
            write!(f, " {}", key.dpkg_name())?;
        }
        Ok(())
    }
}
