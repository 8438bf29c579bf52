//! Which mirrors the pockets of a suite are read from: the suite's own, the host's, the user's, or
//! snapshots.

use std::path::Path;

use super::super::Error;
use super::super::request::SourceOptions;
use super::host_architecture;
use crate::archive::{self, HostMirrors, sources};
use crate::formats::snapshot_time::SnapshotTime;
use crate::formats::suite::{Pocket, Suite, Suites};
use crate::report::Report;
use crate::store;

/// What becomes the time in the URL of a snapshot.
const SNAPSHOT_TIME: &str = "{time}";

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
pub(super) fn use_mirror(pockets: &mut Vec<Pocket>, name: &str, mirror: &str) {
    pockets.truncate(1);
    for pocket in pockets {
        pocket.suite = name.to_owned();
        pocket.uris = vec![mirror.to_owned()];
    }
}

/// Has the pockets read from the snapshots of their archives, or from a MIRROR that has them.
pub(super) fn use_snapshots(
    pockets: &mut [Pocket],
    options: &SourceOptions,
    time: SnapshotTime,
) -> Result<(), Error> {
    for pocket in pockets {
        let template = match (&options.mirror, &pocket.snapshot) {
            (Some(mirror), _) if mirror.contains(SNAPSHOT_TIME) => mirror,
            (Some(mirror), _) => {
                return Err(Error::NoTimeInMirror {
                    mirror: store::shown(mirror),
                });
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

pub(super) fn snapshot_name(pocket: &Pocket) -> String {
    sources::archive_at(pocket.uris.first().map_or("", String::as_str))
}

/// The mirrors that the host's own apt uses, if they serve this suite and architecture.
pub(super) fn host_mirrors(suites: &Suites, suite: &Suite, native: &str) -> Option<HostMirrors> {
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

pub(super) fn prefer(host: &HostMirrors, pockets: &mut [Pocket], report: &Report) {
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
pub(super) fn add_mirrors(pockets: &mut [Pocket], mirrors: &[String]) {
    let Some(main) = pockets.first().map(|release| release.archive.clone()) else {
        return;
    };
    for pocket in pockets {
        if pocket.archive == main {
            pocket.uris.extend_from_slice(mirrors);
        }
    }
}
