//! Turns an image of a table into a request: its options are those of `rbootstrap SUITE`, and are
//! parsed and checked as if they were given there.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Command, Parser};

use super::super::Session;
use super::super::bootstrap::{BootstrapArgs, RunOptions};
use super::super::compatibility::CompatibilityArgs;
use super::super::configuration::ConfigurationArgs;
use super::super::error::Error;
use super::super::hooks::HookArgs;
use super::super::image::ImageArgs;
use super::super::options::PackageArgs;
use super::super::profile::ProfileArgs;
use super::super::registry::PushArgs;
use super::super::sources::SourceArgs;
use super::super::trust::TrustArgs;
use crate::formats::image_table::{ImageEntry, OptionSetting};
use crate::images::{ImageFiles, ImageJob};
use crate::pack::{self, Form};

/// The option, and the ending of its file.
const REFS: &str = "refs";

/// Where a table of images is, and where its images go.
pub(super) struct ImagePlace<'a> {
    pub(super) file: &'a Path,
    pub(super) directory: &'a Path,
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

/// The options that may be in a table: what they decide is in the image, or how it is come by.
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
    // One file for each image has the references, and the logins are the run's.
    for option in [REFS, "registry-auth", "insecure-registry"] {
        known.remove(option);
    }
    known
}

impl ImagePlace<'_> {
    /// The request of an image, and the files that it writes.
    pub(super) fn job(
        &self,
        entry: &ImageEntry,
        options: RunOptions,
        session: &Session,
    ) -> Result<ImageJob, Error> {
        let files = files(entry, self.directory);
        let words = self.words(entry, &files)?;
        let parsed = ImageWords::try_parse_from(words).map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            self.bad(entry, line.strip_prefix("error: ").unwrap_or(line))
        })?;
        let bootstrap = parsed.bootstrap.with_run_options(options);
        let request = bootstrap.into_told_request(session);
        let mut request = request.map_err(|error| Error::OfImage {
            name: entry.name.clone(),
            source: Box::new(error),
        })?;
        request.outputs.says_key = true;
        Ok(ImageJob {
            name: entry.name.clone(),
            request,
            files,
            reference: None,
        })
    }

    /// The words of the command line that would make the image.
    fn words(&self, entry: &ImageEntry, files: &ImageFiles) -> Result<Vec<OsString>, Error> {
        match pack::from_target(&files.image) {
            Ok(Form::Directory) | Err(_) => {
                let problem = format!("`format`: no image has the ending `.{}`", entry.ending);
                return Err(self.bad(entry, &problem));
            }
            Ok(Form::Tar(_) | Form::OciArchive | Form::FileSystem(_)) => {}
        }
        let known = known_options();
        let mut words = Vec::new();
        words.push(word("variant", entry.variant.as_ref()));
        words.push(word("arch", entry.architectures.as_ref()));
        words.push(word("lock", files.lock.as_ref()));
        for (number, document) in files.documents.iter().enumerate() {
            let option = match number {
                0 => "manifest",
                _ if document.extension() == Some(REFS.as_ref()) => REFS,
                _ => "sbom",
            };
            words.push(word(option, document.as_ref()));
        }
        for OptionSetting { name, values } in &entry.options {
            if !known.contains(name) {
                return Err(self.bad(entry, &format!("`{name}` is no option of an image")));
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

    fn bad(&self, entry: &ImageEntry, problem: &str) -> Error {
        Error::ImageOption {
            path: self.file.to_owned(),
            name: entry.name.clone(),
            problem: problem.to_owned(),
        }
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
    let file = |ending: &str| -> PathBuf { directory.join(format!("{}.{ending}", entry.name)) };
    let mut documents = vec![file("manifest.json")];
    for ending in &entry.sboms {
        documents.push(file(ending));
    }
    if entry.options.iter().any(|option| option.name == "push") {
        documents.push(file(REFS));
    }
    ImageFiles {
        image: file(&entry.ending),
        lock: file("lock"),
        documents,
        checksums: file("sha256"),
    }
}
