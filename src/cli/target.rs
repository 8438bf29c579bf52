//! Decides what a run writes, from TARGET, `--format` and `--tar`.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::image::{FormatName, ImageArgs};
use super::registry::PushArgs;
use crate::pack::oci::Settings;
use crate::pack::{Content, Image};
use crate::run::UnnamedImage;

/// What a run writes: a directory, an image, or both.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) directory: Option<PathBuf>,
    pub(super) image: Option<Image>,
    /// An image that only registries get.
    pub(super) unnamed: Option<UnnamedImage>,
}

/// What the command line says about outputs.
pub(super) struct GivenTargets<'a> {
    pub(super) target: Option<&'a Path>,
    pub(super) format: Option<FormatName>,
    /// `--tar`
    pub(super) tar: Option<&'a Path>,
    pub(super) image: &'a ImageArgs,
    pub(super) push: &'a PushArgs,
}

impl GivenTargets<'_> {
    /// Decides what `TARGET`, `--format`, `--tar` and `--push` ask for.
    pub(super) fn written(&self) -> Result<Written, Error> {
        let mut written = self.files()?;
        if let Some(name) = self.push.first() {
            match &mut written {
                Written {
                    image: Some(image), ..
                } => require_pushable(image)?.name_unless_named(name),
                Written { unnamed, .. } => {
                    let mut image = self.image.unnamed()?;
                    image.settings.name_unless_named(name);
                    *unnamed = Some(image);
                }
            }
        }
        Ok(written)
    }

    fn files(&self) -> Result<Written, Error> {
        if self.format == Some(FormatName::Dir) && self.target.is_none() {
            return Err(Error::NoDirectory);
        }
        let is_oci = matches!(self.format, None | Some(FormatName::Oci));
        if self.target.is_none() && self.tar.is_none() && is_oci && self.push.is_given() {
            return Ok(Written::default());
        }
        let target = self.target.unwrap_or(Path::new("-"));
        if let Some(image) = self.image.image(target, self.format)? {
            return match self.tar {
                Some(_) => Err(Error::TarBesideImage {
                    target: target.to_owned(),
                }),
                None => Ok(Written {
                    image: Some(image),
                    ..Written::default()
                }),
            };
        }
        if let Some(tar) = self.tar {
            refuse_url("--tar", tar)?;
        }
        let image = match self.tar {
            Some(tar) => Some(self.image_beside(tar)?),
            None if self.push.is_given() => None,
            None => {
                self.image.refuse_without_image(target)?;
                None
            }
        };
        Ok(Written {
            directory: Some(target.to_owned()),
            image,
            unnamed: None,
        })
    }

    /// The image of `--tar`: a tar without compression where its name has no ending.
    fn image_beside(&self, tar: &Path) -> Result<Image, Error> {
        image_or_tar(self.image, tar, None).map_err(|error| error.of_output(None))
    }
}

/// The settings of an image that can be pushed from its file.
pub(super) fn require_pushable(image: &mut Image) -> Result<&mut Settings, Error> {
    let path = image.path().map(Path::to_owned);
    let refused = |is: &'static str| Error::NotOfImage {
        option: "--push",
        output: path.clone().unwrap_or("-".into()),
        is,
    };
    match &mut image.content {
        Content::Oci { settings, .. } if path.is_some() => Ok(settings),
        Content::Oci { .. } => Err(refused("standard output")),
        Content::Tar(_) => Err(refused("a tar and no OCI image")),
        Content::FileSystem { .. } => Err(refused("a file system")),
    }
}

/// The image of an output that is no directory: by its ending, and a tar without one.
pub(super) fn image_or_tar(
    args: &ImageArgs,
    output: &Path,
    format: Option<FormatName>,
) -> Result<Image, Error> {
    if let Some(image) = args.image(output, format)? {
        return Ok(image);
    }
    match args.image(output, Some(FormatName::Tar))? {
        Some(image) => Ok(image),
        None => Err(Error::NoDirectory),
    }
}

/// Refuses a URL where a path belongs: most likely a word is missing before it.
pub(super) fn refuse_url(word: &'static str, path: &Path) -> Result<(), Error> {
    let text = path.to_string_lossy();
    let Some((scheme, rest)) = text.split_once(':') else {
        return Ok(());
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let has_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_scheme);
    let is_local = ["file", "copy"].contains(&scheme) && rest.starts_with('/');
    if is_local || has_scheme && rest.starts_with("//") {
        return Err(Error::Url {
            word,
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Fails for a document that is to go to a URL or to standard output.
pub(super) fn require_file(option: &'static str, path: &Path) -> Result<(), Error> {
    refuse_url(option, path)?;
    match path.as_os_str() == "-" {
        true => Err(Error::NeedsFile { option }),
        false => Ok(()),
    }
}
