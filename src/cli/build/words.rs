//! Turns an image of a table into a request. Its options are those of `rbootstrap SUITE`, and are
//! parsed and checked as if they were given on the command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser};

use super::super::Session;
use super::super::bootstrap::BootstrapArgs;
use super::super::compatibility::CompatibilityArgs;
use super::super::complaint::{Complaint, complaint};
use super::super::configuration::ConfigurationArgs;
use super::super::error::Error;
use super::super::hooks::HookArgs;
use super::super::image::ImageArgs;
use super::super::options::{PackageArgs, RunArgs};
use super::super::profile::ProfileArgs;
use super::super::registry::{AccessArgs, PushArgs};
use super::super::sources::SourceArgs;
use super::super::trust::TrustArgs;
use super::super::variables;
use crate::formats::image_table::{ImageEntry, OptionSetting, TABLE_KEYS};
use crate::images::{ImageFiles, ImageJob};
use crate::pack::{self, ENDINGS, Form};

/// The option for the file that lists pushed references.
const REFS: &str = "refs";

/// Where a table of images is, where its images go, and what is the same for all of them.
pub(super) struct ImagePlace<'a> {
    pub(super) file: &'a Path,
    pub(super) directory: &'a Path,
    /// The options of the whole build.
    pub(super) run: &'a RunArgs,
    pub(super) access: &'a AccessArgs,
}

#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct ImageWords {
    #[command(flatten)]
    bootstrap: BootstrapArgs,
}

/// What a value of an option is.
enum ValueKind {
    /// A path.
    Path,
    /// The path of a file, if there is one of that name; otherwise something else.
    MaybePath,
    /// A name, or a path with a slash.
    NameOrPath,
    /// Words between commas, some of which may be paths of packages.
    Packages,
    Other,
}

fn kind(option: &str) -> ValueKind {
    match option {
        "keyring" | "auth-conf" | "preseed" | "hook-dir" => ValueKind::Path,
        "source" | "apt-opt" | "dpkg-opt" => ValueKind::MaybePath,
        "profile" => ValueKind::NameOrPath,
        "include" => ValueKind::Packages,
        _ => ValueKind::Other,
    }
}

/// The options that may be in a table: those that affect an image's content or how it is made.
fn known_options() -> BTreeSet<String> {
    let mut command = Command::new("image");
    command = PackageArgs::augment_args(command);
    command = SourceArgs::augment_args(command);
    command = TrustArgs::augment_args(command);
    command = ConfigurationArgs::augment_args(command);
    command = HookArgs::augment_args(command);
    command = ImageArgs::augment_args(command);
    command = ProfileArgs::augment_args(command);
    command = PushArgs::augment_args(command);
    command = CompatibilityArgs::augment_args(command);
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    let mut known: BTreeSet<String> = longs.map(str::to_owned).collect();
    // References are written to one file per image, and logins belong to the whole run.
    for option in [REFS, "registry-auth", "insecure-registry"] {
        known.remove(option);
    }
    known
}

impl ImagePlace<'_> {
    /// The request of an image, and the files that it writes.
    pub(super) fn job(&self, entry: &ImageEntry, session: &Session) -> Result<ImageJob, Error> {
        let files = files(entry, self.directory);
        let words = self.words(entry, &files)?;
        let parsed = ImageWords::parse_words(words).map_err(|error| {
            let Complaint { problem, hint } = complaint(&error.to_string());
            self.bad(entry, problem, hint)
        })?;
        let bootstrap = parsed
            .bootstrap
            .with_run_args(self.run.clone(), self.access.clone());
        let request = bootstrap.into_told_request(session);
        let mut request = request.map_err(|error| Error::OfImage {
            name: entry.name.clone(),
            source: Box::new(error),
        })?;
        request.outputs.says_key = true;
        request.outputs.checksums = Some(files.checksums.clone());
        Ok(ImageJob {
            name: entry.name.clone(),
            request,
            files,
            references: Vec::new(),
        })
    }

    /// The words of the command line that would make the image.
    fn words(&self, entry: &ImageEntry, files: &ImageFiles) -> Result<Vec<OsString>, Error> {
        self.check_ending(entry, files)?;
        let known = known_options();
        let mut words = Vec::new();
        words.push(word("variant", entry.variant.as_ref()));
        words.push(word("arch", entry.architectures.as_ref()));
        words.push(word("lock", files.lock.as_ref()));
        for (number, document) in files.documents.iter().enumerate() {
            let option = match number {
                0 => "manifest",
                _ => "sbom",
            };
            words.push(word(option, document.as_ref()));
        }
        if let Some(refs) = &files.refs {
            words.push(word(REFS, refs.as_ref()));
        }
        for OptionSetting { name, values } in &entry.options {
            if !known.contains(name) {
                return Err(self.unknown(entry, name, &known));
            }
            match values {
                None => words.push(format!("--{name}").into()),
                Some(values) => {
                    for value in values {
                        words.push(word(name, self.value(name, value).as_ref()));
                    }
                }
            }
        }
        words.push("--".into());
        words.push(entry.suite.clone().into());
        words.push(files.image.clone().into());
        words.extend(entry.only_mirror.clone().map(OsString::from));
        Ok(words)
    }

    /// The value of an option. Its paths are relative to the file of the table.
    fn value(&self, option: &str, value: &str) -> OsString {
        let directory = self.file.parent().unwrap_or(Path::new(""));
        let path = directory.join(value);
        match kind(option) {
            ValueKind::Path if value != "-" => path.into(),
            ValueKind::MaybePath if path.is_file() => path.into(),
            ValueKind::NameOrPath if value.contains('/') => path.into(),
            ValueKind::Packages => {
                let mut words = Vec::new();
                for word in value.split(',') {
                    let is_package = word.contains('/') && word.ends_with(".deb");
                    words.push(match is_package {
                        true => directory.join(word).display().to_string(),
                        false => word.to_owned(),
                    });
                }
                words.join(",").into()
            }
            ValueKind::Path | ValueKind::MaybePath | ValueKind::NameOrPath | ValueKind::Other => {
                value.into()
            }
        }
    }

    /// Fails unless the form of the image is that of its ending, whatever its name ends with.
    fn check_ending(&self, entry: &ImageEntry, files: &ImageFiles) -> Result<(), Error> {
        let ending = &entry.ending;
        let form = pack::from_target(Path::new(&format!("image.{ending}")));
        match form {
            Ok(Form::Directory) | Err(_) => {
                let endings = ENDINGS.map(|(ending, _)| ending).join(", ");
                let problem = format!("`format`: no image has the ending `.{ending}`");
                Err(self.bad(entry, problem, Some(format!("the endings are {endings}"))))
            }
            Ok(Form::Tar(_) | Form::OciArchive | Form::FileSystem(_)) => {
                if pack::from_target(&files.image) == form {
                    return Ok(());
                }
                let name = &entry.name;
                let problem = format!(
                    "`name`: the file {name}.{ending} would be taken for an image of another format"
                );
                let hint = "do not end the name in part of an image extension, such as `.oci`";
                Err(self.bad(entry, problem, Some(hint.to_owned())))
            }
        }
    }

    /// A key that is no option of an image: misspelled, or an option of the run.
    fn unknown(&self, entry: &ImageEntry, name: &str, known: &BTreeSet<String>) -> Error {
        let keys = known.iter().map(String::as_str).chain(TABLE_KEYS);
        let distance = |key: &str| strsim::osa_distance(key, name);
        let near = keys.min_by_key(|key| distance(key));
        let near = near.filter(|key| distance(key) <= 1 + name.len() / 6);
        let hint = match near {
            Some(key) => format!("did you mean `{key}`?"),
            None => {
                "docs/build.md lists the keys; options of the run itself belong on the command \
                     line"
                    .to_owned()
            }
        };
        let problem = format!("`{name}` is not an option for images");
        self.bad(entry, problem, Some(hint))
    }

    fn bad(&self, entry: &ImageEntry, problem: String, hint: Option<String>) -> Error {
        Error::ImageOption {
            path: self.file.to_owned(),
            name: entry.name.clone(),
            problem,
            hint,
        }
    }
}

impl ImageWords {
    /// Parses the arguments of an image. Only the table decides what it contains: environment
    /// variables are ignored, except the one for the logins of mirrors.
    fn parse_words(words: Vec<OsString>) -> Result<ImageWords, clap::Error> {
        let command = ImageWords::command().mut_args(|arg| match arg.get_long() {
            Some("auth-conf") => variables::without_empty(arg),
            Some(_) | None => arg.env(None::<&'static str>),
        });
        ImageWords::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// `--OPTION=VALUE`
fn word(option: &str, value: &std::ffi::OsStr) -> OsString {
    let mut word = OsString::from(format!("--{option}="));
    word.push(value);
    word
}

/// The files of an image.
pub(super) fn files(entry: &ImageEntry, directory: &Path) -> ImageFiles {
    let names = entry.file_names();
    let mut documents = vec![directory.join(names.manifest)];
    for sbom in names.sboms {
        documents.push(directory.join(sbom));
    }
    ImageFiles {
        image: directory.join(names.image),
        lock: directory.join(names.lock),
        documents,
        refs: names.refs.map(|refs| directory.join(refs)),
        checksums: directory.join(names.checksums),
    }
}

#[cfg(test)]
mod tests;
