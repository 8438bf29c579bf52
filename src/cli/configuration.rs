//! `--apt-opt` and `--dpkg-opt`: configuration for the tree's apt and dpkg, which this run obeys
//! too.
//!
//! The text goes into the tree as it was written. Of apt's settings those are obeyed that concern
//! what apt would do here; those that would choose other packages than this program are refused.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::formats::apt_conf::{self, BadConfiguration, Setting};
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::install::{Additions, HostFile};
use crate::run::Request;
use crate::tree::rootfs::RootPath;

/// The highest number of attempts and the longest timeout that are taken from apt's settings.
const MOST_TRIES: u32 = 100;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Packages")]
pub(super) struct ConfigurationArgs {
    /// Configure apt
    ///
    /// A setting of apt.conf(5), 'Acquire::Languages "none"', or a file of them. The system's apt
    /// keeps it, in /etc/apt/apt.conf.d/99rbootstrap. This run obeys Acquire's Check-Valid-Until,
    /// Retries, AllowInsecureRepositories and http's and https's Proxy and Timeout. May be given
    /// more than once.
    #[arg(long, value_name = "SETTING|FILE")]
    apt_opt: Vec<String>,

    /// Configure dpkg
    ///
    /// An option of dpkg(1) without its dashes, or a file of them. The system's dpkg keeps it, in
    /// /etc/dpkg/dpkg.cfg.d/99rbootstrap. path-exclude and path-include count for all packages. May
    /// be given more than once.
    #[arg(long, value_name = "OPTION|FILE")]
    dpkg_opt: Vec<String>,
}

/// Configuration for the tree's apt and dpkg.
#[derive(Clone, Debug, Default)]
pub(super) struct TreeConfiguration {
    pub(super) apt: String,
    pub(super) dpkg: String,
}

/// Configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("apt's settings `{}`: {source}", text.trim_end())]
    Apt {
        text: String,
        source: BadConfiguration,
    },
    #[error("apt's setting {name} \"{value}\" is not supported: {way}")]
    Refused {
        name: String,
        value: String,
        way: &'static str,
    },
}

impl ConfigurationArgs {
    pub(super) fn read(&self) -> Result<TreeConfiguration, Error> {
        let mut configuration = TreeConfiguration::default();
        for given in &self.apt_opt {
            configuration.add_apt(given)?;
        }
        for given in &self.dpkg_opt {
            configuration.add_dpkg(given)?;
        }
        Ok(configuration)
    }
}

impl TreeConfiguration {
    /// Adds a setting of apt's, or a file of them.
    pub(super) fn add_apt(&mut self, given: &str) -> Result<(), Error> {
        match file(given)? {
            Some(content) => self.apt.push_str(&content),
            None => {
                self.apt.push_str(given);
                if !given.trim_end().ends_with(';') {
                    self.apt.push(';');
                }
            }
        }
        end_line(&mut self.apt);
        Ok(())
    }

    /// Adds an option of dpkg's, or a file of them.
    pub(super) fn add_dpkg(&mut self, given: &str) -> Result<(), Error> {
        match file(given)? {
            Some(content) => self.dpkg.push_str(&content),
            None => self.dpkg.push_str(given),
        }
        end_line(&mut self.dpkg);
        Ok(())
    }

    /// The files for the tree, with this name, and dpkg's rules for paths.
    pub(super) fn additions(&self, name: &str) -> Additions {
        let mut additions = Additions {
            dpkg_rules: self.path_rules(),
            ..Additions::default()
        };
        for (directory, content) in [
            ("etc/apt/apt.conf.d", &self.apt),
            ("etc/dpkg/dpkg.cfg.d", &self.dpkg),
        ] {
            if !content.is_empty() {
                additions.files.push(HostFile {
                    path: RootPath::known(directory).entry(name.as_bytes()),
                    content: content.clone().into_bytes(),
                    mode: 0o644,
                });
            }
        }
        additions
    }

    /// The rules among dpkg's options. dpkg takes leading dashes for part of a name.
    fn path_rules(&self) -> Vec<PathRule> {
        let mut rules = Vec::new();
        for line in self.dpkg.lines() {
            let line = line.trim();
            let Some((option, pattern)) = line.split_once(['=', ' ', '\t']) else {
                continue;
            };
            let kind = match option {
                "path-exclude" => PathRuleKind::Exclude,
                "path-include" => PathRuleKind::Include,
                _ => continue,
            };
            let pattern = pattern.trim();
            let quoted = pattern.strip_prefix('"').and_then(|p| p.strip_suffix('"'));
            // What dpkg cannot match either is left to it.
            rules.extend(PathRule::new(kind, quoted.unwrap_or(pattern)));
        }
        rules
    }

    /// Has a run obey apt's settings.
    pub(super) fn apply(&self, request: &mut Request) -> Result<(), Error> {
        let settings = apt_conf::settings(&self.apt).map_err(|source| Error::Apt {
            text: self.apt.clone(),
            source,
        })?;
        for setting in settings {
            apply(&setting, request)?;
        }
        Ok(())
    }
}

/// The content of a value that is the path of a file.
fn file(given: &str) -> Result<Option<String>, Error> {
    // A shell's <(…) is a pipe.
    let found = Path::new(given).metadata();
    if !found.is_ok_and(|found| !found.is_dir()) {
        return Ok(None);
    }
    match fs::read_to_string(given) {
        Ok(content) => Ok(Some(content)),
        Err(source) => Err(Error::Read {
            path: given.to_owned(),
            source,
        }),
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn apply(setting: &Setting, request: &mut Request) -> Result<(), Error> {
    let Setting { name, value } = setting;
    let truth = apt_conf::truth(value);
    let way = match name.to_ascii_lowercase().as_str() {
        "acquire::check-valid-until" if truth == Some(false) => {
            request.sources.accept_expired = true;
            return Ok(());
        }
        "acquire::allowinsecurerepositories" | "apt::get::allowunauthenticated"
            if truth == Some(true) =>
        {
            request.sources.check_signatures = false;
            return Ok(());
        }
        "acquire::retries" => {
            let retries: u32 = value.parse().unwrap_or(0);
            request.network.tries = retries.saturating_add(1).min(MOST_TRIES);
            return Ok(());
        }
        "acquire::http::timeout" | "acquire::https::timeout" => {
            if let Some(seconds) = value.parse().ok().filter(|seconds| *seconds > 0) {
                request.network.transfers.timeout = Duration::from_secs(seconds);
            }
            return Ok(());
        }
        "acquire::http::proxy" => {
            request.network.proxies.http = Some(value.clone());
            return Ok(());
        }
        "acquire::https::proxy" => {
            request.network.proxies.https = Some(value.clone());
            return Ok(());
        }
        "apt::install-recommends" if truth == Some(true) => {
            "recommended packages are never added: name them with --include"
        }
        "apt::install-suggests" if truth == Some(true) => {
            "suggested packages are never added: name them with --include"
        }
        "apt::solver" if value != "internal" => {
            "packages are chosen by the rules of apt's own resolver"
        }
        "apt::default-release" => "name packages of another suite as pkg/suite in --include",
        "apt::architecture" | "apt::architectures" | "apt::architectures::" => {
            "--arch NATIVE,FOREIGN sets the architectures"
        }
        _ => return Ok(()),
    };
    Err(Error::Refused {
        name: name.clone(),
        value: value.clone(),
        way,
    })
}
