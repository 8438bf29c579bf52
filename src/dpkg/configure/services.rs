//! Keeps services from starting while maintainer scripts run.
//!
//! /usr/sbin/policy-rc.d makes invoke-rc.d refuse, and a start-stop-daemon that does nothing stands
//! in for the real one. An empty /etc/resolv.conf names no server: there is no network, but some
//! scripts behave differently without the file. Afterwards all files are as before, on every path;
//! a file that a package has shipped meanwhile stays.

use rustix::fs::FileType;

use crate::tree::rootfs::{Error, RootPath, Rootfs};

const RESOLVER: &str = "etc/resolv.conf";
const POLICY: (&str, &[u8]) = ("usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n");
const DAEMON: &[u8] =
    b"#!/bin/sh\necho \"Warning: Fake start-stop-daemon called, doing nothing\">&2\n";
/// The path of start-stop-daemon, which depends on the age of the suite.
const DAEMON_PATHS: [&str; 2] = ["usr/sbin/start-stop-daemon", "sbin/start-stop-daemon"];
/// The suffix of a file that is moved aside, as debootstrap and mmdebstrap have it.
const ASIDE: &str = ".REAL";
/// The suffix under which dpkg puts a package's conffile beside a file that is there before.
const CONFFILE: &str = ".dpkg-dist";

/// Services do not start while this exists. [`release`](Services::release) reports whether all
/// files could be restored; dropping it restores what it can.
#[derive(Debug)]
pub(crate) struct Services<'a> {
    root: &'a Rootfs,
    replaced: Vec<StandIn>,
}

/// A file that stands in for another.
#[derive(Debug)]
struct StandIn {
    path: RootPath,
    content: &'static [u8],
    /// Whether a file was there before, which is now aside.
    has_original: bool,
}

/// A file that stands in for another in a tree that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedStandIn {
    pub(crate) path: RootPath,
    pub(crate) has_original: bool,
}

/// What stands in for the file at a path.
fn content_at(path: &RootPath) -> Option<&'static [u8]> {
    if *path == RootPath::known(RESOLVER) {
        return Some(b"");
    }
    if *path == RootPath::known(POLICY.0) {
        return Some(POLICY.1);
    }
    DAEMON_PATHS
        .map(RootPath::known)
        .contains(path)
        .then_some(DAEMON)
}

impl<'a> Services<'a> {
    /// The paths of the stand-ins that a package may have as a conffile.
    pub(crate) fn paths() -> Vec<RootPath> {
        vec![RootPath::known(RESOLVER), RootPath::known(POLICY.0)]
    }

    /// Writes the stand-ins. A tree without /usr/sbin has no services.
    pub(crate) fn hold(root: &'a Rootfs) -> Result<Services<'a>, Error> {
        let mut services = Services {
            root,
            replaced: Vec::new(),
        };
        if root.is_directory(&RootPath::known("usr/sbin"))? {
            services.stand_in(RootPath::known(POLICY.0), POLICY.1, 0o755)?;
        }
        if root.is_directory(&RootPath::known("etc"))?
            && !root.exists(&RootPath::known(RESOLVER))?
        {
            services.stand_in(RootPath::known(RESOLVER), b"", 0o644)?;
        }
        for path in DAEMON_PATHS.map(RootPath::known) {
            // With a merged /usr both paths lead to one file, which by now is the stand-in.
            if root.read(&path)?.is_some_and(|content| content != DAEMON) {
                services.stand_in(path, DAEMON, 0o755)?;
            }
        }
        Ok(services)
    }

    /// What is needed to go on in a copy of the tree.
    pub(crate) fn saved(&self) -> Vec<SavedStandIn> {
        let mut saved = Vec::new();
        for stand_in in &self.replaced {
            saved.push(SavedStandIn {
                path: stand_in.path.clone(),
                has_original: stand_in.has_original,
            });
        }
        saved
    }

    /// Whether there can be a stand-in at a path.
    pub(crate) fn is_stand_in(path: &RootPath) -> bool {
        content_at(path).is_some()
    }

    /// Goes on in a copy of a tree, which has the stand-ins. None if a path is not a stand-in's.
    pub(crate) fn resume(root: &'a Rootfs, saved: &[SavedStandIn]) -> Option<Services<'a>> {
        let mut services = Services {
            root,
            replaced: Vec::new(),
        };
        for SavedStandIn { path, has_original } in saved {
            services.replaced.push(StandIn {
                path: path.clone(),
                content: content_at(path)?,
                has_original: *has_original,
            });
        }
        Some(services)
    }

    /// Restores the files. `is_shipped` tells which paths packages list: a file that has the
    /// stand-in's content may be theirs.
    pub(crate) fn release(mut self, is_shipped: &dyn Fn(&RootPath) -> bool) -> Result<(), Error> {
        self.restore(is_shipped)
    }

    fn stand_in(&mut self, path: RootPath, content: &'static [u8], mode: u32) -> Result<(), Error> {
        let has_original = self.root.exists(&path)?;
        if has_original {
            self.root.rename(&path, &path.with_suffix(ASIDE))?;
        }
        self.replaced.push(StandIn {
            path: path.clone(),
            content,
            has_original,
        });
        self.root.write(&path, content, mode)
    }

    /// Restores all files, also after one that fails.
    fn restore(&mut self, is_shipped: &dyn Fn(&RootPath) -> bool) -> Result<(), Error> {
        let mut result = Ok(());
        for stand_in in std::mem::take(&mut self.replaced) {
            let restored = stand_in.restore(self.root, is_shipped(&stand_in.path));
            result = result.and(restored);
        }
        result
    }
}

impl Drop for Services<'_> {
    fn drop(&mut self) {
        // After an error, which is what is reported.
        let _ = self.restore(&|_| false);
    }
}

impl StandIn {
    fn restore(&self, root: &Rootfs, is_shipped: bool) -> Result<(), Error> {
        let aside = self.path.with_suffix(ASIDE);
        let is_aside = self.has_original && root.exists(&aside)?;
        let conffile = self.path.with_suffix(CONFFILE);
        if is_shipped && !self.has_original && self.is_at(&self.path, root)? {
            return match root.exists(&conffile)? {
                true => root.rename(&conffile, &self.path),
                false => Ok(()),
            };
        }
        // A package may have diverted the stand-in.
        let diverted = self.path.with_suffix(".distrib");
        for path in [&self.path, &diverted] {
            if !self.is_at(path, root)? {
                continue;
            }
            return match is_aside {
                true => root.rename(&aside, path),
                false => root.remove(path).map(drop),
            };
        }
        if !is_aside {
            return Ok(());
        }
        match root.exists(&self.path)? {
            // A package has shipped a file there, which is newer.
            true => root.remove(&aside).map(drop),
            // A script has removed the stand-in, and meant only that.
            false => root.rename(&aside, &self.path),
        }
    }

    /// Whether the file at a path is the stand-in.
    fn is_at(&self, path: &RootPath, root: &Rootfs) -> Result<bool, Error> {
        let Some(found) = root.metadata(path)? else {
            return Ok(false);
        };
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        Ok(root.read(path)?.as_deref() == Some(self.content))
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
    fn all_files_are_restored() {
        let ssd = "/usr/sbin/start-stop-daemon=real";
        type Files<'a> = &'a [(&'a str, &'a str)];
        type Meanwhile = fn(&Rootfs);
        let policy = "usr/sbin/policy-rc.d";
        let daemon = "usr/sbin/start-stop-daemon";
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
                            && root.remove(&path(DAEMON_PATHS[0])).unwrap()
                    )
                },
                ssd,
            ),
            (
                &[(daemon, "real")],
                |root| {
                    root.write(&path(POLICY.0), b"new", 0o755).unwrap();
                    root.write(&path(DAEMON_PATHS[0]), b"new", 0o755).unwrap();
                },
                "/usr/sbin/policy-rc.d=new /usr/sbin/start-stop-daemon=new",
            ),
            (
                &[(daemon, "real")],
                |root| {
                    root.rename(
                        &path(DAEMON_PATHS[0]),
                        &path("usr/sbin/start-stop-daemon.distrib"),
                    )
                    .unwrap();
                    root.write(&path(DAEMON_PATHS[0]), b"new", 0o755).unwrap();
                },
                "/usr/sbin/start-stop-daemon=new /usr/sbin/start-stop-daemon.distrib=real",
            ),
        ];
        for (files, meanwhile, expected) in table {
            let (_directory, root) = tree(files);
            let services = Services::hold(&root).unwrap();
            meanwhile(&root);
            services.release(&|_| false).unwrap();
            assert_eq!(listing(&root), expected, "{files:?}");
        }
    }

    #[test]
    fn the_resolver_file_is_restored() {
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
            services.release(&|_| false).unwrap();
            assert_eq!(
                root.read(&path(RESOLVER)).unwrap().as_deref(),
                expected.map(str::as_bytes),
                "{file} {expected:?}"
            );
        }
    }

    #[test]
    fn a_merged_usr_and_a_dropped_guard() {
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
