//! Which packages a run is about: the indexes are read, and the plan is made or found again.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::sources::Sources;
use super::{Error, Request};
use crate::archive::{self, Reading, Seen};
use crate::formats::package::Package;
use crate::install::Course;
use crate::plan::{self, Plan, Prefetch, PrefetchPlanner, Selection};
use crate::report::{Event, Report, Stage};
use crate::store::{self, Kind, Store};

/// Reads the indexes and makes the plan. `prefetch` is called for packages
/// that are certain to be in the plan before it is made.
pub(super) fn choose(
    request: &Request,
    sources: &Sources,
    store: &Store,
    prefetch: &(dyn Fn(Prefetch, store::Wanted) + Sync),
    report: &Report,
) -> Result<Course, Error> {
    let selection = selection(request, sources);
    let reading = Reading::new(store, &sources.list, now(), report);
    let planner = PrefetchPlanner::new(&selection, sources.list.len());
    let see = |seen: Seen<'_>| {
        for one in planner.see(seen) {
            if let Ok(deb) = deb(&one.package, &one.mirrors) {
                prefetch(one, deb);
            }
        }
    };
    let plan = planned(store, &reading, &selection, &see, report)?;
    let releases = reading.releases()?;
    let preferences = archive::preferences(&releases)?;
    let debs = plan
        .packages()
        .iter()
        .map(|chosen| deb(chosen.package(), &chosen.release().source.uris))
        .collect::<Result<_, _>>()?;
    let epoch = request.epoch.unwrap_or_else(|| {
        releases
            .iter()
            .map(|release| release.date)
            .max()
            .unwrap_or(0)
    });
    Ok(Course {
        plan,
        debs,
        preferences,
        epoch,
    })
}

/// Chooses the packages: as the last run did that was asked the same, where the archive still promises the same, or anew.
fn planned(
    store: &Store,
    reading: &Reading<'_>,
    selection: &Selection,
    see: &(dyn Fn(Seen<'_>) + Sync),
    report: &Report,
) -> Result<Plan, Error> {
    let key = plan::cache_key(selection, reading.sources());
    // Only then is it worth it to hold the indexes back until all releases are there.
    if let Some(bytes) = store.recall(Kind::Plan, &key) {
        let releases = reading.releases()?;
        let from = Instant::now();
        if let Some(plan) = Plan::from_bytes(&bytes, &releases, &archive::promise(&releases)?) {
            reading.lacked_nowhere_else()?;
            spanned(report, from);
            return Ok(plan);
        }
    }
    let index = reading.index(see)?;
    let from = Instant::now();
    let plan = plan::plan(&index, selection)?;
    spanned(report, from);
    let releases = reading.releases()?;
    store.remember(
        Kind::Plan,
        &key,
        &plan.to_bytes(&releases, &archive::promise(&releases)?),
    );
    Ok(plan)
}

fn spanned(report: &Report, from: Instant) {
    report.send(Event::Span {
        stage: Stage::Plan,
        item: "plan".into(),
        from,
        to: Instant::now(),
    });
}

fn selection(request: &Request, sources: &Sources) -> Selection {
    Selection {
        variant: request.variant,
        suite: request.suite.clone(),
        architectures: sources.architectures.clone(),
        include: request.include.clone(),
        exclude: request.exclude.clone(),
    }
}

/// What to fetch for a package.
fn deb(package: &Package, mirrors: &[String]) -> Result<store::Wanted, Error> {
    let digest = package.digest.clone().ok_or_else(|| Error::Unverifiable {
        package: package.name.clone(),
    })?;
    let url = |mirror: &String| format!("{}/{}", mirror.trim_end_matches('/'), package.filename);
    Ok(store::Wanted {
        name: package.key().to_string(),
        urls: mirrors.iter().map(url).collect(),
        size: package.size,
        digest,
    })
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
