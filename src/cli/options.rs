//! Groups of options of `rbootstrap SUITE`, one struct a heading of `--help`.
//!
//! The first paragraph of an option's doc comment is its line in `-h`; `--help` shows all of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::compatibility::CompatibilityArgs;
use super::environment::{Environment, OwnDirectory};
use super::error::Error;
use super::image::{FormatName, ImageArgs};
use super::network::NetworkArgs;
use super::path_rules::PathRuleArgs;
use super::registry::PushArgs;
use super::target::{GivenTargets, Written};
use super::values;
use crate::formats::suite::Variant;
use crate::install::Snapshots;
use crate::pack::Devices;
use crate::run::{CacheOptions, Goal, InventoryOutputs, Limits, Outputs, Packages, System};
use crate::sandbox::ScriptLimits;

/// The documents that only an image has.
const DOCUMENTS: [&str; 2] = ["manifest", "sbom"];

#[derive(Debug, Args)]
#[command(next_help_heading = "Packages")]
pub(super) struct PackageArgs {
    /// Choose the base packages
    ///
    /// - essential: the essential packages
    /// - apt: essential and apt
    /// - minbase, required: apt and all packages of Priority required
    /// - buildd: apt and build-essential
    /// - important, debootstrap, -: minbase and all packages of Priority important
    /// - standard: important and all packages of Priority standard
    /// - custom: only the packages of --include and what they depend on
    /// - extract: as custom, but unpacked and not configured
    /// - scratch: as extract, with what programs need to run and without apt and dpkg
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "NAME",
        default_value = "important",
        env = "RBOOTSTRAP_VARIANT"
    )]
    variant: Variant,

    /// Add packages
    ///
    /// In apt's notation: pkg, pkg=version (also pkg=1.2*), pkg/suite, pkg:arch, and pkg- for a
    /// package that must not be installed; task^, globs and regular expressions (^vim-.*$) stand for several
    /// packages. A value that begins with ? or ~ is one of apt's patterns and is not split
    /// (apt-patterns(7)): '?priority(important)'. A path with a `/` that ends in .deb is a package
    /// on this host, which no signature vouches for. May be given more than once.
    #[arg(long, value_name = "PKG[,PKG…]", env = "RBOOTSTRAP_INCLUDE")]
    include: Vec<String>,

    /// Leave out packages
    ///
    /// Packages are chosen as if these were not in the archive. May be given more than once.
    #[arg(long, value_name = "PKG[,PKG…]", env = "RBOOTSTRAP_EXCLUDE")]
    exclude: Vec<String>,

    /// Set the architectures, native first [default: the host's]
    ///
    /// Further architectures are foreign, as after dpkg --add-architecture: --include can name
    /// their packages. Given more than once, an OCI image gets one image of each, in one index.
    #[arg(long, value_name = "ARCH[,FOREIGN…]", env = "RBOOTSTRAP_ARCH")]
    arch: Vec<String>,

    #[command(flatten)]
    path_rules: PathRuleArgs,

    /// Answer debconf's questions before packages are configured
    ///
    /// A file for debconf-set-selections(1), lines `OWNER QUESTION TYPE VALUE`, or `-` for standard
    /// input. debconf keeps passwords in the tree's /var/cache/debconf/passwords.dat until their
    /// packages remove them. May be given more than once.
    #[arg(long, value_name = "FILE")]
    preseed: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Make a dir, tar, oci, squashfs, ext2 or ext4, whatever TARGET's ending
    ///
    /// oci is a directory with an OCI image layout, or an archive of one if TARGET ends in .tar or
    /// is standard output.
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<FormatName>,

    /// Also write a tar, in addition to a directory TARGET
    ///
    /// The file's ending names its compression, and .oci.tar an OCI image; `-` is standard output.
    #[arg(long, value_name = "FILE|-")]
    tar: Option<PathBuf>,

    /// Print the packages as name=version:arch and stop
    ///
    /// One package a line, sorted. Nothing is installed, and root is not needed.
    #[arg(long, group = "goal", conflicts_with_all = DOCUMENTS)]
    print_debs: bool,

    /// Show the plan and stop [alias: --dry-run]
    ///
    /// Lists each package with its size and the reason for it. Nothing is installed, and root is
    /// not needed.
    #[arg(long, alias = "dry-run", group = "goal", conflicts_with_all = DOCUMENTS)]
    simulate: bool,

    /// Download the packages into the cache and stop
    ///
    /// Nothing is installed, and root is not needed.
    #[arg(long, group = "goal", conflicts_with = "no_cache", conflicts_with_all = DOCUMENTS)]
    download_only: bool,

    /// Keep the tree of a failed run
    ///
    /// Without this, a run that fails removes what it made.
    #[arg(long)]
    keep: bool,
}

/// Options that do not change what is made.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) cache: CacheArgs,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
    #[command(flatten)]
    pub(super) performance: PerformanceArgs,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cache")]
pub(super) struct CacheArgs {
    /// Keep verified downloads in this directory
    ///
    /// [default: $XDG_CACHE_HOME/rbootstrap, or ~/.cache/rbootstrap; for root,
    /// /var/cache/rbootstrap]
    #[arg(long, value_name = "DIR", env = "RBOOTSTRAP_CACHE_DIR")]
    cache_dir: Option<PathBuf>,

    /// Keep no downloads
    ///
    /// Overrides --cache-dir and RBOOTSTRAP_CACHE_DIR.
    #[arg(long)]
    no_cache: bool,

    /// Limit the size of the cache (K, M, G, T)
    ///
    /// After a run, the least recently used files are removed until the cache fits.
    #[arg(long, value_name = "SIZE", default_value = "8G", value_parser = values::size)]
    #[arg(env = "RBOOTSTRAP_CACHE_MAX_SIZE")]
    cache_max_size: u64,

    /// Keep this host's key for the cache in this directory
    ///
    /// The key seals the data that is derived from downloads. Of a cache that comes from another
    /// machine only the downloads are used, and they are verified again.
    ///
    /// [default: $XDG_STATE_HOME/rbootstrap, or ~/.local/state/rbootstrap; for root,
    /// /var/lib/rbootstrap]
    #[arg(long, value_name = "DIR", env = "RBOOTSTRAP_STATE_DIR")]
    state_dir: Option<PathBuf>,

    /// Keep snapshots of installations in the cache, and start from them: base, all, none
    ///
    /// An installation that begins as an earlier one did starts where that one was. The system is the
    /// same. No snapshot is kept of a system with hooks, answers to debconf, packages without a
    /// signature, or keys that were made while building. For the snapshots of an archive, see
    /// --snapshot.
    #[arg(long, value_name = "WHICH", default_value = "base")]
    #[arg(env = "RBOOTSTRAP_SNAPSHOTS", hide_possible_values = true)]
    snapshots: Snapshots,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Performance")]
pub(super) struct PerformanceArgs {
    #[command(flatten)]
    jobs: JobsArg,

    /// Open at most N connections
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        env = "RBOOTSTRAP_DOWNLOADS"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    downloads: u16,

    #[command(flatten)]
    scripts: ScriptArgs,
}

/// The limits of maintainer scripts.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct ScriptArgs {
    /// End a maintainer script that runs longer (s, m, h, d; 0 for no limit)
    ///
    /// The run then fails with exit code 7. A call of dpkg that runs several scripts may take 24
    /// times as long.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = values::duration)]
    #[arg(env = "RBOOTSTRAP_SCRIPT_TIMEOUT")]
    script_timeout: Duration,

    /// Limit the memory of maintainer scripts (K, M, G, T; 0 for no limit)
    ///
    /// Of all processes of the sandbox together, and their swap. Needs a memory control group,
    /// which the host may refuse; -v then says so. [default: three quarters of the host's memory]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    #[arg(env = "RBOOTSTRAP_SCRIPT_MEMORY")]
    script_memory: Option<u64>,
}

/// What other options and arguments say about the image.
pub(super) struct GivenImage<'a> {
    pub(super) target: Option<&'a Path>,
    pub(super) image: &'a ImageArgs,
    pub(super) push: &'a PushArgs,
}

/// `--jobs`, which `rbootstrap pack` has too.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Performance")]
pub(super) struct JobsArg {
    /// Unpack and compress on N threads [default: one per processor]
    #[arg(long, value_name = "N", env = "RBOOTSTRAP_JOBS")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

impl PackageArgs {
    /// The architectures of the second image and of those that follow.
    pub(super) fn other_architectures(&self) -> Vec<Vec<String>> {
        let mut others = Vec::new();
        for architectures in self.arch.iter().skip(1) {
            others.push(values::words(std::slice::from_ref(architectures)));
        }
        others
    }

    pub(super) fn system(&self, suite: String, compatibility: &CompatibilityArgs) -> System {
        System {
            suite,
            variant: self.variant,
            architectures: values::words(&self.arch[..self.arch.len().min(1)]),
            merged_usr: compatibility.merged_usr(),
            usr_is_merged: false,
            first_stage: compatibility.first_stage(),
            path_rules: self.path_rules.0.clone(),
            preseed: self.preseed.clone(),
            profile: None,
        }
    }

    pub(super) fn packages(&self) -> Packages {
        let exclude = values::words(&self.exclude);
        let mut include = values::package_words(&self.include);
        // As for debootstrap, a package that is in both lists is left out.
        include.retain(|word| !exclude.contains(word));
        Packages { include, exclude }
    }
}

impl OutputArgs {
    pub(super) fn goal(&self) -> Goal {
        if self.print_debs {
            Goal::PrintDebs
        } else if self.simulate {
            Goal::Simulate
        } else if self.download_only {
            Goal::Download
        } else {
            Goal::Make
        }
    }

    pub(super) fn outputs(
        &self,
        given: GivenImage<'_>,
        environment: &Environment,
    ) -> Result<Outputs, Error> {
        let GivenImage {
            target,
            image,
            push,
        } = given;
        let targets = GivenTargets {
            target,
            format: self.format,
            tar: self.tar.as_deref(),
            image,
            push,
        };
        let written = match self.goal() {
            Goal::Make => targets.written()?,
            Goal::PrintDebs | Goal::Simulate | Goal::Download => Written::default(),
        };
        let push = push.outputs(written.unnamed, environment)?;
        Ok(Outputs {
            directory: written.directory,
            image: written.image,
            devices: Devices::None,
            inventory: InventoryOutputs::default(),
            push,
            checksums: None,
            says_key: false,
            lock: None,
            epoch: environment.epoch()?,
            takes_any_directory: false,
            keep_failed: self.keep,
            temporary: environment.temporary(),
        })
    }
}

impl CacheArgs {
    pub(super) fn options(self, environment: &Environment) -> CacheOptions {
        let is_named = self.cache_dir.is_some();
        let directory = self
            .cache_dir
            .unwrap_or_else(|| environment.own_directory(OwnDirectory::Cache));
        let state_directory = self
            .state_dir
            .unwrap_or_else(|| environment.own_directory(OwnDirectory::State));
        CacheOptions {
            directory: Some(directory).filter(|_| !self.no_cache),
            is_named,
            max_size: self.cache_max_size,
            state_directory: Some(state_directory),
            temporary: environment.temporary(),
            snapshots: self.snapshots,
        }
    }
}

impl PerformanceArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            downloads: self.downloads.into(),
            jobs: self.jobs.count(),
        }
    }

    pub(super) fn script_limits(&self) -> ScriptLimits {
        let ScriptArgs {
            script_timeout,
            script_memory,
        } = self.scripts;
        ScriptLimits {
            time: Some(script_timeout).filter(|time| !time.is_zero()),
            memory: script_memory,
            ..ScriptLimits::default()
        }
    }
}

impl JobsArg {
    pub(super) fn count(&self) -> usize {
        match self.jobs {
            Some(jobs) => jobs.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
