//! `--list`: the images of a table, for people and for the matrix of a CI system.

use std::path::Path;

use serde::Serialize;

use super::super::error::Error;
use super::words::files;
use crate::formats::image_table::ImageEntry;

#[derive(Serialize)]
struct ImageList {
    version: u32,
    images: Vec<ListedImage>,
}

#[derive(Serialize)]
struct ListedImage {
    name: String,
    suite: String,
    variant: String,
    /// The native one.
    architecture: String,
    image: String,
}

/// The names, one a line, or JSON.
pub(super) fn text(
    entries: &[ImageEntry],
    directory: &Path,
    is_json: bool,
) -> Result<String, Error> {
    if !is_json {
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&entry.name);
            lines.push('\n');
        }
        return Ok(lines);
    }
    let mut images = Vec::new();
    for entry in entries {
        let native = entry.architectures.split(',').next().unwrap_or_default();
        images.push(ListedImage {
            name: entry.name.clone(),
            suite: entry.suite.clone(),
            variant: entry.variant.clone(),
            architecture: native.trim().to_owned(),
            image: files(entry, directory).image.display().to_string(),
        });
    }
    let list = ImageList { version: 1, images };
    let text = serde_json::to_string(&list);
    let text = text.map_err(|error| Error::Stdout(error.into()))?;
    Ok(text + "\n")
}
