//! What the user asks of one run, split by the stage that reads it.
//!
//! These are plain values. The command line and the environment are read by `cli`.

use std::path::PathBuf;
use std::time::Duration;

use crate::formats::compress::Encoding;
use crate::formats::path_rule::PathRule;
use crate::formats::snapshot_time::SnapshotTime;
use crate::formats::suite::Variant;
use crate::install::{Additions, HostFile, Snapshots};
use crate::inventory::SbomFormat;
use crate::pack::oci::{Reference, Settings};
use crate::pack::{Devices, Image};
use crate::privilege::{self, Privilege};
use crate::registry::Access;
use crate::sandbox;
use crate::store::{Proxies, TransferLimits};

/// One run. [`run`](super::run) hands each stage only the part that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) goal: Goal,
    /// Needed to make a tree.
    pub(crate) privilege: Result<Privilege, privilege::Error>,
    pub(crate) system: System,
    /// The architectures of further images in the same index, each as in [`System`].
    pub(crate) other_architectures: Vec<Vec<String>>,
    pub(crate) packages: Packages,
    pub(crate) sources: SourceOptions,
    pub(crate) outputs: Outputs,
    pub(crate) cache: CacheOptions,
    pub(crate) network: NetworkOptions,
    pub(crate) limits: Limits,
    pub(crate) sandbox: sandbox::Options,
    pub(crate) additions: Additions,
    /// Where the tree is to be as debootstrap's.
    pub(crate) debootstrap: Option<Debootstrap>,
    /// A lock that says what is installed, instead of the options.
    pub(crate) locked: Option<PathBuf>,
}

/// A tree as debootstrap makes it.
#[derive(Clone, Debug)]
pub(crate) struct Debootstrap {
    /// Files of the host that the tree gets unless it has them.
    pub(crate) host_files: Vec<HostFile>,
    /// The mirror in the tree's sources where the packages are from a directory.
    pub(crate) default_mirror: String,
    /// More suites of the same archive.
    pub(crate) extra_suites: Vec<String>,
    /// Whether the .debs and indexes are all that is made.
    pub(crate) only_downloads: bool,
    /// Whether the files of a second stage are made with them, for a tarball.
    pub(crate) saves_state: bool,
    /// Whether /debootstrap stays.
    pub(crate) keeps_directory: bool,
    /// A directory of .debs by apt's names, which is read and filled.
    pub(crate) packages: Option<PathBuf>,
    /// Whether the packages are the .debs that the target has, as its debootstrap/debpaths says.
    pub(crate) debs_of_target: bool,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To the tree and the image.
    Make,
    /// To the plan, printed for a program.
    PrintDebs,
    /// To the plan, shown to a person.
    Simulate,
    /// To the packages in the cache.
    Download,
}

/// Which system the tree is.
#[derive(Clone, Debug)]
pub(crate) struct System {
    /// A codename or a suite name.
    pub(crate) suite: String,
    pub(crate) variant: Variant,
    /// The native architecture, then the foreign ones; empty for the host's.
    pub(crate) architectures: Vec<String>,
    /// Whether /usr is merged; `None` leaves that to the suite.
    pub(crate) merged_usr: Option<bool>,
    /// Whether the package usr-is-merged is installed with the essential packages if there is one,
    /// as by mmdebstrap's hooks. A bookworm system has it anyway.
    pub(crate) usr_is_merged: bool,
    /// Whether only the first of two stages is made. The tree does the second by itself.
    pub(crate) first_stage: bool,
    /// Paths that are not unpacked; the last rule that matches a path counts.
    pub(crate) path_rules: Vec<PathRule>,
    /// Files with answers to debconf's questions; `-` is standard input.
    pub(crate) preseed: Vec<PathBuf>,
    pub(crate) profile: Option<ProfileChoice>,
}

/// The profiles whose settings a system gets.
#[derive(Clone, Debug)]
pub(crate) struct ProfileChoice {
    /// Names, or paths with a `/`.
    pub(crate) names: Vec<String>,
    /// Where profiles are looked for by name, besides those that are compiled in; later ones first.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether secrets stay although a profile removes them.
    pub(crate) keeps_secrets: bool,
}

/// Which packages to add to the variant's, or to leave out.
#[derive(Clone, Debug)]
pub(crate) struct Packages {
    /// In apt's notation: `pkg`, `pkg=version`, `pkg/suite`, `pkg:arch`, `pkg-`.
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

/// Where packages come from, and which signatures are trusted.
#[derive(Clone, Debug)]
pub(crate) struct SourceOptions {
    /// Directories with the user's suite files.
    pub(crate) suite_directories: Vec<PathBuf>,
    /// Empty for the components of the suite.
    pub(crate) components: Vec<String>,
    /// Replaces the suite's own sources, release pocket only.
    pub(crate) mirror: Option<String>,
    /// Mirrors of the same archive, tried when one fails.
    pub(crate) further_mirrors: Vec<String>,
    /// Reads the suite's sources from the archives of snapshots, as they were at that time.
    pub(crate) snapshot: Option<SnapshotTime>,
    /// More apt sources: lines, or paths of `.list` and `.sources` files.
    pub(crate) extra_sources: Vec<String>,
    /// The sources alone, as texts in apt's formats, in place of the suite's own.
    pub(crate) only: Option<Vec<SourceText>>,
    /// Files of user names and passwords, as apt's auth.conf.
    pub(crate) auth_files: Vec<PathBuf>,
    /// Writes the logins of the tree's sources into the tree.
    pub(crate) keeps_logins: bool,
    /// Replace the built-in keys.
    pub(crate) keyrings: Vec<PathBuf>,
    /// Trusted besides.
    pub(crate) further_keyrings: Vec<PathBuf>,
    pub(crate) check_signatures: bool,
    /// Accepts an index past its Valid-Until.
    pub(crate) accept_expired: bool,
    /// Accepts a release that is older than one of an earlier run.
    pub(crate) accept_older: bool,
    /// Accepts a release of another suite than the requested one.
    pub(crate) accept_other_suite: bool,
    /// Reads updates and security besides the release.
    pub(crate) pockets: bool,
    pub(crate) listed: ListedSources,
}

/// Sources in one of apt's formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceText {
    /// For messages.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Which sources the system's own apt reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListedSources {
    /// The suite's own, whichever mirrors the run uses, and the extra ones.
    Suite,
    /// Those that the run uses.
    Used,
    /// None.
    Nothing,
}

/// What a run writes.
#[derive(Clone, Debug)]
pub(crate) struct Outputs {
    /// The tree; without it, the tree is made in `temporary` and only the image stays.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) image: Option<Image>,
    /// What /dev has in an image.
    pub(crate) devices: Devices,
    pub(crate) inventory: InventoryOutputs,
    pub(crate) push: PushOutputs,
    /// Gets a lock of what was chosen.
    pub(crate) lock: Option<PathBuf>,
    /// Gets the checksums of the image, the lock and the documents, in the format of sha256sum(1).
    pub(crate) checksums: Option<PathBuf>,
    /// Says the image's key in the lock and in an annotation of an OCI image.
    pub(crate) says_key: bool,
    /// SOURCE_DATE_EPOCH, in seconds; `None` for the newest build date of the packages.
    pub(crate) epoch: Option<i64>,
    /// Takes a directory that has files, and leaves it as it is after a failure.
    pub(crate) takes_any_directory: bool,
    /// Keeps the tree of a failed run.
    pub(crate) keep_failed: bool,
    pub(crate) temporary: PathBuf,
}

/// Which registries get the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PushOutputs {
    /// Names in registries.
    pub(crate) references: Vec<Reference>,
    /// Gets a line NAME@DIGEST for each name.
    pub(crate) refs: Option<PathBuf>,
    pub(crate) access: Access,
    /// The OCI image, where registries alone get it.
    pub(crate) unnamed: Option<UnnamedImage>,
}

/// An OCI image without a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnnamedImage {
    pub(crate) settings: Box<Settings>,
    /// Of its layer.
    pub(crate) encoding: Encoding,
}

/// Which documents say what is in the image. `{arch}` in a path stands for the native architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InventoryOutputs {
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) sboms: Vec<SbomOutput>,
}

/// A software bill of materials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SbomOutput {
    pub(crate) path: PathBuf,
    pub(crate) format: SbomFormat,
}

impl Outputs {
    /// Whether there is an OCI image.
    pub(crate) fn has_oci_image(&self) -> bool {
        self.push.unnamed.is_some() || self.image.as_ref().is_some_and(Image::is_oci)
    }

    /// Whether the tree of a failed run stays.
    pub(crate) fn keeps_failed(&self) -> bool {
        self.keep_failed || self.takes_any_directory && self.directory.is_some()
    }
}

/// Where downloads are kept.
#[derive(Clone, Debug)]
pub(crate) struct CacheOptions {
    /// `None` keeps nothing after the run.
    pub(crate) directory: Option<PathBuf>,
    /// Whether the user named it. A default directory that cannot be written is done without.
    pub(crate) is_named: bool,
    /// The cache's size after a run, in bytes.
    pub(crate) max_size: u64,
    /// Has this host's key, which seals decoded packages in the cache.
    pub(crate) state_directory: Option<PathBuf>,
    /// For downloads without a cache.
    pub(crate) temporary: PathBuf,
    /// Of which installations the cache keeps snapshots.
    pub(crate) snapshots: Snapshots,
}

/// How long a run waits for servers, and how often it tries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkOptions {
    pub(crate) transfers: TransferLimits,
    /// How many times each URL is tried.
    pub(crate) tries: u32,
    /// Instead of those that the environment names.
    pub(crate) proxies: Proxies,
    /// How long a mirror that is being updated is waited for, in all.
    pub(crate) mirror_wait: Duration,
}

/// How much of the host a run uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections.
    pub(crate) downloads: usize,
    /// Threads that unpack and compress.
    pub(crate) jobs: usize,
}

impl Goal {
    /// Whether the run ends once the plan is known.
    pub(crate) fn ends_with_plan(self) -> bool {
        matches!(self, Goal::PrintDebs | Goal::Simulate)
    }
}

#[cfg(test)]
impl System {
    /// A minbase tree for amd64.
    pub(super) fn minbase(suite: &str) -> System {
        System {
            suite: suite.into(),
            variant: Variant::Minbase,
            architectures: vec!["amd64".into()],
            merged_usr: None,
            usr_is_merged: false,
            first_stage: false,
            path_rules: Vec::new(),
            preseed: Vec::new(),
            profile: None,
        }
    }
}

#[cfg(test)]
impl SourceOptions {
    /// The component main of the suite's own sources or of one mirror.
    pub(super) fn from_mirror(mirror: Option<&str>) -> SourceOptions {
        SourceOptions {
            suite_directories: Vec::new(),
            components: vec!["main".into()],
            mirror: mirror.map(str::to_owned),
            further_mirrors: Vec::new(),
            snapshot: None,
            extra_sources: Vec::new(),
            only: None,
            further_keyrings: Vec::new(),
            auth_files: Vec::new(),
            keeps_logins: false,
            keyrings: Vec::new(),
            check_signatures: true,
            accept_expired: false,
            accept_older: false,
            accept_other_suite: false,
            pockets: true,
            listed: ListedSources::Suite,
        }
    }
}
