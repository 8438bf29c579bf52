//! `rbootstrap build FILE`: builds the images that a file describes.

mod list;
mod summary;
mod words;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use super::error::Error;
use super::options::RunArgs;
use super::registry::{self, AccessArgs};
use super::{Session, exit, print_data};
use crate::bounded;
use crate::failure::Class;
use crate::formats::arch;
use crate::formats::glob;
use crate::formats::image_table::{ImageEntry, ImageTable};
use crate::images::{self, BuildListener, ImageJob, ImageResult, ImageState};
use crate::pack::Image;
use crate::pack::oci::Reference;
use crate::registry::{self as client, Client};
use crate::report::{Event, Report, Summary};
use crate::run;
use crate::sandbox;
use words::ImagePlace;

/// The memory that one image is expected to take, in bytes.
const MEMORY: u64 = 1 << 30;
/// The largest file of images, in bytes.
const FILE_LIMIT: u64 = 4 << 20;
/// The most images that are built at once by default: the disk and the mirror are shared.
const MOST: u64 = 8;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A file that describes images, in TOML
    ///
    /// docs/build.md describes it: each [[images]] has a suite, and options of `rbootstrap SUITE`.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Build only the images with these names
    ///
    /// Patterns in which `*` and `?` stand for any characters.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Write the images into this directory
    ///
    /// A lock, documents and checksums are written beside each image. The next run reads them to
    /// find out whether the image is up to date.
    #[arg(long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,

    /// Also build images that are up to date
    #[arg(long)]
    rebuild: bool,

    /// Build at most N images at once [default: by processors and free memory]
    ///
    /// They share the threads of --jobs and the connections of --downloads.
    #[arg(long, value_name = "N", env = "RBOOTSTRAP_PARALLEL")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    parallel: Option<u16>,

    /// Ask this registry which images are up to date, not the locks in --output-dir
    ///
    /// For machines without the output of the last run. An image is looked up under all its names
    /// (push, or else tag, in FILE). If none of them is in this registry, they are looked up there.
    /// The image's key is an annotation of its manifest.
    #[arg(long, value_name = "REGISTRY", value_parser = registry::host)]
    against: Option<String>,

    /// Build only the I-th of N parts of the images
    ///
    /// I counts from 1. The parts are the same on every machine.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Check the options of the images, list them and stop
    #[arg(long)]
    list: bool,

    /// Print the result as JSON
    ///
    /// With --list, prints the list, for example for the matrix of a CI system.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// A part of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    /// From 1.
    number: usize,
    count: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a part such as 1/3")]
struct BadShard {
    found: String,
}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Shard, BadShard> {
        let parts = text.split_once('/');
        let numbers = parts.map(|(number, count)| (number.parse(), count.parse()));
        match numbers {
            Some((Ok(number), Ok(count))) if (1..=count).contains(&number) => {
                Ok(Shard { number, count })
            }
            _ => Err(BadShard {
                found: text.to_owned(),
            }),
        }
    }
}

impl Shard {
    /// The images of this part: every N-th.
    fn of(self, images: Vec<ImageEntry>) -> Vec<ImageEntry> {
        let parts = images.into_iter().skip(self.number - 1);
        parts.step_by(self.count).collect()
    }
}

impl BuildArgs {
    pub(super) fn title(&self) -> String {
        format!("rbootstrap build {}", self.file.display())
    }

    /// Whether trees are made.
    pub(super) fn makes_trees(&self) -> bool {
        !self.list
    }

    /// The threads that the images may use together.
    pub(super) fn jobs(&self) -> usize {
        self.run.performance.limits().jobs
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        let entries = self.entries()?;
        let parallel = match self.parallel {
            Some(parallel) => usize::from(parallel),
            None => default_parallel(self.jobs()),
        };
        let parallel = parallel.clamp(1, entries.len().max(1));
        let jobs = self.image_jobs(&entries, parallel, session)?;
        if self.list {
            return print_data(&list::text(&entries, &self.output_dir, self.json)?);
        }
        if !jobs.is_empty() {
            create(&self.output_dir)?;
        }
        let options = images::Options {
            parallel,
            rebuild: self.rebuild,
            cache: self.run.cache.clone().options(&session.environment),
            registry: self.client(session)?,
        };
        let listener = BuildListener {
            begin: &|job| session.display.new_image(&job.name),
            end: &tell,
        };
        let report = &session.report;
        let results = images::build(&jobs, &options, &listener, &session.interrupt, report);
        print_data(&match self.json {
            true => summary::json(&results)?,
            false => summary::table(&results),
        })?;
        match failure(&results) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// A client of the registry that is asked.
    fn client(&self, session: &Session) -> Result<Option<Arc<Client>>, Error> {
        if self.against.is_none() {
            return Ok(None);
        }
        let network = self.run.network.options();
        let options = client::Options {
            access: self.access.access(&session.environment),
            limits: network.transfers,
            tries: network.tries,
            proxies: network.proxies,
        };
        let client = Client::open(options, &session.interrupt, &session.report);
        Ok(Some(client.map_err(run::Error::from)?))
    }

    /// The images that are asked for.
    fn entries(&self) -> Result<Vec<ImageEntry>, Error> {
        let bad = |source| Error::Images {
            path: self.file.clone(),
            source,
        };
        let text = read(&self.file).map_err(|source| Error::ReadImages {
            path: self.file.clone(),
            source,
        })?;
        let host = arch::host().map_or("", |host| host.name);
        let mut entries = ImageTable::parse(&text, host).map_err(bad)?.images;
        for pattern in &self.names {
            let mut names = entries.iter().map(|entry| &entry.name);
            if !names.any(|name| glob::matches(pattern.as_bytes(), name.as_bytes())) {
                return Err(Error::NoSuchImage {
                    name: pattern.clone(),
                    path: self.file.clone(),
                });
            }
        }
        if !self.names.is_empty() {
            entries.retain(|entry| {
                let mut patterns = self.names.iter();
                patterns.any(|pattern| glob::matches(pattern.as_bytes(), entry.name.as_bytes()))
            });
        }
        Ok(match self.shard {
            Some(shard) => shard.of(entries),
            None => entries,
        })
    }

    /// The images with all that makes them. `parallel` of them share threads and connections.
    fn image_jobs(
        &self,
        entries: &[ImageEntry],
        parallel: usize,
        session: &Session,
    ) -> Result<Vec<ImageJob>, Error> {
        let place = ImagePlace {
            file: &self.file,
            directory: &self.output_dir,
            run: &self.run,
            access: &self.access,
        };
        let mut jobs = Vec::new();
        for entry in entries {
            let mut job = place.job(entry, session)?;
            let request = &mut job.request;
            request.limits.jobs = request.limits.jobs.div_ceil(parallel);
            request.limits.downloads = request.limits.downloads.div_ceil(parallel);
            request.sandbox.limits = request.sandbox.limits.shared_by(parallel);
            request.privilege = session.privilege.clone();
            if let Some(registry) = &self.against {
                job.references = references(&job, registry)?;
            }
            jobs.push(job);
        }
        Ok(jobs)
    }
}

/// The names of an image that are looked up: those that it is pushed to, or else its own. If none
/// is of this registry, it has them all.
fn references(job: &ImageJob, registry: &str) -> Result<Vec<Reference>, Error> {
    let outputs = &job.request.outputs;
    let mut names = outputs.push.references.clone();
    if names.is_empty() {
        names.extend(outputs.image.as_ref().and_then(Image::reference).cloned());
    }
    if names.is_empty() {
        return Err(Error::NoReference {
            name: job.name.clone(),
        });
    }
    if !names.iter().any(|name| name.registry() == registry) {
        for name in &mut names {
            *name = name.at(registry);
        }
    }
    Ok(names)
}

/// How many images are built at once: no more than processors, and no more than fit into memory.
fn default_parallel(jobs: usize) -> usize {
    let fitting = sandbox::available_memory().map_or(1, |bytes| bytes / MEMORY);
    let fitting = usize::try_from(fitting.min(MOST)).unwrap_or(1);
    jobs.min(fitting).max(1)
}

/// Reports the end of an image.
fn tell(report: &Report, result: &ImageResult) {
    match &result.state {
        ImageState::UpToDate => report.note("up to date"),
        ImageState::Built => report.send(Event::Finished(Summary {
            name: result.name.clone(),
            packages: result.packages,
        })),
        ImageState::Failed(error) => {
            let failure = exit::failure(error, error.class(), error.hint());
            report.send(Event::Failed(failure));
        }
    }
}

/// The error of the build, if an image has failed. Its class is that of all failures.
fn failure(results: &[ImageResult]) -> Option<Error> {
    let mut classes: Vec<Class> = Vec::new();
    for result in results {
        if let ImageState::Failed(error) = &result.state {
            classes.push(error.class());
        }
    }
    let first = *classes.first()?;
    Some(Error::FailedImages {
        failed: classes.len(),
        all: results.len(),
        class: match classes.iter().all(|class| *class == first) {
            true => first,
            false => Class::Other,
        },
    })
}

/// Reads a file of at most [`FILE_LIMIT`].
fn read(path: &Path) -> io::Result<String> {
    let text = bounded::read_text(File::open(path)?, FILE_LIMIT)?;
    Ok(text.ok_or(io::ErrorKind::FileTooLarge)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the directory of images is the user's own, and not in a tree"
)]
fn create(directory: &Path) -> Result<(), Error> {
    let created: io::Result<()> = match directory.metadata() {
        Ok(found) if !found.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Ok(_) | Err(_) => fs::create_dir_all(directory),
    };
    created.map_err(|source| Error::Write {
        path: directory.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
