//! The results of a build: a table for people, JSON for programs.

use serde::Serialize;

use super::super::error::Error;
use super::super::exit;
use crate::images::{ImageResult, ImageState};

#[derive(Serialize)]
struct BuildDocument {
    version: u32,
    images: Vec<BuiltImage>,
}

#[derive(Serialize)]
struct BuiltImage {
    name: String,
    state: &'static str,
    key: Option<String>,
    packages: Option<usize>,
    download_bytes: Option<u64>,
    seconds: f64,
    /// The image first.
    files: Vec<String>,
    error: Option<ImageError>,
}

#[derive(Serialize)]
struct ImageError {
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    class: &'static str,
    code: u8,
}

fn state(result: &ImageResult) -> &'static str {
    match result.state {
        ImageState::Built => "built",
        ImageState::UpToDate => "up-to-date",
        ImageState::Failed(_) => "failed",
    }
}

/// One line an image, and one line of totals.
pub(super) fn table(results: &[ImageResult]) -> String {
    let longest = results.iter().map(|result| result.name.len()).max();
    let width = longest.unwrap_or(0).max("IMAGE".len());
    let mut text = format!(
        "{:<width$}  {:<10}  {:>8}  {:>8}\n",
        "IMAGE", "STATE", "PACKAGES", "SECONDS"
    );
    let mut counts = [0, 0, 0];
    for result in results {
        let packages = result.packages.map(|packages| packages.count.to_string());
        text.push_str(&format!(
            "{:<width$}  {:<10}  {:>8}  {:>8.1}\n",
            result.name,
            state(result),
            packages.as_deref().unwrap_or("-"),
            result.took.as_secs_f64()
        ));
        counts[match result.state {
            ImageState::Built => 0,
            ImageState::UpToDate => 1,
            ImageState::Failed(_) => 2,
        }] += 1;
    }
    let [built, current, failed] = counts;
    text.push_str(&format!(
        "{built} built, {current} up to date, {failed} failed\n"
    ));
    text
}

pub(super) fn json(results: &[ImageResult]) -> Result<String, Error> {
    let mut images = Vec::new();
    for result in results {
        let mut files = Vec::new();
        for path in &result.files {
            files.push(path.display().to_string());
        }
        images.push(BuiltImage {
            name: result.name.clone(),
            state: state(result),
            key: result.key.clone(),
            packages: result.packages.map(|packages| packages.count),
            download_bytes: result.packages.map(|packages| packages.download_bytes),
            seconds: (result.took.as_secs_f64() * 1000.0).round() / 1000.0,
            files,
            error: error(result),
        });
    }
    let document = BuildDocument { version: 1, images };
    let text = serde_json::to_string_pretty(&document);
    let text = text.map_err(|error| Error::Stdout(error.into()))?;
    Ok(text + "\n")
}

fn error(result: &ImageResult) -> Option<ImageError> {
    let ImageState::Failed(error) = &result.state else {
        return None;
    };
    let failure = exit::failure(error, error.class(), error.hint());
    Some(ImageError {
        message: failure.message,
        causes: failure.causes,
        hint: failure.hint,
        class: failure.class,
        code: failure.code,
    })
}
