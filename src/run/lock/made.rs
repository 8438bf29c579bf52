//! Makes a lock of what a run has chosen.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::super::Error as RunError;
use super::super::image_key::ImageKey;
use super::super::inputs::Inputs;
use super::super::request::Request;
use super::{Error, digests};
use crate::archive::{IndexReader, Release};
use crate::formats::lock::{
    Lock, LockedCall, LockedFile, LockedOptions, LockedPackage, LockedPathRule, LockedSource,
};
use crate::formats::path_rule::PathRuleKind;
use crate::install::InstallPlan;
use crate::plan::{Call, Chosen};
use crate::store;

/// What a lock is made of.
#[derive(Clone, Copy)]
pub(in crate::run) struct MadeLock<'a> {
    request: &'a Request,
    inputs: &'a Inputs,
    plan: &'a InstallPlan,
    reader: &'a IndexReader<'a>,
    image: Option<&'a ImageKey>,
}

/// A lock that is written, but not yet at its path.
pub(in crate::run) struct WrittenLock {
    file: NamedTempFile,
    path: PathBuf,
}

impl<'a> MadeLock<'a> {
    pub(in crate::run) fn new(
        request: &'a Request,
        inputs: &'a Inputs,
        plan: &'a InstallPlan,
        reader: &'a IndexReader<'a>,
    ) -> MadeLock<'a> {
        MadeLock {
            request,
            inputs,
            plan,
            reader,
            image: None,
        }
    }

    /// Adds the image's key, if the request asks for it.
    pub(in crate::run) fn with_image(self, key: &'a ImageKey) -> MadeLock<'a> {
        let image = Some(key).filter(|_| self.request.outputs.says_key);
        MadeLock { image, ..self }
    }

    /// Writes the lock that the request asks for. `epoch` is the time of the image.
    pub(in crate::run) fn write(self, epoch: Option<i64>) -> Result<Option<WrittenLock>, RunError> {
        let Some(path) = &self.request.outputs.lock else {
            return Ok(None);
        };
        let text = self.lock(epoch)?.to_text();
        let text = text.map_err(|source| Error::Bad {
            path: path.clone(),
            source,
        })?;
        let written = write_beside(path, text.as_bytes());
        let written = written.map_err(|source| Error::Write {
            path: path.clone(),
            source,
        });
        Ok(Some(WrittenLock {
            file: written?,
            path: path.clone(),
        }))
    }

    fn lock(self, epoch: Option<i64>) -> Result<Lock, RunError> {
        let mut sources: Vec<LockedSource> = Vec::new();
        for release in self.reader.releases()? {
            sources.push(source(&release));
        }
        let mut packages = Vec::new();
        let InstallPlan { plan, debs, .. } = self.plan;
        for (chosen, deb) in plan.packages().iter().zip(debs) {
            let url = deb.urls.first().map_or("", String::as_str);
            packages.push(LockedPackage {
                requested: self.plan.requested.contains(&chosen.package().key()),
                digest: deb.digest.to_string(),
                ..package(chosen, url, &sources)
            });
        }
        let mut calls = Vec::new();
        for call in plan.calls() {
            calls.push(match call {
                Call::Unpack(numbers) => LockedCall::Unpack(numbers.clone()),
                Call::Configure(numbers) => LockedCall::Configure(numbers.clone()),
                Call::Remove(numbers) => LockedCall::Remove(numbers.clone()),
            });
        }
        let mut apt_files = Vec::new();
        for file in &self.plan.apt {
            let path = file.path.to_string();
            apt_files.push(LockedFile::new(path, file.mode, &file.content));
        }
        let (format, version) = Lock::head();
        Ok(Lock {
            format,
            version,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            key: self.plan.key(&self.inputs.options),
            image: self.image.map(|key| key.named.hexadecimal()),
            epoch,
            options: self.options(),
            sources,
            apt_files,
            essential_count: plan.essential_count(),
            packages,
            calls,
        })
    }

    fn options(self) -> LockedOptions {
        let system = &self.request.system;
        let mut path_rules = Vec::new();
        for rule in &system.path_rules {
            let pattern = rule.pattern().to_owned();
            path_rules.push(match rule.kind() {
                PathRuleKind::Exclude => LockedPathRule::Exclude(pattern),
                PathRuleKind::Include => LockedPathRule::Include(pattern),
            });
        }
        LockedOptions {
            suite: system.suite.clone(),
            variant: system.variant.name().to_owned(),
            architectures: self.inputs.sources.architectures.clone(),
            include: self.request.packages.include.clone(),
            exclude: self.request.packages.exclude.clone(),
            merged_usr: self.inputs.sources.suite.merged_usr,
            path_rules,
            profiles: self.inputs.profiles.clone(),
            removes_secrets: self.inputs.removes_secrets,
            first_stage: system.first_stage,
            source_date_epoch: self.request.outputs.epoch,
            preseed: digests(self.inputs.preseed.as_ref()),
        }
    }
}

fn source(release: &Release) -> LockedSource {
    let source = release.source();
    LockedSource {
        uris: source
            .uris
            .iter()
            .map(|uri| store::without_login(uri))
            .collect(),
        suite: source.suite.clone(),
        components: source.components.clone(),
        architectures: source.architectures.clone(),
        codename: release.codename().map(str::to_owned),
        origin: release.origin().map(str::to_owned),
        date: release.date(),
        release: release.digest().to_string(),
    }
}

/// A package, without its digest.
fn package(chosen: &Chosen, url: &str, sources: &[LockedSource]) -> LockedPackage {
    let package = chosen.package();
    let own = chosen.release().map(source);
    LockedPackage {
        name: package.name.clone(),
        version: package.version.to_string(),
        architecture: package.architecture.clone(),
        source: sources.iter().position(|one| Some(one) == own.as_ref()),
        url: store::without_login(url),
        size: package.size,
        digest: String::new(),
        automatic: chosen.is_automatic(),
        requested: false,
        stanza: chosen.stanza().to_owned(),
    }
}

/// Fails where no lock can be written, before there is any work.
pub(in crate::run) fn require_place(path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else {
        return Ok(());
    };
    let kind = match (directory_of(path).metadata(), path.is_dir()) {
        (Ok(found), false) if found.is_dir() => return Ok(()),
        (_, true) => io::ErrorKind::IsADirectory,
        (Ok(_), false) => io::ErrorKind::NotADirectory,
        (Err(error), false) => error.kind(),
    };
    Err(Error::Write {
        path: path.to_owned(),
        source: kind.into(),
    })
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_beside(path: &Path, text: &[u8]) -> io::Result<NamedTempFile> {
    let directory = directory_of(path);
    let mode = PermissionsExt::from_mode(0o644);
    let mut builder = tempfile::Builder::new();
    let mut file = builder.permissions(mode).tempfile_in(directory)?;
    file.write_all(text)?;
    Ok(file)
}

impl WrittenLock {
    /// Puts the lock at its path, in the place of what is there.
    pub(in crate::run) fn keep(self) -> Result<(), Error> {
        let WrittenLock { file, path } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Write {
                path,
                source: error.error,
            }),
        }
    }
}
