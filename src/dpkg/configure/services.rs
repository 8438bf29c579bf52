//! What scripts find while packages are configured, and nobody finds afterwards: above all, no way to start a service.
//!
//! /usr/sbin/policy-rc.d forbids what goes through invoke-rc.d, and a start-stop-daemon that does nothing stands in for the real
//! one. /etc/resolv.conf names no server: there is no network, but some scripts tell a machine without the file from one that has it.
//! All are put back as they were on every path; a package that brings its own meanwhile wins.

use rustix::fs::FileType;

use crate::tree::rootfs::{Error, RootPath, Rootfs};

const RESOLVER: &str = "etc/resolv.conf";
const POLICY: (&str, &[u8]) = ("usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n");
const DAEMON: &[u8] =
    b"#!/bin/sh\necho \"Warning: Fake start-stop-daemon called, doing nothing\">&2\n";
/// Where it is, by age of the suite.
const DAEMON_PLACES: [&str; 2] = ["usr/sbin/start-stop-daemon", "sbin/start-stop-daemon"];
/// Where the real ones wait. debootstrap and mmdebstrap use the same ending.
const ASIDE: &str = ".REAL";

/// Services do not start as long as this lives. [`release`](Services::release) says whether all could be put back; dropping
/// tries its best.
#[derive(Debug)]
pub(crate) struct Services<'a> {
    root: &'a Rootfs,
    held: Vec<Held>,
}

/// A file that stands in for another.
#[derive(Debug)]
struct Held {
    path: RootPath,
    content: &'static [u8],
    /// whether there was one before, which now waits aside
    aside: bool,
}

impl<'a> Services<'a> {
    /// Puts all in place. A tree without /usr/sbin has no services to keep from starting.
    pub(crate) fn hold(root: &'a Rootfs) -> Result<Services<'a>, Error> {
        let mut services = Services {
            root,
            held: Vec::new(),
        };
        if root.is_directory(&RootPath::known("usr/sbin")) {
            services.stand_in(RootPath::known(POLICY.0), POLICY.1, 0o755)?;
        }
        if root.is_directory(&RootPath::known("etc")) && !root.exists(&RootPath::known(RESOLVER))? {
            services.stand_in(RootPath::known(RESOLVER), b"", 0o644)?;
        }
        for place in DAEMON_PLACES.map(RootPath::known) {
            // With a merged /usr both names lead to one file, which by now is the stand-in.
            if root.read(&place)?.is_some_and(|content| content != DAEMON) {
                services.stand_in(place, DAEMON, 0o755)?;
            }
        }
        Ok(services)
    }

    /// Puts back what was there.
    pub(crate) fn release(mut self) -> Result<(), Error> {
        self.put_back()
    }

    fn stand_in(&mut self, path: RootPath, content: &'static [u8], mode: u32) -> Result<(), Error> {
        let aside = self.root.exists(&path)?;
        if aside {
            self.root.rename(&path, &path.with_suffix(ASIDE))?;
        }
        self.held.push(Held {
            path: path.clone(),
            content,
            aside,
        });
        self.root.write(&path, content, mode)
    }

    fn put_back(&mut self) -> Result<(), Error> {
        let mut done = Ok(());
        for held in std::mem::take(&mut self.held) {
            // The one that fails must not keep the other from being put back.
            let this = put_back(self.root, &held);
            done = done.and(this);
        }
        done
    }
}

impl Drop for Services<'_> {
    fn drop(&mut self) {
        let _ = self.put_back();
    }
}

fn put_back(root: &Rootfs, held: &Held) -> Result<(), Error> {
    let aside = held.path.with_suffix(ASIDE);
    let stand_in = [held.path.clone(), held.path.with_suffix(".distrib")]; // the second: a package diverted it
    for path in &stand_in {
        let is_file = root
            .metadata(path)?
            .is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile);
        if is_file
            && root
                .read(path)?
                .is_some_and(|content| content == held.content)
        {
            return if held.aside && root.exists(&aside)? {
                root.rename(&aside, path)
            } else {
                root.remove(path).map(drop)
            };
        }
    }
    match (held.aside && root.exists(&aside)?, root.exists(&held.path)?) {
        (false, _) => Ok(()),
        // Something put its own in place: that is the newer one.
        (true, true) => root.remove(&aside).map(drop),
        // Something took the stand-in away: what was to be taken was that, not the package's own.
        (true, false) => root.rename(&aside, &held.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Rootfs) {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        for (name, content) in files {
            root.make_directories(&path(name).parent()).unwrap();
            root.write(&path(name), content.as_bytes(), 0o755).unwrap();
        }
        (directory, root)
    }

    fn listing(root: &Rootfs) -> String {
        let mut text = Vec::new();
        for directory in ["sbin", "usr/sbin"].map(path) {
            for name in root.names(&directory).unwrap() {
                let below = directory.join(&RootPath::parse(&name).unwrap());
                let content = root.read(&below).unwrap().unwrap_or_default();
                text.push(format!("{below}={}", String::from_utf8_lossy(&content)));
            }
        }
        text.join(" ")
    }

    #[test]
    fn all_is_as_before() {
        let ssd = "/usr/sbin/start-stop-daemon=real";
        type Files<'a> = &'a [(&'a str, &'a str)];
        type Meanwhile = fn(&Rootfs);
        let (policy, daemon) = ("usr/sbin/policy-rc.d", "usr/sbin/start-stop-daemon");
        let table: [(Files<'_>, Meanwhile, &str); 7] = [
            (&[(daemon, "real")], |_| (), ssd),
            (
                &[(daemon, "real"), (policy, "own")],
                |_| (),
                "/usr/sbin/policy-rc.d=own /usr/sbin/start-stop-daemon=real",
            ),
            (
                &[("sbin/start-stop-daemon", "real"), ("usr/sbin/x", "")],
                |_| (),
                "/sbin/start-stop-daemon=real /usr/sbin/x=",
            ),
            (&[], |_| (), ""),
            (
                &[(daemon, "real")],
                |root| {
                    assert!(
                        root.remove(&path(POLICY.0)).unwrap()
                            && root.remove(&path(DAEMON_PLACES[0])).unwrap()
                    )
                },
                ssd,
            ),
            (
                &[(daemon, "real")],
                |root| {
                    root.write(&path(POLICY.0), b"new", 0o755).unwrap();
                    root.write(&path(DAEMON_PLACES[0]), b"new", 0o755).unwrap();
                },
                "/usr/sbin/policy-rc.d=new /usr/sbin/start-stop-daemon=new",
            ),
            (
                &[(daemon, "real")],
                |root| {
                    root.rename(
                        &path(DAEMON_PLACES[0]),
                        &path("usr/sbin/start-stop-daemon.distrib"),
                    )
                    .unwrap();
                    root.write(&path(DAEMON_PLACES[0]), b"new", 0o755).unwrap();
                },
                "/usr/sbin/start-stop-daemon=new /usr/sbin/start-stop-daemon.distrib=real",
            ),
        ];
        for (files, meanwhile, expected) in table {
            let (_directory, root) = tree(files);
            let services = Services::hold(&root).unwrap();
            meanwhile(&root);
            services.release().unwrap();
            assert_eq!(listing(&root), expected, "{files:?}");
        }
    }

    #[test]
    fn names_are_asked_of_nobody() {
        type Meanwhile = fn(&Rootfs);
        let table: [(&str, Meanwhile, Option<&str>); 5] = [
            ("etc/x", |_| (), None),
            (RESOLVER, |_| (), Some("own")),
            (
                RESOLVER,
                |root| root.write(&path(RESOLVER), b"", 0o644).unwrap(),
                Some(""),
            ),
            (
                "etc/x",
                |root| {
                    root.write(&path(RESOLVER), b"nameserver ::1", 0o644)
                        .unwrap()
                },
                Some("nameserver ::1"),
            ),
            (
                "etc/x",
                |root| {
                    root.remove(&path(RESOLVER)).unwrap();
                    root.write(&path("etc/empty"), b"", 0o644).unwrap();
                    root.symlink(b"empty", &path(RESOLVER)).unwrap();
                },
                Some(""),
            ),
        ];
        for (file, meanwhile, expected) in table {
            let (_directory, root) = tree(&[(file, "own")]);
            let services = Services::hold(&root).unwrap();
            assert!(root.exists(&path(RESOLVER)).unwrap());
            meanwhile(&root);
            services.release().unwrap();
            assert_eq!(
                root.read(&path(RESOLVER)).unwrap().as_deref(),
                expected.map(str::as_bytes),
                "{file} {expected:?}"
            );
        }
    }

    #[test]
    fn a_merged_tree_and_a_dropped_guard() {
        let (_directory, root) = tree(&[("usr/sbin/start-stop-daemon", "real")]);
        root.symlink(b"usr/sbin", &path("sbin")).unwrap();
        let services = Services::hold(&root).unwrap();
        assert_eq!(
            root.read(&path("sbin/start-stop-daemon")).unwrap().unwrap(),
            DAEMON
        );
        assert_eq!(
            root.metadata(&path("usr/sbin/policy-rc.d"))
                .unwrap()
                .unwrap()
                .st_mode
                & 0o7777,
            0o755
        );
        drop(services);
        assert_eq!(
            root.names(&path("usr/sbin")).unwrap(),
            [b"start-stop-daemon"]
        );
        assert_eq!(
            root.read(&path("sbin/start-stop-daemon")).unwrap().unwrap(),
            b"real"
        );
    }
}
