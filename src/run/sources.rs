//! From a request to the sources that are read: the suite's own, or the one mirror that the user names, and what he adds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Error, Request, Trust};
use crate::archive::{self, Expiry, HostMirrors, Keyring, Leave, Source};
use crate::formats::suite::{BuiltInKeyring, MergedUsr, Pocket, Suite, Suites};
use crate::report::Report;

/// What is read, and for which suite.
pub(super) struct Sources {
    pub(super) suite: Suite,
    pub(super) list: Vec<Source>,
    /// Native first.
    pub(super) architectures: Vec<String>,
}

/// All suites that are known, the user's among them.
pub(super) fn suites() -> Result<Suites, Error> {
    let home = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let own = home("XDG_CONFIG_HOME").or_else(|| home("HOME").map(|home| home.join(".config")));
    let mut directories = vec![PathBuf::from("/etc/rbootstrap/suites")];
    directories.extend(own.map(|own| own.join("rbootstrap/suites")));
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    Ok(Suites::load(&directories)?)
}

/// The sources of a request, in the order in which they are read.
pub(super) fn choose(request: &Request, report: &Report) -> Result<Sources, Error> {
    let suites = suites()?;
    let suite = merged_as_asked(find(&suites, request)?, request)?;
    let architectures = match request.architectures.as_slice() {
        [] => vec![host_architecture()?],
        asked => asked.to_vec(),
    };
    let trust = trust(&suite, request, report)?;
    let mut list = Vec::new();
    for pocket in pockets(&suites, &suite, &architectures[0], request, report)? {
        list.push(Source {
            uris: pocket.uris,
            suite: pocket.suite,
            components: request.components.clone(),
            architectures: architectures.clone(),
            trust: trust.clone(),
            expiry: if request.accept_expired {
                Expiry::Ignore
            } else {
                Expiry::Check
            },
            signed_by: suite
                .keyrings
                .first()
                .map(|keyring| keyring.tree_path.clone())
                .filter(|_| suite.deb822_sources),
            pin: None,
            leave: Leave::default(),
        });
    }
    for given in &request.extra_sources {
        list.extend(extra(given, &architectures, &trust, request)?);
    }
    Ok(Sources {
        suite,
        list,
        architectures,
    })
}

fn find(suites: &Suites, request: &Request) -> Result<Suite, Error> {
    let name = &request.suite;
    match suites.find(name) {
        Some(suite) => Ok(suite.clone()),
        None if request.mirror.is_none() && request.keyrings.is_empty() => {
            let names = suites
                .all()
                .flat_map(|suite| suite.aliases.iter().chain([&suite.codename]));
            let similar = names.filter(|known| alike(known, name)).cloned().collect();
            Err(Error::UnknownSuite {
                name: name.clone(),
                similar,
            })
        }
        None if request.mirror.is_none() => Err(Error::UnlistedSuite {
            name: name.clone(),
            needs: "a MIRROR",
        }),
        None if request.keyrings.is_empty() && request.trust == Trust::Signatures => {
            Err(Error::UnlistedSuite {
                name: name.clone(),
                needs: "a --keyring",
            })
        }
        None => Ok(Suite::unlisted(name)),
    }
}

/// Whether two names are one slip apart: a letter more, less, another, or two swapped.
fn alike(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], rest) | (rest, []) => rest.len() <= 1,
        ([x, y, a @ ..], [v, w, b @ ..]) if (x, y) == (w, v) && a == b => true,
        ([_, a_rest @ ..], [_, b_rest @ ..]) => a_rest == b_rest || a_rest == b || a == b_rest,
    }
}

fn merged_as_asked(mut suite: Suite, request: &Request) -> Result<Suite, Error> {
    let refuse = |asked| {
        Err(Error::MergedUsr {
            suite: request.suite.clone(),
            asked,
        })
    };
    match (request.merged_usr, suite.merged_usr) {
        (Some(false), MergedUsr::Shipped) => return refuse("no-merged-usr"),
        (Some(false), _) => suite.merged_usr = MergedUsr::No,
        (Some(true), MergedUsr::No) => suite.merged_usr = MergedUsr::MadeFirst,
        _ => {}
    }
    Ok(suite)
}

/// The pockets to read: those of the suite's file, with the host's own mirrors in front, or the one mirror's release.
fn pockets(
    suites: &Suites,
    suite: &Suite,
    architecture: &str,
    request: &Request,
    report: &Report,
) -> Result<Vec<Pocket>, Error> {
    let mut pockets = suite.pockets_for(architecture);
    if let Some(mirror) = &request.mirror {
        // The name that was asked for is the name that the mirror is asked for, as debootstrap does.
        let release = pockets.into_iter().take(1).map(|pocket| Pocket {
            suite: request.suite.clone(),
            uris: vec![mirror.clone()],
            ..pocket
        });
        return Ok(with_further_mirrors(release.collect(), request));
    }
    if !request.pockets {
        pockets.truncate(1);
    }
    let host_is_served_alike =
        host_architecture().is_ok_and(|host| suite.shares_mirrors(architecture, &host));
    if !suite.end_of_life && host_is_served_alike {
        let host = archive::host_mirrors(
            Path::new("/"),
            &suite.distribution,
            &suites.names(&suite.distribution),
        );
        prefer(&host, &mut pockets, report);
    }
    if pockets.iter().any(|pocket| pocket.uris.is_empty()) {
        return Err(Error::Architecture {
            suite: request.suite.clone(),
            architecture: architecture.to_owned(),
        });
    }
    Ok(with_further_mirrors(pockets, request))
}

fn prefer(host: &HostMirrors, pockets: &mut [Pocket], report: &Report) {
    let mut told = Vec::new();
    for pocket in pockets {
        if let Some(mirror) = host.prefer(pocket)
            && !told.contains(&mirror)
        {
            report.note(format!("using the host's own mirror {mirror}"));
            told.push(mirror);
        }
    }
}

/// `--mirror` names mirrors of the archive that has the release; security updates are elsewhere.
fn with_further_mirrors(mut pockets: Vec<Pocket>, request: &Request) -> Vec<Pocket> {
    let main = pockets.first().map(|release| release.archive.clone());
    for pocket in pockets
        .iter_mut()
        .filter(|pocket| Some(&pocket.archive) == main.as_ref())
    {
        pocket.uris.extend(request.further_mirrors.iter().cloned());
    }
    pockets
}

fn trust(suite: &Suite, request: &Request, report: &Report) -> Result<archive::Trust, Error> {
    if request.trust == Trust::Unchecked {
        report.warning("signatures are NOT checked: whoever is between this machine and the mirror decides what is installed");
        return Ok(archive::Trust::Unchecked);
    }
    let given = request
        .keyrings
        .iter()
        .map(|path| Ok((path.display().to_string(), read(path)?)));
    let mut keys = given.collect::<Result<Vec<_>, Error>>()?;
    if keys.is_empty() {
        keys.extend(
            suite
                .keyrings
                .iter()
                .map(|BuiltInKeyring { name, bytes, .. }| (name.clone(), bytes.to_vec())),
        );
    }
    let files: Vec<(&str, &[u8])> = keys
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Ok(archive::Trust::Keys(Arc::new(Keyring::parse(&files)?)))
}

/// `--source`: a file of sources, or a line.
fn extra(
    given: &str,
    architectures: &[String],
    trust: &archive::Trust,
    request: &Request,
) -> Result<Vec<Source>, Error> {
    let entries = match given.trim_start().starts_with("deb") && given.contains(char::is_whitespace)
    {
        true => archive::sources::parse("--source", given)?,
        false => archive::sources::read_file(Path::new(given))?,
    };
    let mut sources = Vec::new();
    for entry in entries {
        let mut source = entry.source(architectures, trust, Path::new("/"))?;
        if request.trust == Trust::Unchecked {
            source.trust = archive::Trust::Unchecked;
        }
        if request.accept_expired {
            source.expiry = Expiry::Ignore;
        }
        // Several URIs of an entry are several archives to apt.
        sources.extend(source.uris.iter().map(|uri| Source {
            uris: vec![uri.clone()],
            ..source.clone()
        }));
    }
    Ok(sources)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// Debian's name for the architecture that this program was built for, and so can run.
fn host_architecture() -> Result<String, Error> {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "i386",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64el",
        "loongarch64" => "loong64",
        same @ ("riscv64" | "s390x") => same,
        found => {
            return Err(Error::HostArchitecture {
                found: found.into(),
            });
        }
    };
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        for slip in ["trixi", "trixiee", "trixei", "trlxie", "rtixie"] {
            assert!(alike("trixie", slip), "{slip}");
        }
        for other in ["noble", "tri", "sid", "eixirt"] {
            assert!(!alike("trixie", other), "{other}");
        }
    }
}
