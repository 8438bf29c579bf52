//! Why a command failed: a command line that contradicts itself, or the error of the run.

use std::io;
use std::path::PathBuf;

use super::configuration;
use super::environment::BadEpoch;
use super::values::NotAMirror;
use crate::failure::Class;
use crate::formats::compress::BadLevel;
use crate::formats::image_table::BadTable;
use crate::pack::UnknownEnding;
use crate::run;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("a tar is not written to a terminal")]
    TarToTerminal,
    #[error("--tar needs a directory TARGET, but `{}` is a tar", target.display())]
    TarBesideImage { target: PathBuf },
    #[error("{unknown}")]
    Ending {
        unknown: UnknownEnding,
        /// What makes another output of that name.
        otherwise: Option<&'static str>,
    },
    #[error(transparent)]
    Level(#[from] BadLevel),
    #[error("{option} does not apply to `{}`, which is {is}", output.display())]
    NotOfImage {
        option: &'static str,
        output: PathBuf,
        is: &'static str,
    },
    #[error("`{}`: an OCI image is not compressed as a whole, its layer is", output.display())]
    CompressedLayout { output: PathBuf },
    #[error("{word} is `{}`, which is a URL and not a path", path.display())]
    Url { word: &'static str, path: PathBuf },
    #[error("--arch is given more than once, but one tree has one native architecture")]
    SeveralArchitectures,
    #[error("--arch names `{architecture}` as the native architecture of two images")]
    EqualPlatforms { architecture: String },
    #[error("--foreign has no effect with --variant={variant}, which configures nothing")]
    NothingToConfigure { variant: &'static str },
    #[error(
        "--hook and --hook-dir cannot be used with --foreign: the tree's second stage has no hooks"
    )]
    HooksInFirstStage,
    #[error(transparent)]
    Configuration(#[from] configuration::Error),
    #[error("`{}`: no bill of materials is written with that ending", path.display())]
    UnknownSbom { path: PathBuf },
    #[error("{option} - is not supported, because it is standard output")]
    NeedsFile { option: &'static str },
    #[error("{option} `{}` would be written for each --arch", path.display())]
    OneNameForSeveral { option: &'static str, path: PathBuf },
    #[error("the format {kind} is not written to standard output")]
    FileSystemToStdout { kind: &'static str },
    #[error("--lock is of one image, but --arch is given more than once")]
    SeveralLocks,
    #[error("--lock is given {locks} times, but there are {images} images")]
    LockForEachImage { locks: usize, images: usize },
    #[error("--format dir needs a TARGET")]
    NoDirectory,
    /// debootstrap has a fourth word, SCRIPT.
    #[error("unexpected argument `{word}` after SUITE, TARGET and MIRROR")]
    FourthWord { word: String },
    #[error(transparent)]
    Mirror(#[from] NotAMirror),
    #[error(transparent)]
    Epoch(#[from] BadEpoch),
    /// A log, a timings page or a manual page.
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A table of images.
    #[error("cannot read {}", path.display())]
    ReadImages {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} does not describe images", path.display())]
    Images {
        path: PathBuf,
        #[source]
        source: BadTable,
    },
    #[error("{}: image {name}: {problem}", path.display())]
    ImageOption {
        path: PathBuf,
        name: String,
        problem: String,
        hint: Option<String>,
    },
    #[error("the image {name} cannot be built")]
    OfImage {
        name: String,
        #[source]
        source: Box<Error>,
    },
    #[error("{} has no image `{name}`", path.display())]
    NoSuchImage { name: String, path: PathBuf },
    #[error("the image {name} has no name in a registry, so --against cannot look it up")]
    NoReference { name: String },
    #[error("{failed} of {all} images failed")]
    FailedImages {
        failed: usize,
        all: usize,
        /// Of all that failed.
        class: Class,
    },
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
}

impl Error {
    /// The error of an output that is not TARGET.
    pub(super) fn of_output(self, otherwise: Option<&'static str>) -> Error {
        match self {
            Error::Ending { unknown, .. } => Error::Ending { unknown, otherwise },
            error => error,
        }
    }

    /// The class that decides the exit code.
    pub(super) fn class(&self) -> Class {
        match self {
            Error::TarToTerminal
            | Error::TarBesideImage { .. }
            | Error::Ending { .. }
            | Error::Level(_)
            | Error::NotOfImage { .. }
            | Error::CompressedLayout { .. }
            | Error::Url { .. }
            | Error::SeveralArchitectures
            | Error::EqualPlatforms { .. }
            | Error::NothingToConfigure { .. }
            | Error::HooksInFirstStage
            | Error::Configuration(_)
            | Error::UnknownSbom { .. }
            | Error::NeedsFile { .. }
            | Error::OneNameForSeveral { .. }
            | Error::FileSystemToStdout { .. }
            | Error::SeveralLocks
            | Error::LockForEachImage { .. }
            | Error::NoDirectory
            | Error::FourthWord { .. }
            | Error::Mirror(_)
            | Error::ReadImages { .. }
            | Error::Images { .. }
            | Error::ImageOption { .. }
            | Error::NoSuchImage { .. }
            | Error::NoReference { .. }
            | Error::Epoch(_) => Class::Usage,
            Error::OfImage { source, .. } => source.class(),
            Error::FailedImages { class, .. } => *class,
            Error::Write { .. } => Class::Target,
            Error::Stdout(_) | Error::Signals(_) => Class::Other,
            Error::Run(error) => error.class(),
        }
    }

    /// What the user can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::TarToTerminal => {
                "name a TARGET (a directory, or a file ending in .tar), \
                 or pipe into `docker import -`"
            }
            Error::SeveralArchitectures => {
                "foreign architectures follow after a comma, --arch amd64,i386; \
                 an OCI image alone (TARGET *.oci.tar or --format oci) has several images"
            }
            Error::EqualPlatforms { .. } => {
                "each --arch is one image; foreign architectures follow after a comma"
            }
            Error::Ending { unknown, otherwise } => return Some(unknown.hint(*otherwise)),
            Error::UnknownSbom { .. } => {
                "the endings are .spdx.json for SPDX 2.3 and .cdx.json for CycloneDX 1.6"
            }
            Error::NeedsFile { .. } => "name a file",
            Error::Images { source, .. } => return source.hint().map(str::to_owned),
            Error::ImageOption { hint, .. } => return hint.clone(),
            Error::NoReference { .. } => "give it a `push` or a `tag` in FILE",
            Error::NoSuchImage { .. } => "`rbootstrap build --list FILE` lists the images",
            Error::OfImage { source, .. } => return source.hint(),
            Error::OneNameForSeveral { .. } => "put {arch} into the name",
            Error::LockForEachImage { .. } => "give --lock once for each image",
            Error::SeveralLocks => "make an image and a lock of each, and `rbootstrap join` them",
            Error::CompressedLayout { .. } => "name a file that ends in .oci.tar, or a directory",
            Error::Url { .. } => {
                "the order is SUITE TARGET MIRROR; \
                 a path that looks like a URL needs ./ before it"
            }
            Error::FourthWord { .. } => {
                "debootstrap's SCRIPT is not supported and not needed: \
                 suite files describe the suites"
            }
            Error::Mirror(error) => return Some(error.hint()),
            Error::Run(error) => return meant_command(error).or_else(|| error.hint()),
            Error::TarBesideImage { .. }
            | Error::Level(_)
            | Error::NotOfImage { .. }
            | Error::NothingToConfigure { .. }
            | Error::HooksInFirstStage
            | Error::Configuration(_)
            | Error::FileSystemToStdout { .. }
            | Error::NoDirectory
            | Error::Epoch(_)
            | Error::ReadImages { .. }
            | Error::FailedImages { .. }
            | Error::Write { .. }
            | Error::Stdout(_)
            | Error::Signals(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// The ending of a TARGET, which may be a directory.
impl From<UnknownEnding> for Error {
    fn from(unknown: UnknownEnding) -> Error {
        Error::Ending {
            unknown,
            otherwise: Some("--format dir makes a directory of any name"),
        }
    }
}

/// A hint for a command that was taken for a suite because it is misspelled.
fn meant_command(error: &run::Error) -> Option<String> {
    let name = match error {
        run::Error::UnknownSuite { name, similar } if similar.is_empty() => name,
        run::Error::UnlistedSuite { name, .. } => name,
        _ => return None,
    };
    for command in [
        "bootstrap",
        "build",
        "pack",
        "join",
        "push",
        "diff",
        "suites",
    ] {
        if strsim::osa_distance(command, name) <= 1 {
            return Some(format!("did you mean the command `rbootstrap {command}`?"));
        }
    }
    match name.as_str() {
        "help" => Some("`rbootstrap --help` shows the help".into()),
        "version" => Some("`rbootstrap --version` shows the version".into()),
        "list" => Some("`rbootstrap suites` lists the known suites".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_for(name: &str, similar: &[&str]) -> Option<String> {
        let mut names = Vec::new();
        for name in similar {
            names.push((*name).to_owned());
        }
        let error = Error::Run(run::Error::UnknownSuite {
            name: name.into(),
            similar: names,
        });
        error.hint()
    }

    #[test]
    fn a_misspelled_command_gets_a_hint() {
        let rows = [
            ("packs", "did you mean the command `rbootstrap pack`?"),
            ("suite", "did you mean the command `rbootstrap suites`?"),
            ("help", "`rbootstrap --help` shows the help"),
        ];
        for (name, hint) in rows {
            assert_eq!(hint_for(name, &[]).as_deref(), Some(hint));
        }
        assert_eq!(
            hint_for("trixe", &["trixie"]).as_deref(),
            Some("did you mean trixie?")
        );
    }
}
