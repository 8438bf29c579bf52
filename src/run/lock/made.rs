//! Makes a lock of what a run has chosen.

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
use crate::pack::WrittenDocument;
use crate::plan::{Call, Chosen};
use crate::store;
use crate::tree::rootfs::Rootfs;

/// What a lock is made of.
#[derive(Clone, Copy)]
pub(in crate::run) struct MadeLock<'a> {
    request: &'a Request,
    inputs: &'a Inputs,
    plan: &'a InstallPlan,
    reader: &'a IndexReader<'a>,
    image: Option<&'a ImageKey>,
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

    /// Writes the lock that the request asks for, outside the tree. `epoch` is the time of the
    /// image.
    pub(in crate::run) fn write(
        self,
        epoch: Option<i64>,
        tree: Option<&Rootfs>,
    ) -> Result<Option<WrittenDocument>, RunError> {
        let Some(path) = &self.request.outputs.lock else {
            return Ok(None);
        };
        let text = self.lock(epoch)?.into_text();
        let text = text.map_err(|source| Error::Bad {
            path: path.clone(),
            source,
        })?;
        let written = WrittenDocument::write(path, text.as_bytes(), tree)?;
        Ok(Some(written))
    }

    /// The lock, without the time of the image, if it is of an image of a build.
    pub(in crate::run) fn of_build(self) -> Result<Option<Lock>, RunError> {
        match self.image {
            Some(_) => self.lock(None).map(Some),
            None => Ok(None),
        }
    }

    fn lock(self, epoch: Option<i64>) -> Result<Lock, RunError> {
        let mut sources: Vec<LockedSource> = Vec::new();
        for release in self.reader.releases()? {
            sources.push(self.source(&release));
        }
        let mut packages = Vec::new();
        let InstallPlan { plan, debs, .. } = self.plan;
        for (chosen, deb) in plan.packages().iter().zip(debs) {
            let url = deb.urls.first().map_or("", String::as_str);
            let own = chosen.release().map(|release| self.source(release));
            packages.push(LockedPackage {
                source: sources.iter().position(|one| Some(one) == own.as_ref()),
                requested: self.plan.requested.contains(&chosen.package().key()),
                digest: deb.digest.to_string(),
                ..package(chosen, url)
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
            checksum: String::new(),
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
            distribution: self.inputs.sources.suite.distribution.clone(),
            codename: self.inputs.sources.suite.codename.clone(),
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

    fn source(self, release: &Release) -> LockedSource {
        let source = release.source();
        let mut uris = Vec::new();
        for uri in &source.uris {
            uris.push(store::without_login(uri));
        }
        LockedSource {
            uris,
            public: self.inputs.sources.public_uri(release),
            suite: source.suite.clone(),
            components: source.components.clone(),
            architectures: source.architectures.clone(),
            codename: release.codename().map(str::to_owned),
            origin: release.origin().map(str::to_owned),
            date: release.date(),
            release: release.digest().to_string(),
        }
    }
}

/// A package, without its digest and its source.
fn package(chosen: &Chosen, url: &str) -> LockedPackage {
    let package = chosen.package();
    LockedPackage {
        name: package.name.clone(),
        version: package.version.to_string(),
        architecture: package.architecture.clone(),
        source: None,
        url: store::without_login(url),
        size: package.size,
        digest: String::new(),
        automatic: chosen.is_automatic(),
        requested: false,
        stanza: chosen.stanza().to_owned(),
    }
}
