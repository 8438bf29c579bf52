//! The environment variables that have no option: directories, TMPDIR, SOURCE_DATE_EPOCH,
//! RBOOTSTRAP_NO_ZYGOTES; and RBOOTSTRAP_MIRROR, for errors.
//!
//! Only `cli` reads the environment, before the program enters a user namespace: root inside has
//! the directories of the user outside. The proxies' variables are read by the HTTP client.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::privilege::Caller;
use crate::registry::LoginPath;

/// What was read of the environment, and who runs the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    cache_home: Option<PathBuf>,
    state_home: Option<PathBuf>,
    runtime_directory: Option<PathBuf>,
    docker_config: Option<PathBuf>,
    temporary: PathBuf,
    source_date_epoch: Option<OsString>,
    mirror: Option<OsString>,
    path: Vec<PathBuf>,
    program: OsString,
    no_zygotes: bool,
    /// The id of the user.
    user: u32,
    is_root: bool,
}

/// A directory of the program's own on this host.
#[derive(Clone, Copy, Debug)]
pub(super) enum OwnDirectory {
    Cache,
    State,
}

/// SOURCE_DATE_EPOCH is not a number of seconds.
#[derive(Debug, thiserror::Error)]
#[error("SOURCE_DATE_EPOCH is `{found}`, not a number of seconds since 1970")]
pub(super) struct BadEpoch {
    found: String,
}

impl Environment {
    pub(super) fn read() -> Environment {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            home: set("HOME").map(PathBuf::from),
            config_home: set("XDG_CONFIG_HOME").map(PathBuf::from),
            cache_home: set("XDG_CACHE_HOME").map(PathBuf::from),
            state_home: set("XDG_STATE_HOME").map(PathBuf::from),
            runtime_directory: set("XDG_RUNTIME_DIR").map(PathBuf::from),
            docker_config: set("DOCKER_CONFIG").map(PathBuf::from),
            temporary: env::temp_dir(),
            source_date_epoch: set("SOURCE_DATE_EPOCH"),
            mirror: set("RBOOTSTRAP_MIRROR"),
            path: set("PATH").map_or(Vec::new(), |path| env::split_paths(&path).collect()),
            program: env::args_os().next().unwrap_or_default(),
            no_zygotes: set("RBOOTSTRAP_NO_ZYGOTES").is_some(),
            user: rustix::process::geteuid().as_raw(),
            is_root: rustix::process::geteuid().is_root() && owns_the_system(),
        }
    }

    /// Where the XDG base directory specification puts it; below /var for root.
    pub(super) fn own_directory(&self, own: OwnDirectory) -> PathBuf {
        let (set, below_home, of_root) = match own {
            OwnDirectory::Cache => (
                &self.cache_home,
                ".cache/rbootstrap",
                "/var/cache/rbootstrap",
            ),
            OwnDirectory::State => (
                &self.state_home,
                ".local/state/rbootstrap",
                "/var/lib/rbootstrap",
            ),
        };
        match (set, &self.home) {
            (Some(directory), _) => directory.join("rbootstrap"),
            (None, Some(home)) if !self.is_root => home.join(below_home),
            (None, _) => of_root.into(),
        }
    }

    /// The directories of the user's files of a kind (`suites`, `profiles`): the host's, then the
    /// user's own.
    pub(super) fn configuration_directories(&self, kind: &str) -> Vec<PathBuf> {
        let mut directories = vec![PathBuf::from("/etc/rbootstrap").join(kind)];
        let below_home = self.home.as_ref().map(|home| home.join(".config"));
        if let Some(config) = self.config_home.clone().or(below_home) {
            directories.push(config.join("rbootstrap").join(kind));
        }
        directories
    }

    /// The files in which docker and podman keep logins for registries, docker's first.
    pub(super) fn login_paths(&self) -> Vec<LoginPath> {
        let below_home = |path: &str| self.home.as_ref().map(|home| home.join(path));
        let docker = self.docker_config.clone().or(below_home(".docker"));
        let config = self.config_home.clone().or(below_home(".config"));
        // Without a session, podman has a directory of its own for each user.
        let of_user = PathBuf::from(format!("/run/containers/{}", self.user));
        let podman = match &self.runtime_directory {
            Some(directory) => directory.join("containers"),
            None => of_user,
        };
        let files = [
            (docker, "config.json"),
            (Some(podman), "auth.json"),
            (config, "containers/auth.json"),
        ];
        let mut paths = Vec::new();
        for (directory, file) in files {
            if let Some(directory) = directory {
                paths.push(LoginPath {
                    path: directory.join(file),
                    is_named: false,
                });
            }
        }
        paths
    }

    /// The name by which this program was called.
    pub(super) fn program(&self) -> OsString {
        self.program.clone()
    }

    /// PATH as it was set.
    pub(super) fn path_variable(&self) -> PathBuf {
        env::join_paths(&self.path).unwrap_or_default().into()
    }

    /// What it takes to become root of a user namespace.
    pub(super) fn caller(&self) -> Caller {
        let path = self.path.clone();
        Caller { path }
    }

    /// The directory for temporary files: TMPDIR, or /tmp.
    pub(super) fn temporary(&self) -> PathBuf {
        self.temporary.clone()
    }

    /// Whether runs of two Perl scripts share their compilation. RBOOTSTRAP_NO_ZYGOTES, which turns
    /// it off, is for measuring and for finding faults.
    pub(super) fn shares_perl(&self) -> bool {
        !self.no_zygotes
    }

    /// Whether RBOOTSTRAP_MIRROR has this value.
    pub(super) fn is_mirror(&self, mirror: &str) -> bool {
        self.mirror.as_ref().is_some_and(|set| set == mirror)
    }

    /// SOURCE_DATE_EPOCH, in seconds.
    pub(super) fn epoch(&self) -> Result<Option<i64>, BadEpoch> {
        let Some(value) = &self.source_date_epoch else {
            return Ok(None);
        };
        match value.to_str().and_then(|text| text.parse().ok()) {
            Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
            _ => Err(BadEpoch {
                found: value.to_string_lossy().into_owned(),
            }),
        }
    }
}

/// Whether /var is this user's: root of a user namespace that somebody else made has the host's
/// files around, and a home.
fn owns_the_system() -> bool {
    let root = rustix::fs::stat(c"/");
    root.is_ok_and(|root| root.st_uid == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_directories_follow_the_xdg_specification_and_are_below_var_for_root() {
        let user = Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        };
        let root = Environment {
            is_root: true,
            ..user.clone()
        };
        let set = Environment {
            cache_home: Some("/c".into()),
            state_home: Some("/s".into()),
            ..root.clone()
        };
        let shown = |environment: &Environment| {
            let cache = environment.own_directory(OwnDirectory::Cache);
            let state = environment.own_directory(OwnDirectory::State);
            format!("{} {}", cache.display(), state.display())
        };
        assert_eq!(
            shown(&user),
            "/home/u/.cache/rbootstrap /home/u/.local/state/rbootstrap"
        );
        assert_eq!(shown(&root), "/var/cache/rbootstrap /var/lib/rbootstrap");
        assert_eq!(shown(&set), "/c/rbootstrap /s/rbootstrap");
    }

    #[test]
    fn logins_are_where_docker_and_podman_keep_them() {
        let shown = |environment: &Environment| {
            let mut shown = Vec::new();
            for login in environment.login_paths() {
                assert!(!login.is_named);
                shown.push(login.path.display().to_string());
            }
            shown.join(" ")
        };
        let user = Environment {
            home: Some("/home/u".into()),
            user: 1000,
            ..Environment::default()
        };
        let set = Environment {
            docker_config: Some("/d".into()),
            runtime_directory: Some("/run/user/1000".into()),
            config_home: Some("/c".into()),
            ..user.clone()
        };
        assert_eq!(
            shown(&user),
            "/home/u/.docker/config.json /run/containers/1000/auth.json \
             /home/u/.config/containers/auth.json"
        );
        assert_eq!(
            shown(&set),
            "/d/config.json /run/user/1000/containers/auth.json /c/containers/auth.json"
        );
    }

    #[test]
    fn source_date_epoch_is_a_number_of_seconds() {
        let epoch = |value: &str| {
            let environment = Environment {
                source_date_epoch: Some(value.into()),
                ..Environment::default()
            };
            environment.epoch().map_err(|error| error.to_string())
        };
        assert_eq!(epoch("1700000000"), Ok(Some(1_700_000_000)));
        assert_eq!(Environment::default().epoch().unwrap(), None);
        for bad in ["-1", "today", "1.5"] {
            let message =
                format!("SOURCE_DATE_EPOCH is `{bad}`, not a number of seconds since 1970");
            assert_eq!(epoch(bad), Err(message));
        }
    }
}
