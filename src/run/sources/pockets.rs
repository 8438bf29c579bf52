//! Which mirrors the pockets of a suite are read from: the suite's own, the host's, the user's, or
//! snapshots.

use std::path::Path;

use super::super::Error;
use super::super::request::{Request, SourceOptions};
use super::host_architecture;
use crate::archive::{self, HostMirrors, sources};
use crate::formats::snapshot_time::SnapshotTime;
use crate::formats::suite::{Pocket, Suite, Suites};
use crate::report::Report;
use crate::store;

/// What becomes the time in the URL of a snapshot.
const SNAPSHOT_TIME: &str = "{time}";

/// What decides which pockets are read, and from which mirrors.
pub(super) struct PocketChoice<'a> {
    pub(super) suites: &'a Suites,
    pub(super) suite: &'a Suite,
    /// The user's name for the suite.
    pub(super) name: &'a str,
    /// The native one.
    pub(super) architecture: &'a str,
    pub(super) options: &'a SourceOptions,
}

impl PocketChoice<'_> {
    pub(super) fn choose(&self, report: &Report) -> Result<Vec<Pocket>, Error> {
        let options = self.options;
        let mut pockets = self.suite.pockets_for(self.architecture);
        match &options.mirror {
            Some(mirror) => use_mirror(&mut pockets, self.name, mirror),
            None if !options.pockets => pockets.truncate(1),
            None => {}
        }
        if let Some(time) = options.snapshot {
            use_snapshots(&mut pockets, options, time)?;
        } else if options.mirror.is_none()
            && let Some(host) = host_mirrors(self.suites, self.suite, self.architecture)
        {
            prefer(&host, &mut pockets, report);
        }
        if pockets.iter().any(|pocket| pocket.uris.is_empty()) {
            return Err(Error::Architecture {
                suite: self.name.to_owned(),
                architecture: self.architecture.to_owned(),
            });
        }
        add_mirrors(&mut pockets, &self.further_mirrors()?);
        Ok(pockets)
    }

    fn further_mirrors(&self) -> Result<Vec<String>, Error> {
        let mirrors = &self.options.further_mirrors;
        let Some(time) = self.options.snapshot else {
            return Ok(mirrors.clone());
        };
        mirrors.iter().map(|mirror| at_time(mirror, time)).collect()
    }
}

/// The pockets of the suite as its file has them; none if no file lists it.
pub(super) fn public_pockets(pockets: &[Pocket], options: &SourceOptions) -> Vec<Pocket> {
    let mut public = pockets.to_vec();
    if !options.pockets {
        public.truncate(1);
    }
    public.retain(|pocket| !pocket.uris.is_empty());
    public
}

/// Leaves the release pocket alone, on the user's mirror. The mirror is asked for the suite by the
/// user's name for it, as debootstrap does.
fn use_mirror(pockets: &mut Vec<Pocket>, name: &str, mirror: &str) {
    pockets.truncate(1);
    for pocket in pockets {
        pocket.suite = name.to_owned();
        pocket.uris = vec![mirror.to_owned()];
    }
}

/// Has the pockets read from the snapshots of their archives, or from a MIRROR that has them.
fn use_snapshots(
    pockets: &mut [Pocket],
    options: &SourceOptions,
    time: SnapshotTime,
) -> Result<(), Error> {
    for pocket in pockets {
        let template = match (&options.mirror, &pocket.snapshot) {
            (Some(mirror), _) => {
                pocket.uris = vec![at_time(mirror, time)?];
                continue;
            }
            (None, Some(template)) => template,
            (None, None) => {
                return Err(Error::NoSnapshots {
                    suite: pocket.suite.clone(),
                });
            }
        };
        pocket.uris = vec![template.replace(SNAPSHOT_TIME, &time.to_string())];
    }
    Ok(())
}

/// Where the packages of a suite are looked for before the places that a lock has: the user's
/// MIRROR, or the snapshots of the suite, and further mirrors.
pub(in crate::run) fn named_mirrors(
    suite: &str,
    request: &Request,
    suites: &Suites,
) -> Result<Vec<String>, Error> {
    let options = &request.sources;
    let mut mirrors = Vec::new();
    match (&options.mirror, options.snapshot) {
        (Some(mirror), None) => mirrors.push(mirror.clone()),
        (Some(mirror), Some(time)) => mirrors.push(at_time(mirror, time)?),
        (None, Some(time)) => mirrors.push(snapshot_of(suite, request, suites, time)?),
        (None, None) => {}
    }
    for mirror in &options.further_mirrors {
        mirrors.push(match options.snapshot {
            Some(time) => at_time(mirror, time)?,
            None => mirror.clone(),
        });
    }
    Ok(mirrors)
}

fn snapshot_of(
    suite: &str,
    request: &Request,
    suites: &Suites,
    time: SnapshotTime,
) -> Result<String, Error> {
    let system = &request.system;
    let native = system.architectures.first().map_or("", String::as_str);
    if let Some(known) = suites.find(&system.suite) {
        for pocket in known.pockets_for(native) {
            if let (true, Some(template)) = (pocket.suite == suite, &pocket.snapshot) {
                return Ok(template.replace(SNAPSHOT_TIME, &time.to_string()));
            }
        }
    }
    Err(Error::NoSnapshots {
        suite: suite.to_owned(),
    })
}

/// The URL of a snapshot, from a mirror of the user's that has one of each time.
fn at_time(mirror: &str, time: SnapshotTime) -> Result<String, Error> {
    match mirror.contains(SNAPSHOT_TIME) {
        true => Ok(mirror.replace(SNAPSHOT_TIME, &time.to_string())),
        false => Err(Error::NoTimeInMirror {
            mirror: store::shown(mirror),
        }),
    }
}

pub(super) fn snapshot_name(pocket: &Pocket) -> String {
    sources::archive_at(pocket.uris.first().map_or("", String::as_str))
}

/// The mirrors that the host's own apt uses, if they serve this suite and architecture.
fn host_mirrors(suites: &Suites, suite: &Suite, native: &str) -> Option<HostMirrors> {
    let host = host_architecture().ok()?;
    if suite.end_of_life || !suite.shares_mirrors(native, &host) {
        return None;
    }
    let names = suites.names(&suite.distribution);
    Some(archive::host_mirrors(
        Path::new("/"),
        &suite.distribution,
        &names,
    ))
}

fn prefer(host: &HostMirrors, pockets: &mut [Pocket], report: &Report) {
    let mut reported = Vec::new();
    for pocket in pockets {
        if let Some(mirror) = host.prefer(pocket)
            && !reported.contains(&mirror)
        {
            let shown = store::shown(&mirror);
            report.note(format!("using the host's own mirror {shown}"));
            reported.push(mirror);
        }
    }
}

/// Adds mirrors of the archive that has the release pocket. Security updates may be in another
/// archive.
fn add_mirrors(pockets: &mut [Pocket], mirrors: &[String]) {
    let Some(main) = pockets.first().map(|release| release.archive.clone()) else {
        return;
    };
    for pocket in pockets {
        if pocket.archive == main {
            pocket.uris.extend_from_slice(mirrors);
        }
    }
}
