//! Builds what a lock says: its options in place of the user's, its packages in place of a choice.
//!
//! No release and no index is read. The packages are verified by the digests of the lock, wherever
//! they come from. How a lock is made is in `made`.

mod error;
mod made;
mod releases;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inputs::{Inputs, path_rules, step_options};
use super::request::{Packages, Request};
use super::sources::{Sources, load_suites, named_mirrors};
use super::{Done, Error as RunError, preseed, profile};
use crate::archive::{Exemptions, Expiry, Leniency, Release, Source, TreeKeys, Trust};
use crate::bounded;
use crate::formats::digest::{Algorithm, digest};
use crate::formats::lock::{self, BadLock, CheckedLock, Lock, LockedCall, LockedPackage};
use crate::formats::suite::{MergedUsr, Suite, Suites};
use crate::install::{InstallPlan, Preseed};
use crate::plan::{self, Call, Chosen, Plan, Selection};
use crate::report::Report;
use crate::store::{self, RemoteFile};
use crate::tree::apt::AptFile;
use crate::tree::rootfs::RootPath;

pub(crate) use error::Error;
pub(super) use made::MadeLock;
pub(crate) use releases::require_same_releases;

/// Reads a file of at most [`lock::SIZE_LIMIT`].
fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let read = File::open(path).and_then(|file| bounded::read(file, lock::SIZE_LIMIT));
    let path = path.to_owned();
    match read {
        Err(source) => Err(Error::Read { path, source }),
        Ok(None) => Err(Error::TooLarge { path }),
        Ok(Some(text)) => Ok(text),
    }
}

/// A lock from a file.
#[derive(Debug)]
pub(super) struct GivenLock {
    path: PathBuf,
    checked: CheckedLock,
}

/// The key of the image that was made with a lock; `None` if there is no lock, or one that is not
/// valid.
pub(crate) fn locked_image_key(path: &Path) -> Result<Option<String>, Error> {
    match GivenLock::read(path) {
        Ok(given) => Ok(given.checked.lock.image),
        Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error @ Error::Read { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The new lock of an image that is up to date, if it differs from the one at `path`: releases can
/// be newer although the packages are the same.
pub(crate) fn fresh_lock(done: &Done, path: &Path) -> Result<Option<String>, RunError> {
    let Some(mut fresh) = done.lock.clone() else {
        return Ok(None);
    };
    let given = GivenLock::read(path)?;
    fresh.epoch = given.lock().epoch;
    fresh.checksum.clone_from(&given.lock().checksum);
    if fresh == *given.lock() {
        return Ok(None);
    }
    let text = fresh.into_text().map_err(|source| given.wrong(source))?;
    Ok(Some(text))
}

impl GivenLock {
    pub(super) fn read(path: &Path) -> Result<GivenLock, Error> {
        let text = read_file(path)?;
        let path = path.to_owned();
        match Lock::parse(&text) {
            Ok(checked) => Ok(GivenLock { path, checked }),
            Err(source) => Err(Error::Bad { path, source }),
        }
    }

    fn lock(&self) -> &Lock {
        &self.checked.lock
    }

    fn bad(&self, field: &str, problem: &str) -> Error {
        Error::Bad {
            path: self.path.clone(),
            source: lock::bad(field, problem),
        }
    }

    fn differs(&self, field: &'static str, locked: String, given: String) -> Error {
        Error::Mismatch {
            path: self.path.clone(),
            field,
            locked,
            given,
        }
    }

    /// The request with the options of the lock.
    pub(super) fn adapt(&self, request: &Request) -> Result<Request, Error> {
        let options = &self.lock().options;
        if request.system.suite != options.suite {
            let given = request.system.suite.clone();
            return Err(self.differs("options.suite", options.suite.clone(), given));
        }
        let mut request = request.clone();
        if let Some(epoch) = request.outputs.epoch
            && options.source_date_epoch != Some(epoch)
        {
            let locked = match options.source_date_epoch {
                Some(locked) => locked.to_string(),
                None => "null".to_owned(),
            };
            let given = format!("SOURCE_DATE_EPOCH={epoch}");
            return Err(self.differs("options.source_date_epoch", locked, given));
        }
        request.outputs.epoch = options.source_date_epoch;
        let system = &mut request.system;
        system.variant = self.checked.variant;
        system.architectures.clone_from(&options.architectures);
        system.first_stage = options.first_stage;
        system.path_rules.clone_from(&self.checked.path_rules);
        request.packages = Packages {
            include: options.include.clone(),
            exclude: options.exclude.clone(),
        };
        Ok(request)
    }

    /// What a run of the adapted request starts from.
    pub(super) fn inputs(&self, request: &Request, report: &Report) -> Result<Inputs, RunError> {
        let options = &self.lock().options;
        let suites = load_suites(&request.sources.suite_directories)?;
        let sources = self.sources(&suites);
        let mut include = options.include.clone();
        // The files of the host are among the packages.
        include.retain(|word| !plan::is_path(word));
        let selection = Selection {
            variant: request.system.variant,
            suite: options.suite.clone(),
            architectures: options.architectures.clone(),
            include,
            local: Vec::new(),
            exclude: options.exclude.clone(),
            usr_is_merged: options.merged_usr == MergedUsr::WithPackage,
            first_alternatives: false,
        };
        let preseed = preseed::read(&request.system, report)?;
        let answers = digests(preseed.as_ref());
        if answers != options.preseed {
            let locked = shown(&options.preseed);
            return Err(self
                .differs("options.preseed", locked, shown(&answers))
                .into());
        }
        let profile = profile::add_up(&options.profiles)?;
        Ok(Inputs {
            target_debs: None,
            options: step_options(request, &sources, None)
                .with_path_rules(&path_rules(request, profile.as_ref()))
                .with_preseed(preseed.as_ref())
                .with_profile(profile.as_ref()),
            sources,
            selection,
            preseed,
            removes_secrets: options.removes_secrets,
            profiles: options.profiles.clone(),
        })
    }

    /// The sources. They are not read.
    fn sources(&self, suites: &Suites) -> Sources {
        let mut list = Vec::new();
        for source in &self.lock().sources {
            list.push(Source {
                uris: source.uris.clone(),
                suite: source.suite.clone(),
                components: source.components.clone(),
                architectures: source.architectures.clone(),
                trust: Trust::Unchecked,
                expiry: Expiry::Ignore,
                tree_keys: TreeKeys::default(),
                packaged: None,
                pin: None,
                exemptions: Exemptions::default(),
                archive: String::new(),
                leniency: Leniency::default(),
            });
        }
        let options = &self.lock().options;
        let known = suites.find(&options.suite).cloned();
        let mut suite = known.unwrap_or_else(|| Suite::unlisted(&options.suite));
        suite.distribution.clone_from(&options.distribution);
        suite.codename.clone_from(&options.codename);
        suite.merged_usr = options.merged_usr;
        Sources::of_lock(suite, list, self.lock())
    }

    /// What is installed.
    pub(super) fn install_plan(
        &self,
        request: &Request,
        inputs: &Inputs,
        report: &Report,
    ) -> Result<InstallPlan, RunError> {
        let suites = load_suites(&request.sources.suite_directories)?;
        let mut releases = Vec::new();
        let mut mirrors = Vec::new();
        for (source, digest) in inputs.sources.list.iter().zip(&self.checked.releases) {
            let release = Release::recorded(source.clone(), digest.clone());
            releases.push(Arc::new(release));
            let mut all = named_mirrors(&source.suite, request, &suites)?;
            all.extend_from_slice(&source.uris);
            mirrors.push(all);
        }
        let mut debs = Vec::new();
        let mut packages = Vec::new();
        let mut requested = Vec::new();
        for (package, digest) in self.lock().packages.iter().zip(&self.checked.packages) {
            let release = package.source.map(|at| Arc::clone(&releases[at]));
            let chosen = Chosen::new(&package.stanza, release, package.automatic);
            let chosen = chosen.map_err(|error| self.bad("packages", &error.to_string()))?;
            let from = package.source.map_or(&[][..], |at| &mirrors[at]);
            debs.push(RemoteFile {
                name: chosen.package().key().to_string(),
                urls: urls(package, &chosen, from),
                size: package.size,
                digest: digest.clone(),
            });
            if package.requested {
                requested.push(chosen.package().key());
            }
            packages.push(chosen);
        }
        let calls = self.lock().calls.iter().map(call).collect();
        let plan = Plan::new(packages, self.lock().essential_count, calls);
        let plan = InstallPlan {
            plan: plan.ok_or_else(|| self.bad("calls", "they name no packages"))?,
            debs,
            apt: self.apt_files()?,
            epoch: request.outputs.epoch,
            requested,
        };
        self.check_key(&plan, inputs, report)?;
        Ok(plan)
    }

    fn wrong(&self, source: BadLock) -> Error {
        Error::Bad {
            path: self.path.clone(),
            source,
        }
    }

    fn apt_files(&self) -> Result<Vec<AptFile>, Error> {
        let mut files = Vec::new();
        for (number, file) in self.lock().apt_files.iter().enumerate() {
            let field = format!("apt_files[{number}]");
            let path = RootPath::parse(&file.path);
            files.push(AptFile {
                path: path.map_err(|error| self.bad(&field, &error.to_string()))?,
                content: file.content(&field).map_err(|source| self.wrong(source))?,
                mode: file.mode,
            });
        }
        Ok(files)
    }

    /// Checks that the lock leads to the steps that it was made of. Another version of the program
    /// may have other steps for the same packages.
    fn check_key(&self, plan: &InstallPlan, inputs: &Inputs, report: &Report) -> Result<(), Error> {
        if plan.key(&inputs.options) == self.lock().key {
            return Ok(());
        }
        let path = self.path.clone();
        if self.lock().program == env!("CARGO_PKG_VERSION") {
            return Err(Error::Key { path });
        }
        report.warning(format!(
            "{} was written by rbootstrap {}, whose image may differ",
            path.display(),
            self.lock().program
        ));
        Ok(())
    }
}

/// Where a package is looked for: at the mirrors, and at last where the lock's run found it.
fn urls(package: &LockedPackage, chosen: &Chosen, mirrors: &[String]) -> Vec<String> {
    let path = store::encode(&chosen.package().filename);
    let mut urls = Vec::new();
    for mirror in mirrors {
        let url = format!("{}/{path}", mirror.trim_end_matches('/'));
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if !urls.contains(&package.url) {
        urls.push(package.url.clone());
    }
    urls
}

fn call(call: &LockedCall) -> Call {
    match call {
        LockedCall::Unpack(numbers) => Call::Unpack(numbers.clone()),
        LockedCall::Configure(numbers) => Call::Configure(numbers.clone()),
        LockedCall::Remove(numbers) => Call::Remove(numbers.clone()),
    }
}

/// The digests of files with answers.
fn digests(preseed: Option<&Preseed>) -> Vec<String> {
    let mut digests = Vec::new();
    for file in preseed.map_or(&[][..], |preseed| &preseed.files) {
        digests.push(digest(Algorithm::Sha256, file.content()).to_string());
    }
    digests
}

fn shown(digests: &[String]) -> String {
    match digests {
        [] => "none".to_owned(),
        some => some.join(", "),
    }
}
