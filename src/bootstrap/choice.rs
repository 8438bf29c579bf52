//! Which packages a run is about: the indexes are read, and the plan is made or found again.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::sources::Sources;
use super::{Error, Request};
use crate::apt;
use crate::archive::{self, Index, Seen};
use crate::install::Course;
use crate::package::Package;
use crate::plan::{self, Chosen, Foreseen, Foresight, Plan, Wanted};
use crate::report::{Event, Report, Stage};
use crate::store::{self, Kind, Store};

/// Reads the indexes and makes the plan. `foreseen` hears of packages that will be in it while it is not yet made.
pub(super) fn choose(
    request: &Request,
    sources: &Sources,
    store: &Store,
    foreseen: &(dyn Fn(Package, store::Wanted) + Sync),
    report: &Report,
) -> Result<Course, Error> {
    let wanted = wanted(request, sources);
    let foresight = Foresight::new(&wanted, sources.list.len());
    let see = |seen: Seen<'_>| {
        for Foreseen { package, mirrors, .. } in foresight.see(seen) {
            if let Ok(deb) = deb(&package, &mirrors) {
                foreseen(package, deb);
            }
        }
    };
    let index = archive::read(store, &sources.list, now(), &see, report)?;
    let preferences = apt::preferences(&index)?;
    let plan = planned(store, &index, &wanted, report)?;
    let mirrors = |chosen: &Chosen| &index.listings[chosen.listing].release.source.uris;
    let debs = plan.packages.iter().map(|chosen| deb(&chosen.package, mirrors(chosen))).collect::<Result<_, _>>()?;
    let epoch = request.epoch.unwrap_or_else(|| released(&index));
    Ok(Course { plan, debs, preferences, epoch })
}

/// Chooses the packages as the last run did that was asked the same, or anew, and tells how long that took.
fn planned(store: &Store, index: &Index, wanted: &Wanted, report: &Report) -> Result<Plan, Error> {
    let from = Instant::now();
    let key = plan::key(index, wanted);
    let recalled = store.recall(Kind::Plan, &key).and_then(|bytes| Plan::recalled(index, &bytes));
    let plan = match recalled {
        Some(plan) => plan,
        None => {
            let plan = plan::plan(index, wanted)?;
            store.remember(Kind::Plan, &key, &plan.to_bytes());
            plan
        }
    };
    report.send(Event::Span { stage: Stage::Plan, item: "plan".into(), from, to: Instant::now() });
    Ok(plan)
}

fn wanted(request: &Request, sources: &Sources) -> Wanted {
    Wanted {
        variant: request.variant,
        suite: request.suite.clone(),
        architectures: sources.architectures.clone(),
        include: request.include.clone(),
        exclude: request.exclude.clone(),
    }
}

/// What to fetch for a package.
fn deb(package: &Package, mirrors: &[String]) -> Result<store::Wanted, Error> {
    let digest = package.digest.clone().ok_or_else(|| Error::Unverifiable { package: package.name.clone() })?;
    let url = |mirror: &String| format!("{}/{}", mirror.trim_end_matches('/'), package.filename);
    Ok(store::Wanted { name: package.to_string(), urls: mirrors.iter().map(url).collect(), size: package.size, digest })
}

/// The archive's own time: the latest Date of its releases.
fn released(index: &Index) -> i64 {
    index.listings.iter().map(|listing| listing.release.date).max().unwrap_or(0)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
