//! Decides what a run writes, from TARGET, `--format` and `--tar`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::options::FormatName;
use crate::formats::compress::Compression;
use crate::pack::Format;
use crate::run::{Image, Sink};

/// What a run writes: a directory, an image, or both.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) directory: Option<PathBuf>,
    pub(super) image: Option<Image>,
}

/// Decides what `TARGET`, `--format` and `--tar` ask for.
pub(super) fn written(
    target: Option<&Path>,
    format: Option<FormatName>,
    tar: Option<&Path>,
) -> Result<Written, Error> {
    if format.is_some_and(|format| format == FormatName::Dir) && target.is_none() {
        return Err(Error::NoDirectory);
    }
    let target = target.unwrap_or(Path::new("-"));
    if !is_directory(target, format)? {
        if tar.is_some() {
            return Err(Error::TarBesideImage {
                target: target.to_owned(),
            });
        }
        return Ok(Written {
            directory: None,
            image: Some(image(target)?),
        });
    }
    let image = match tar {
        Some(tar) => Some(image(tar)?),
        None => None,
    };
    Ok(Written {
        directory: Some(target.to_owned()),
        image,
    })
}

fn is_directory(target: &Path, format: Option<FormatName>) -> Result<bool, Error> {
    match format {
        Some(FormatName::Dir) => Ok(true),
        Some(FormatName::Tar) => Ok(false),
        None if target == Path::new("-") => Ok(false),
        None if target.to_string_lossy().ends_with(".oci.tar") => Err(Error::Oci {
            target: target.to_owned(),
        }),
        None => Ok(Format::from_target(target) == Format::Directory),
    }
}

/// The image of an output: standard output for `-`, otherwise a file, compressed by its ending.
pub(super) fn image(output: &Path) -> Result<Image, Error> {
    if output == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Error::TarToTerminal);
        }
        return Ok(Image {
            sink: Sink::Stdout,
            compression: Compression::None,
        });
    }
    let compression = match Format::from_target(output) {
        Format::Tar(compression) => compression,
        Format::Directory => Compression::None,
    };
    Ok(Image {
        sink: Sink::File(output.to_owned()),
        compression,
    })
}
