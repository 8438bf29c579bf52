//! Decides what a run writes, from TARGET, `--format` and `--tar`.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::image::{FormatName, ImageArgs};
use crate::pack::Image;

/// What a run writes: a directory, an image, or both.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) directory: Option<PathBuf>,
    pub(super) image: Option<Image>,
}

/// What the command line says about outputs.
pub(super) struct GivenTargets<'a> {
    pub(super) target: Option<&'a Path>,
    pub(super) format: Option<FormatName>,
    /// `--tar`
    pub(super) tar: Option<&'a Path>,
    pub(super) image: &'a ImageArgs,
}

impl GivenTargets<'_> {
    /// Decides what `TARGET`, `--format` and `--tar` ask for.
    pub(super) fn written(&self) -> Result<Written, Error> {
        if self.format == Some(FormatName::Dir) && self.target.is_none() {
            return Err(Error::NoDirectory);
        }
        let target = self.target.unwrap_or(Path::new("-"));
        if let Some(image) = self.image.image(target, self.format)? {
            return match self.tar {
                Some(_) => Err(Error::TarBesideImage {
                    target: target.to_owned(),
                }),
                None => Ok(Written {
                    directory: None,
                    image: Some(image),
                }),
            };
        }
        if let Some(tar) = self.tar {
            refuse_url("--tar", tar)?;
        }
        let image = match self.tar {
            Some(tar) => Some(self.image_beside(tar)?),
            None => {
                self.image.refuse_without_image(target)?;
                None
            }
        };
        Ok(Written {
            directory: Some(target.to_owned()),
            image,
        })
    }

    /// The image of `--tar`: a tar without compression where its name has no ending.
    fn image_beside(&self, tar: &Path) -> Result<Image, Error> {
        image_or_tar(self.image, tar, None).map_err(|error| error.of_output(None))
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
