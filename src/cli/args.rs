//! The command line: flags into requests, errors into exit codes.
//!
//! Names follow debootstrap where it has the option and mmdebstrap where only that has it. What a request does is for
//! `bootstrap` to know; how its progress looks, for `progress`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::formats::suite::Variant;
use crate::pack::Format;
use crate::run::{
    CacheOptions, Goal, Image, Limits, Outputs, Packages, Request, Sink, SourceOptions, System,
};
use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ui::progress::Progress;

/// Makes a Debian or Ubuntu root filesystem, or an image of one, from the archive.
#[derive(Debug, Parser)]
#[command(name = "rbootstrap", version, max_term_width = 110, styles = Styles::plain())]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
#[command(
    override_usage = "rbootstrap [OPTIONS] SUITE [TARGET] [MIRROR]\n       rbootstrap pack [OPTIONS] DIR [OUTPUT]\n       rbootstrap suites"
)]
#[command(after_help = "The three ways to Docker:\n  \
    rbootstrap noble ./noble --tar - | docker import - noble\n  \
    rbootstrap noble | docker import - noble\n  \
    rbootstrap noble ./noble && rbootstrap pack ./noble | docker import - noble")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    #[command(flatten)]
    pub(crate) reporting: Reporting,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Write an existing tree as a tar
    Pack(PackArgs),
    /// List the suites that are known
    Suites,
}

#[derive(Debug, Args)]
struct PackArgs {
    /// The tree
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A file, its compression named by its ending; `-`, or nothing, for standard output
    #[arg(value_name = "OUTPUT")]
    output: Option<PathBuf>,
    /// Threads for compressing
    #[arg(long, value_name = "N", env = "RBOOTSTRAP_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

#[derive(Debug, Args)]
struct BootstrapArgs {
    /// A codename or suite name: noble, trixie, stable, sid
    #[arg(required = true)]
    suite: Option<String>,
    /// A directory, or a tar by its ending (.tar .tar.gz .tgz .tar.xz .txz .tar.zst); `-`, or none in a pipe, for a tar on standard output
    target: Option<PathBuf>,
    /// The one archive to use, its release pocket only, instead of the suite's own list of sources
    #[arg(env = "RBOOTSTRAP_MIRROR", hide_env_values = true)]
    mirror: Option<String>,

    #[command(flatten, next_help_heading = "Packages")]
    packages: PackageArgs,
    #[command(flatten, next_help_heading = "Sources")]
    sources: SourceArgs,
    #[command(flatten, next_help_heading = "Result")]
    result: ResultArgs,
    #[command(flatten)]
    compatibility: CompatibilityArgs,
}

#[derive(Debug, Args)]
struct PackageArgs {
    /// Which packages make the base: essential, apt, minbase (= required), buildd, important (= debootstrap, -), standard, custom
    /// (only --include), extract (as custom, unpacked but not configured)
    #[arg(
        long,
        value_name = "NAME",
        default_value = "important",
        env = "RBOOTSTRAP_VARIANT"
    )]
    variant: Variant,
    /// Packages on top: pkg, pkg=version, pkg/suite, pkg:arch, pkg- for one that must not come in
    #[arg(long, value_name = "PKG[,PKG…]", env = "RBOOTSTRAP_INCLUDE")]
    include: Vec<String>,
    /// Packages that must not be installed
    #[arg(long, value_name = "PKG[,PKG…]", env = "RBOOTSTRAP_EXCLUDE")]
    exclude: Vec<String>,
    /// The architecture, foreign ones behind it; the host's without this
    #[arg(long, value_name = "ARCH[,FOREIGN…]", env = "RBOOTSTRAP_ARCH")]
    arch: Vec<String>,
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// Components of the archive [default: main]
    #[arg(long, value_name = "C[,C…]", env = "RBOOTSTRAP_COMPONENTS")]
    components: Vec<String>,
    /// One more apt source: a `deb …` line, a .list or a .sources file; `[pin-priority=N]` in a line, or a field Pin-Priority, pins its versions
    #[arg(long, value_name = "LINE|FILE")]
    source: Vec<String>,
    /// A further mirror of the same archive, tried when one fails
    #[arg(long = "mirror", id = "further-mirror", value_name = "URL")]
    mirrors: Vec<String>,
    /// Trust these keys instead of the built-in ones (.gpg, .pgp, .asc)
    #[arg(long, value_name = "FILE", env = "RBOOTSTRAP_KEYRING")]
    keyring: Vec<PathBuf>,
    /// Do not check signatures
    #[arg(long, conflicts_with = "force_check_gpg")]
    no_check_gpg: bool,
    /// Accept an index whose Valid-Until has passed
    #[arg(long)]
    no_check_valid_until: bool,
    /// The release pocket alone, without updates and security
    #[arg(long)]
    no_pockets: bool,
    /// Where verified downloads are kept [default: $XDG_CACHE_HOME/rbootstrap, /var/cache/rbootstrap for root]
    #[arg(long, value_name = "DIR", env = "RBOOTSTRAP_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Keep no downloads, whatever the environment says of a cache
    #[arg(long)]
    no_cache: bool,
    /// How large the cache may be when a run is over; what was not used for longest goes first (K, M, G, T)
    #[arg(long, value_name = "SIZE", default_value = "8G", env = "RBOOTSTRAP_CACHE_MAX_SIZE", value_parser = size)]
    cache_max_size: u64,
    /// Where this host's key for the cache is [default: $XDG_STATE_HOME/rbootstrap, /var/lib/rbootstrap for root]
    #[arg(long, value_name = "DIR", env = "RBOOTSTRAP_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 8, env = "RBOOTSTRAP_DOWNLOADS", value_parser = clap::value_parser!(u16).range(1..=64))]
    downloads: u16,
}

#[derive(Debug, Args)]
struct ResultArgs {
    /// What to make, whatever TARGET's ending
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Write a tar too, beside a directory TARGET; `-` for standard output
    #[arg(long, value_name = "FILE|-")]
    tar: Option<PathBuf>,
    /// Resolve, print one name=version:arch a line, install nothing
    #[arg(long, group = "goal")]
    print_debs: bool,
    /// Do everything up to the plan, and show it
    #[arg(long, visible_alias = "dry-run", group = "goal")]
    simulate: bool,
    /// Stop when every package is in the cache
    #[arg(long, group = "goal", conflicts_with = "no_cache")]
    download_only: bool,
    /// Threads for unpacking and compressing [default: one a core]
    #[arg(long, value_name = "N", env = "RBOOTSTRAP_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Leave a failed target in place for inspection
    #[arg(long)]
    keep: bool,
}

/// What debootstrap's users have in their scripts.
#[derive(Debug, Args)]
struct CompatibilityArgs {
    #[arg(long, hide = true, conflicts_with = "no_merged_usr")]
    merged_usr: bool,
    #[arg(long, hide = true)]
    no_merged_usr: bool,
    #[arg(long, hide = true)]
    resolve_deps: bool,
    #[arg(long, hide = true)]
    force_check_gpg: bool,
    #[arg(long, hide = true)]
    keep_debootstrap_dir: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reporting {
    /// Tell more; twice for what the scripts say
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// How progress is shown
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        env = "RBOOTSTRAP_PROGRESS"
    )]
    pub(crate) progress: Progress,
    /// Write everything that happens into a file
    #[arg(long, global = true, value_name = "FILE", env = "RBOOTSTRAP_LOG")]
    pub(crate) log: Option<PathBuf>,
    /// Write a page that shows where the time went
    #[arg(long, global = true, value_name = "FILE.html")]
    pub(crate) timings: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Dir,
    Tar,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Job {
    /// Make a tree or an image.
    Bootstrap(Box<Request>),
    /// Write a tree as a tar.
    Pack {
        directory: PathBuf,
        image: Image,
        jobs: usize,
        epoch: Option<i64>,
    },
    /// List the suites.
    Suites,
}

/// A command line that cannot be meant so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("a tar is not written to a terminal")]
    TarToTerminal,
    #[error("--tar is for a directory TARGET; `{}` is none", .0.display())]
    TarBesideImage(PathBuf),
    #[error("`{}`: OCI image archives are not among the formats of this version; a .tar serves `docker import`", .0.display())]
    Oci(PathBuf),
    #[error("SOURCE_DATE_EPOCH is `{0}`, not a number of seconds since 1970")]
    Epoch(String),
    #[error("a directory TARGET is needed for --format dir")]
    NoDirectory,
    #[error("`{0}` is not the URL of a mirror")]
    Mirror(String),
}

impl UsageError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            UsageError::TarToTerminal => Some(
                "name a TARGET (a directory, or a file ending in .tar), or pipe into `docker import -`",
            ),
            UsageError::Mirror(_) => Some(
                "the order is SUITE TARGET MIRROR, and a mirror begins with http://, https:// or file:",
            ),
            _ => None,
        }
    }
}

impl Cli {
    /// What is to be done.
    pub(crate) fn into_job(self) -> Result<Job, UsageError> {
        match self.command {
            Some(Subcommands::Suites) => Ok(Job::Suites),
            Some(Subcommands::Pack(pack)) => {
                let image = image(pack.output.as_deref().unwrap_or(Path::new("-")))?;
                Ok(Job::Pack {
                    directory: pack.directory,
                    image,
                    jobs: jobs(pack.jobs),
                    epoch: epoch()?,
                })
            }
            None => Ok(Job::Bootstrap(Box::new(self.bootstrap.into_request()?))),
        }
    }
}

impl BootstrapArgs {
    fn into_request(self) -> Result<Request, UsageError> {
        let goal = self.result.goal();
        let (directory, image) = self.outputs(goal)?;
        for mirror in self.mirror.iter().chain(&self.sources.mirrors) {
            if !["http://", "https://", "file:"]
                .iter()
                .any(|scheme| mirror.starts_with(scheme))
            {
                return Err(UsageError::Mirror(mirror.clone()));
            }
        }
        let mut components = words(&self.sources.components);
        if components.is_empty() {
            components.push("main".into());
        }
        let merged_usr = match (
            self.compatibility.merged_usr,
            self.compatibility.no_merged_usr,
        ) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        let cache_directory = match (self.sources.no_cache, self.sources.cache_dir) {
            (true, _) => None,
            (false, Some(directory)) => Some(directory),
            (false, None) => Some(own_directory(Own::Cache)),
        };
        let state_directory = match self.sources.state_dir {
            Some(directory) => directory,
            None => own_directory(Own::State),
        };
        Ok(Request {
            goal,
            system: System {
                suite: self.suite.unwrap_or_default(),
                variant: self.packages.variant,
                architectures: words(&self.packages.arch),
                merged_usr,
            },
            packages: Packages {
                include: words(&self.packages.include),
                exclude: words(&self.packages.exclude),
            },
            sources: SourceOptions {
                suite_directories: suite_directories(),
                components,
                mirror: self.mirror,
                further_mirrors: self.sources.mirrors,
                extra_sources: self.sources.source,
                keyrings: self.sources.keyring,
                check_signatures: !self.sources.no_check_gpg,
                accept_expired: self.sources.no_check_valid_until,
                pockets: !self.sources.no_pockets,
            },
            outputs: Outputs {
                directory,
                image,
                epoch: epoch()?,
                keep_failed: self.result.keep,
                temporary: std::env::temp_dir(),
            },
            cache: CacheOptions {
                directory: cache_directory,
                max_size: self.sources.cache_max_size,
                state_directory: Some(state_directory),
                temporary: std::env::temp_dir(),
            },
            limits: Limits {
                downloads: self.sources.downloads.into(),
                jobs: jobs(self.result.jobs),
            },
        })
    }

    /// The directory and the image that are asked for: one of them, or with `--tar` both.
    fn outputs(&self, goal: Goal) -> Result<(Option<PathBuf>, Option<Image>), UsageError> {
        if goal != Goal::Make {
            return Ok((None, None));
        }
        let target = self.target.clone().unwrap_or_else(|| "-".into());
        let format = match self.result.format {
            Some(FormatName::Dir) if self.target.is_none() => return Err(UsageError::NoDirectory),
            Some(FormatName::Dir) => Format::Directory,
            Some(FormatName::Tar) => Format::Tar(image(&target)?.compression),
            None if target == Path::new("-") => {
                Format::Tar(crate::formats::compress::Compression::None)
            }
            None if target.to_string_lossy().ends_with(".oci.tar") => {
                return Err(UsageError::Oci(target));
            }
            None => Format::from_target(&target),
        };
        match (format, &self.result.tar) {
            (Format::Directory, None) => Ok((Some(target), None)),
            (Format::Directory, Some(tar)) => Ok((Some(target), Some(image(tar)?))),
            (Format::Tar(_), Some(_)) => Err(UsageError::TarBesideImage(target)),
            (Format::Tar(_), None) => Ok((None, Some(image(&target)?))),
        }
    }
}

impl ResultArgs {
    fn goal(&self) -> Goal {
        match (self.print_debs, self.simulate, self.download_only) {
            (true, ..) => Goal::PrintDebs,
            (_, true, _) => Goal::Simulate,
            (.., true) => Goal::Download,
            _ => Goal::Make,
        }
    }
}

/// The image that `output` names: standard output for `-`, else a file with the compression of its ending.
fn image(output: &Path) -> Result<Image, UsageError> {
    if output == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(UsageError::TarToTerminal);
        }
        return Ok(Image {
            sink: Sink::Stdout,
            compression: crate::formats::compress::Compression::None,
        });
    }
    let compression = match Format::from_target(output) {
        Format::Tar(compression) => compression,
        Format::Directory => crate::formats::compress::Compression::None,
    };
    Ok(Image {
        sink: Sink::File(output.to_owned()),
        compression,
    })
}

/// Values split at commas and blanks, as debootstrap and mmdebstrap both do.
fn words(values: &[String]) -> Vec<String> {
    let words = values
        .iter()
        .flat_map(|value| value.split([',', ' ', '\t', '\n']));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn jobs(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}

fn epoch() -> Result<Option<i64>, UsageError> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|v| !v.is_empty()) else {
        return Ok(None);
    };
    let number = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds >= 0);
    number
        .map(Some)
        .ok_or_else(|| UsageError::Epoch(value.to_string_lossy().into_owned()))
}

/// A size in bytes: `500000`, `500M`, `2G`, `1.5G`; powers of 1,024, with or without `B` or `iB`.
fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size such as 500M or 2G");
    let upper = text.trim().to_ascii_uppercase();
    let short = upper
        .strip_suffix("IB")
        .or_else(|| upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let (number, power) = match short.chars().last().and_then(|unit| "KMGT".find(unit)) {
        Some(place) => (&short[..short.len() - 1], place as i32 + 1),
        None => (short, 0),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let bytes = number * 1024f64.powi(power);
    if (0.0..=9e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(bad())
    }
}

/// The directories that are ours on this host.
#[derive(Clone, Copy)]
enum Own {
    Cache,
    State,
}

/// Where the XDG base directory specification puts it; below /var for root.
fn own_directory(own: Own) -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value: &OsString| !value.is_empty())
            .map(PathBuf::from)
    };
    let (variable, below_home, of_root) = match own {
        Own::Cache => (
            "XDG_CACHE_HOME",
            ".cache/rbootstrap",
            "/var/cache/rbootstrap",
        ),
        Own::State => (
            "XDG_STATE_HOME",
            ".local/state/rbootstrap",
            "/var/lib/rbootstrap",
        ),
    };
    if let Some(directory) = set(variable) {
        return directory.join("rbootstrap");
    }
    match set("HOME") {
        Some(home) if !rustix::process::geteuid().is_root() => home.join(below_home),
        _ => of_root.into(),
    }
}

/// Where the user's suite files are.
pub(crate) fn suite_directories() -> Vec<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let mut directories = vec![PathBuf::from("/etc/rbootstrap/suites")];
    let own = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    directories.extend(own.map(|own| own.join("rbootstrap/suites")));
    directories
}

/// The exit codes, a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Anything not below.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A signature, a digest, an expired or future index.
    Trust = 3,
    /// The packages asked for cannot be installed together.
    Packages = 4,
    /// The network or the mirror.
    Network = 5,
    /// The target, the disk, or what the host permits.
    Target = 6,
    /// A maintainer script or dpkg failed.
    Script = 7,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(arguments: &str) -> Result<Request, String> {
        let cli = Cli::try_parse_from(arguments.split(' ')).map_err(|e| e.to_string())?;
        match cli.into_job().map_err(|e| e.to_string())? {
            Job::Bootstrap(request) => Ok(*request),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn target_decides_what_is_made() {
        let made = |arguments: &str| {
            let request = request(arguments).unwrap();
            (
                request.outputs.directory,
                request.outputs.image.map(|i| (i.sink, i.compression)),
            )
        };
        use crate::formats::compress::Compression;
        let file = |name: &str, compression| Some((Sink::File(name.into()), compression));
        assert_eq!(
            made("rbootstrap noble ./noble"),
            (Some("./noble".into()), None)
        );
        assert_eq!(
            made("rbootstrap noble n.tar.zst"),
            (None, file("n.tar.zst", Compression::Zstd))
        );
        assert_eq!(
            made("rbootstrap noble n.tgz"),
            (None, file("n.tgz", Compression::Gzip))
        );
        assert_eq!(
            made("rbootstrap --format dir noble n.tar"),
            (Some("n.tar".into()), None)
        );
        assert_eq!(
            made("rbootstrap --format tar noble n"),
            (None, file("n", Compression::None))
        );
        assert_eq!(
            made("rbootstrap noble n --tar n.tar.xz"),
            (Some("n".into()), file("n.tar.xz", Compression::Xz))
        );
        assert!(request("rbootstrap noble n.tar --tar m.tar").is_err());
        assert!(request("rbootstrap noble n.oci.tar").is_err());
    }

    #[test]
    fn lists_are_split_and_options_of_debootstrap_accepted() {
        let made =
            request("rbootstrap --include=a,b --include=c --components=main,universe --merged-usr --variant=- noble n http://m/").unwrap();
        assert_eq!(
            (
                made.packages.include.join(" "),
                made.sources.components.join(" ")
            ),
            ("a b c".into(), "main universe".into())
        );
        assert_eq!(
            (
                made.system.variant,
                made.system.merged_usr,
                made.sources.mirror.as_deref()
            ),
            (Variant::Important, Some(true), Some("http://m/"))
        );
        for bad in [
            "rbootstrap",
            "rbootstrap --variant=fat noble n",
            "rbootstrap noble n m",
            "rbootstrap noble a http://b c",
            "rbootstrap -q -v noble n",
        ] {
            assert!(request(bad).is_err(), "{bad}");
        }
    }
}
