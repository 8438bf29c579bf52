//! debootstrap's command line: every option of debootstrap(8), translated into a request.
//! `refusals` checks the options.

mod refusals;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::cli::environment::Environment;
use crate::cli::host_files::host_files;
use crate::cli::own_options::OwnOptions;
use crate::cli::values::{self, MirrorOrigin};
use crate::formats::compress::{Compression, Encoding};
use crate::formats::suite::Variant;
use crate::install::Additions;
use crate::pack::{Content, Devices, Image, Sink};
use crate::privilege::Privilege;
use crate::run::{
    Debootstrap, Goal, InventoryOutputs, ListedSources, Outputs, Packages, PushOutputs, Request,
    SourceOptions, System,
};

/// Bootstrap a Debian base system into a target directory
#[derive(Debug, Parser)]
#[command(
    name = "debootstrap",
    disable_version_flag = true,
    args_override_self = true,
    override_usage = "debootstrap [OPTION]... <suite> <target> [<mirror> [<script>]]"
)]
pub(super) struct DebootstrapArgs {
    /// The suite
    pub(super) suite: Option<String>,
    /// The target directory, which may contain files
    target: Option<PathBuf>,
    /// The URL of a mirror
    mirror: Option<String>,
    /// A script of debootstrap's (no effect: suite files describe the suites)
    script: Option<String>,
    /// Further arguments, which debootstrap ignores
    #[arg(hide = true)]
    more: Vec<String>,

    /// Display version information and exit
    #[arg(long)]
    pub(super) version: bool,
    /// Show the output of dpkg and maintainer scripts
    #[arg(long)]
    pub(super) verbose: bool,
    /// Download packages, but don't perform installation
    #[arg(long)]
    download_only: bool,
    /// Print the packages to be installed, and exit
    #[arg(long)]
    print_debs: bool,
    /// Set the architecture to install
    #[arg(long, value_name = "A")]
    pub(super) arch: Option<String>,
    /// Add packages to the base packages
    #[arg(long, value_name = "A,B,C")]
    include: Option<String>,
    /// Remove packages from the list
    #[arg(long, value_name = "A,B,C")]
    exclude: Option<String>,
    /// Also use packages from these suites of the archive
    #[arg(long, value_name = "A,B,C")]
    extra_suites: Option<String>,
    /// Use packages from these components of the archive
    #[arg(long, value_name = "A,B,C")]
    components: Option<String>,
    /// Choose the packages: -, minbase, buildd
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    variant: Option<String>,
    /// Merge /usr
    #[arg(long)]
    merged_usr: bool,
    /// Do not merge /usr, where the suite allows that
    #[arg(long, overrides_with = "merged_usr")]
    no_merged_usr: bool,
    /// Check Release files against this keyring
    #[arg(long, value_name = "K")]
    keyring: Option<PathBuf>,
    /// Do not check signatures of Release files
    #[arg(long, alias = "no-check-gpg")]
    no_check_sig: bool,
    /// Check signatures of Release files (always done)
    #[arg(long, alias = "force-check-gpg", conflicts_with = "no_check_sig")]
    force_check_sig: bool,
    /// Unpack only; run --second-stage in the tree for the rest
    #[arg(long)]
    foreign: bool,
    /// Only in the tree: /debootstrap/debootstrap --second-stage
    #[arg(long)]
    second_stage: bool,
    /// Only with --second-stage
    #[arg(long, value_name = "DIR")]
    second_stage_target: Option<PathBuf>,
    /// Keep /debootstrap in the tree
    #[arg(long)]
    keep_debootstrap_dir: bool,
    /// Keep and use .debs in this directory
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Take the .debs from a tarball
    #[arg(long, value_name = "T")]
    pub(super) unpack_tarball: Option<PathBuf>,
    /// Download the .debs and create a gzipped tarball
    #[arg(long, value_name = "T")]
    make_tarball: Option<PathBuf>,
    /// No effect: dependencies are always resolved
    #[arg(long)]
    resolve_deps: bool,
    /// No effect: dependencies are always resolved
    #[arg(long)]
    no_resolve_deps: bool,
    /// No effect: the log has the reason for each package
    #[arg(long)]
    log_extra_deps: bool,
    /// No effect: .debs are read without another program
    #[arg(long, value_name = "TYPE")]
    extractor: Option<String>,
    /// Not supported: used by the Debian installer
    #[arg(long)]
    debian_installer: bool,
    /// Not supported
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// Not supported
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Not supported: certificates are always checked
    #[arg(long)]
    no_check_certificate: bool,
    /// Not supported
    #[arg(long, value_name = "PATH")]
    inrelease_path: Option<String>,
}

impl DebootstrapArgs {
    /// Translates the arguments into a request, or says what is wrong with them.
    pub(super) fn request(&self, environment: &Environment) -> Result<Request, String> {
        self.check_options()?;
        let (Some(suite), Some(target)) = (&self.suite, &self.target) else {
            return Err("You must specify a suite and a target.".to_owned());
        };
        self.check_wiped(target)?;
        let goal = match self.print_debs {
            true => Goal::PrintDebs,
            false => Goal::Make,
        };
        let own = OwnOptions::read(environment)?;
        Ok(Request {
            goal,
            system: self.system(suite)?,
            other_architectures: Vec::new(),
            packages: self.packages(),
            sources: self.sources(environment)?,
            outputs: self.outputs(target, environment)?,
            privilege: Ok(Privilege::of_caller()),
            cache: own.cache,
            network: own.network,
            limits: own.limits,
            sandbox: own.sandbox,
            additions: Additions::default(),
            locked: None,
            debootstrap: Some(Debootstrap {
                host_files: host_files(),
                default_mirror: self.default_mirror(environment),
                extra_suites: list(self.extra_suites.as_ref()),
                only_downloads: self.only_downloads(),
                saves_state: self.make_tarball.is_some(),
                keeps_directory: self.keep_debootstrap_dir,
                packages: self.cache_dir()?,
                debs_of_target: self.unpack_tarball.is_some(),
            }),
        })
    }

    pub(super) fn only_downloads(&self) -> bool {
        self.download_only || self.make_tarball.is_some()
    }

    /// Removes the target where debootstrap does so. It is empty: see `check_wiped`.
    #[expect(
        clippy::disallowed_methods,
        reason = "an empty directory, in which nothing was claimed"
    )]
    pub(super) fn forget_target(&self) {
        if let Some(target) = self.target.as_ref().filter(|_| self.wipes_target()) {
            let _ = fs::remove_dir(target);
        }
    }

    fn system(&self, suite: &str) -> Result<System, String> {
        Ok(System {
            suite: suite.to_owned(),
            variant: self.variant()?,
            architectures: self.arch.iter().cloned().collect(),
            merged_usr: match (self.merged_usr, self.no_merged_usr) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            usr_is_merged: false,
            first_stage: self.foreign,
            path_rules: Vec::new(),
            preseed: Vec::new(),
            profile: None,
        })
    }

    fn variant(&self) -> Result<Variant, String> {
        match self.variant.as_deref() {
            None | Some("-") => Ok(Variant::Important),
            Some("minbase") => Ok(Variant::Minbase),
            Some("buildd") => Ok(Variant::Buildd),
            Some(name @ ("fakechroot" | "scratchbox")) => Err(format!(
                "the variant {name} is not supported: run as root, or in a user namespace \
                 (unshare --map-auto --map-root-user)"
            )),
            Some(_) => Err("unsupported variant".to_owned()),
        }
    }

    fn packages(&self) -> Packages {
        let exclude = list(self.exclude.as_ref());
        let mut include = list(self.include.as_ref());
        // An excluded package is not included either.
        include.retain(|name| !exclude.contains(name));
        Packages { include, exclude }
    }

    fn sources(&self, environment: &Environment) -> Result<SourceOptions, String> {
        if let Some(mirror) = &self.mirror {
            let checked = values::check_mirror(mirror, MirrorOrigin::Argument);
            checked.map_err(|error| error.to_string())?;
        }
        if let Some(keyring) = self.keyring.as_ref().filter(|file| !file.exists()) {
            let shown = keyring.display();
            return Err(format!("specified keyring file ({shown}) not found"));
        }
        let mirror = self.mirror.as_deref();
        let mirror = mirror.map(|uri| uri.trim_end_matches('/').to_owned());
        let mut components = list(self.components.as_ref());
        if components.is_empty() {
            components.push("main".to_owned());
        }
        let components_text = components.join(" ");
        let base = mirror.clone();
        let base = base.unwrap_or_else(|| self.default_mirror(environment));
        let mut extra_sources = Vec::new();
        for suite in list(self.extra_suites.as_ref()) {
            extra_sources.push(format!("deb {base} {suite} {components_text}"));
        }
        Ok(SourceOptions {
            suite_directories: environment.configuration_directories("suites"),
            components,
            mirror,
            snapshot: None,
            auth_files: Vec::new(),
            only: None,
            further_keyrings: Vec::new(),
            keeps_logins: false,
            further_mirrors: Vec::new(),
            extra_sources,
            keyrings: self.keyring.iter().cloned().collect(),
            check_signatures: !self.no_check_sig,
            accept_expired: false,
            accept_older: true,
            accept_other_suite: true,
            pockets: false,
            listed: ListedSources::Used,
        })
    }

    fn outputs(&self, target: &Path, environment: &Environment) -> Result<Outputs, String> {
        let epoch = environment.epoch().map_err(|error| error.to_string())?;
        let image = match &self.make_tarball {
            Some(tarball) => Some(Image {
                content: Content::Tar(Sink::File(tarball.clone())),
                encoding: Encoding::new(Compression::Gzip, None).map_err(|e| e.to_string())?,
            }),
            None => None,
        };
        let directory = image.is_none().then(|| target.to_owned());
        Ok(Outputs {
            directory: directory.filter(|_| !self.print_debs),
            image,
            devices: Devices::None,
            inventory: InventoryOutputs::default(),
            push: PushOutputs::default(),
            checksums: None,
            says_key: false,
            lock: None,
            // Maintainer scripts see the current date, as under debootstrap.
            epoch: epoch.or_else(today),
            takes_any_directory: true,
            keep_failed: false,
            temporary: environment.temporary(),
        })
    }

    fn cache_dir(&self) -> Result<Option<PathBuf>, String> {
        let Some(directory) = &self.cache_dir else {
            return Ok(None);
        };
        if !directory.is_absolute() {
            return Err("cache directory should be specified with an absolute path".to_owned());
        }
        match directory.is_dir() {
            true => Ok(Some(directory.clone())),
            false => Err(format!("{}: No such directory", directory.display())),
        }
    }
}

fn list(value: Option<&String>) -> Vec<String> {
    match value {
        Some(value) => values::distinct(std::slice::from_ref(value)),
        None => Vec::new(),
    }
}

fn today() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
