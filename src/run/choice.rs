//! Chooses the packages: reads the indexes and plans, or takes an earlier run's plan from the
//! cache.

use std::time::Instant;

use super::Error;
use super::early::EarlyDownloads;
use crate::archive::{self, IndexReader};
use crate::formats::package::Package;
use crate::install::InstallPlan;
use crate::interrupt::Interrupt;
use crate::plan::{self, Plan, Selection};
use crate::report::{Event, Report, Stage};
use crate::store::{self, DerivedKind, Store};
use crate::tree::apt::AptFile;

/// What a choice is made of.
pub(super) struct Choice<'a> {
    pub(super) selection: &'a Selection,
    pub(super) reader: &'a IndexReader<'a>,
    pub(super) store: &'a Store,
    pub(super) early: EarlyDownloads<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
}

/// Plans, or takes the plan of an earlier run with the same selection if the archive has not
/// changed since.
pub(super) fn choose(choice: &Choice<'_>) -> Result<Plan, Error> {
    let key = plan::cache_key(choice.selection, choice.reader.sources());
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
    let plan = plan::plan_until(&index, choice.selection, choice.interrupt)?;
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
pub(super) fn install_plan(
    plan: Plan,
    apt: Vec<AptFile>,
    epoch: Option<i64>,
) -> Result<InstallPlan, Error> {
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
