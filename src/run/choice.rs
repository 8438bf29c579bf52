//! Chooses the packages: reads the indexes and plans, or takes an earlier run's plan from the
//! cache.

use std::time::Instant;

use super::early::EarlyDownloads;
use super::inputs::Inputs;
use super::lock::GivenLock;
use super::request::Request;
use super::{Error, apt_files, debootstrap, preseed};
use crate::archive::{self, IndexReader};
use crate::formats::package::Package;
use crate::install::InstallPlan;
use crate::interrupt::Interrupt;
use crate::plan::{self, Plan};
use crate::report::{Event, Report, Stage};
use crate::store::{self, DerivedKind, Store};
use crate::tree::apt::AptFile;

/// What a choice is made of.
pub(super) struct Choice<'a> {
    pub(super) request: &'a Request,
    /// Decides instead of the archive.
    pub(super) lock: Option<&'a GivenLock>,
    pub(super) inputs: &'a Inputs,
    pub(super) reader: &'a IndexReader<'a>,
    pub(super) store: &'a Store,
    pub(super) early: EarlyDownloads<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
}

/// Chooses what is installed, with all that is written into the tree because of it.
pub(super) fn choose(choice: &Choice<'_>) -> Result<InstallPlan, Error> {
    let Choice {
        request,
        inputs,
        reader,
        ..
    } = choice;
    if let Some(lock) = choice.lock {
        let plan = lock.install_plan(request, inputs, choice.report)?;
        preseed::require_debconf(inputs.preseed.as_ref(), &plan.plan)?;
        return Ok(plan);
    }
    let plan = plan(choice)?;
    let apt = apt_files::apt_files(&inputs.sources, reader, choice.store, choice.report)?;
    let plan = install_plan(plan, apt, request.outputs.epoch)?;
    let mut plan = plan.with_requested(&inputs.selection);
    debootstrap::prepare(&mut plan, request, inputs, reader);
    preseed::require_debconf(inputs.preseed.as_ref(), &plan.plan)?;
    Ok(plan)
}

/// Plans, or takes the plan of an earlier run with the same selection if the archive has not
/// changed since.
fn plan(choice: &Choice<'_>) -> Result<Plan, Error> {
    let selection = &choice.inputs.selection;
    let key = plan::cache_key(selection, choice.reader.sources());
    // Only a plan in the cache is worth holding the indexes back until all releases are read.
    if let Some(bytes) = choice.store.get(DerivedKind::Plan, &key) {
        let releases = choice.reader.releases()?;
        let from = Instant::now();
        let releases_key = archive::releases_key(&releases)?.hexadecimal();
        if let Some(plan) = Plan::from_bytes(&bytes, &releases, &releases_key) {
            choice.reader.check_missing()?;
            choice.reader.remember_dates();
            report_time(choice.report, from);
            return Ok(plan);
        }
    }
    let index = choice.reader.index(&|event| choice.early.see(event))?;
    let from = Instant::now();
    let plan = plan::plan_until(&index, selection, choice.interrupt)?;
    report_time(choice.report, from);
    let releases = choice.reader.releases()?;
    let bytes = plan.to_bytes(&releases, &archive::releases_key(&releases)?.hexadecimal());
    choice.store.put(DerivedKind::Plan, &key, &bytes);
    Ok(plan)
}

fn report_time(report: &Report, from: Instant) {
    report.send(Event::Span {
        stage: Stage::Plan,
        item: "plan".into(),
        from,
        to: Instant::now(),
    });
}

/// What is installed by a plan. `epoch` is the user's SOURCE_DATE_EPOCH.
fn install_plan(plan: Plan, apt: Vec<AptFile>, epoch: Option<i64>) -> Result<InstallPlan, Error> {
    let mut debs = Vec::new();
    for chosen in plan.packages() {
        debs.push(match chosen.release() {
            Some(release) => archive_deb(chosen.package(), &release.source().uris)?,
            None => deb(chosen.package(), vec![chosen.package().filename.clone()])?,
        });
    }
    Ok(InstallPlan {
        plan,
        debs,
        apt,
        epoch,
        requested: Vec::new(),
    })
}

/// The file to fetch for a package of an archive.
pub(super) fn archive_deb(
    package: &Package,
    mirrors: &[String],
) -> Result<store::RemoteFile, Error> {
    let path = store::encode(&package.filename);
    let mut urls = Vec::new();
    for mirror in mirrors {
        let mirror = mirror.trim_end_matches('/');
        urls.push(format!("{mirror}/{path}"));
    }
    deb(package, urls)
}

fn deb(package: &Package, urls: Vec<String>) -> Result<store::RemoteFile, Error> {
    let missing = match package {
        Package { filename, .. } if filename.is_empty() => Some("Filename"),
        Package { size: 0, .. } => Some("Size"),
        _ => None,
    };
    if let Some(field) = missing {
        return Err(Error::Unfetchable {
            package: package.name.clone(),
            field,
        });
    }
    let Some(digest) = package.digest.clone() else {
        return Err(Error::Unverifiable {
            package: package.name.clone(),
        });
    };
    Ok(store::RemoteFile {
        name: package.key().to_string(),
        urls,
        size: package.size,
        digest,
    })
}
