//! What a first stage leaves in /debootstrap, so that the tree finishes itself on a machine of its
//! architecture: the script of the second stage, its calls of dpkg, and debootstrap's state files.
//!
//! Pure, except that the times are known only once packages are decoded ([`SecondStage::times`]).
//! The script runs with what the essential packages have, so it is POSIX sh.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use crate::archive::Source;
use crate::dpkg;
use crate::dpkg::unpack::Method;
use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::formats::stanza;
use crate::formats::suite::Variant;
use crate::plan::Plan;
use crate::store;
use crate::tree::apt::{archive_path, extended_states};
use crate::tree::rootfs::{self, RootPath, Rootfs};
use crate::tree::tidy;

use super::debootstrap_tree::AVAILABLE;
use super::preseed::Preseed;
use super::steps::Step;

/// Where the script and its data are.
const DIRECTORY: &str = "debootstrap";
const SCRIPT: &str = include_str!("second_stage/debootstrap");
const FUNCTIONS: &str = include_str!("second_stage/functions");
/// debootstrap copies its script of the suite here. Callers test that it is there.
const SUITE_SCRIPT: &str = "# The calls of the second stage are in `calls`.\n";

/// What a first stage records besides its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstStage {
    pub(crate) suite: String,
    /// As debootstrap calls it.
    pub(crate) variant: String,
    pub(crate) architecture: String,
    /// The first source's.
    pub(crate) mirror: String,
    /// More suites of the same archive.
    pub(crate) extra_suites: Vec<String>,
}

impl FirstStage {
    /// What is recorded of the sources of a tree.
    pub(super) fn new(
        suite: &str,
        variant: Variant,
        sources: &[Source],
        extra_suites: &[String],
    ) -> FirstStage {
        let first = sources.first();
        let architectures = first.map(|source| source.architectures.as_slice());
        let architecture = architectures.and_then(|all| all.first());
        let mirror = first.and_then(|source| source.uris.first());
        FirstStage {
            suite: suite.to_owned(),
            variant: match variant {
                Variant::Important => "-".to_owned(),
                other => other.name().to_owned(),
            },
            architecture: architecture.cloned().unwrap_or_default(),
            mirror: mirror.map_or(String::new(), |uri| store::public_mirror(uri)),
            extra_suites: extra_suites.to_vec(),
        }
    }
}

/// The files of the second stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecondStage {
    files: Vec<StageFile>,
    /// The packages that are unpacked first. The newest of them gives the scripts' time.
    pub(super) first: Vec<PackageKey>,
    /// Whether a second stage can follow; otherwise there are lists of the .debs only.
    is_whole: bool,
    /// Whether the tree is tidied, and its times limited.
    tidies: bool,
    /// The packages that debootstrap installs before the list of available packages is filled.
    required: Vec<PackageKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StageFile {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    mode: u32,
}

/// The times that the packages give, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// SOURCE_DATE_EPOCH of the scripts.
    pub(super) scripts: Option<i64>,
    /// The latest time in a tidied tree.
    pub(super) latest: i64,
}

/// The steps of a first stage, made of those that install the whole plan.
pub(super) fn first_stage(plan: &Plan, steps: Vec<Step>, about: &FirstStage) -> Vec<Step> {
    let mut before = Vec::new();
    let mut rest = Vec::new();
    for step in steps {
        match step {
            Step::Base(_) | Step::Apt { .. } | Step::Files { .. } => before.push(step),
            Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Remove { .. }
            | Step::Preseed(_)
            | Step::Hook(_)
            | Step::Runtime
            | Step::Triggers
            | Step::Archives { .. }
            | Step::SecondStage(_)
            | Step::Close(_)
            | Step::Tidy { .. }
            | Step::Settings(_) => rest.push(step),
        }
    }
    let mut packages = Vec::new();
    for chosen in plan.packages() {
        packages.push(chosen.package().key());
    }
    // The second stage needs a system. Without essential packages that is whatever was chosen.
    let mut extracted = packages.clone();
    if plan.essential_count() != 0 {
        let mut others = extracted.split_off(plan.essential_count());
        // Scripts need /proc. It comes first: shared directories have the times of the last package,
        // which is an essential one in a direct run.
        others.retain(|key| key.name() == "mount");
        extracted.splice(0..0, others);
    }
    let second = SecondStage::new(plan, &rest, about);
    if !extracted.is_empty() {
        before.push(Step::Unpack {
            packages: extracted,
            method: Method::Extract,
        });
    }
    before.push(Step::Archives { packages });
    before.push(Step::SecondStage(second));
    before
}

/// The steps of a run that only downloads: the .debs, and what is known of them.
pub(super) fn downloads_only(
    plan: &Plan,
    steps: Vec<Step>,
    about: &FirstStage,
    saves_state: bool,
) -> Vec<Step> {
    let mut packages = Vec::new();
    for chosen in plan.packages() {
        packages.push(chosen.package().key());
    }
    let mut second = SecondStage::new(plan, &steps, about);
    // Nothing is decoded, and the time of scripts is set when they run.
    second.first.clear();
    if !saves_state {
        second.files = lists(plan).into();
        second.files.retain(|file| file.name.starts_with("deb"));
        second.is_whole = false;
    }
    let mut before = steps;
    before.retain(|step| matches!(step, Step::Base(_)));
    before.push(Step::Archives { packages });
    before.push(Step::SecondStage(second));
    before
}

impl SecondStage {
    fn new(plan: &Plan, steps: &[Step], about: &FirstStage) -> SecondStage {
        let mut files = vec![
            StageFile {
                name: "debootstrap".to_owned(),
                content: SCRIPT.into(),
                mode: 0o755,
            },
            StageFile::new("functions", FUNCTIONS.to_owned()),
            StageFile::new("suite-script", SUITE_SCRIPT.to_owned()),
            StageFile::new("calls", calls(steps)),
        ];
        let lines = [
            ("arch", &about.architecture),
            ("suite", &about.suite),
            ("variant", &about.variant),
            ("mirror", &about.mirror),
        ];
        for (name, line) in lines {
            files.push(StageFile::new(name, format!("{line}\n")));
        }
        if !about.extra_suites.is_empty() {
            let text = format!("{}\n", about.extra_suites.join(" "));
            files.push(StageFile::new("extra-suites", text));
        }
        files.extend(lists(plan));
        for (name, content) in steps.iter().flat_map(answers) {
            files.push(StageFile {
                name,
                content: content.to_vec(),
                mode: 0o600, // they may be passwords
            });
        }
        let automatic = steps.iter().find_map(|step| match step {
            Step::Tidy { automatic, .. } => Some(automatic),
            _ => None,
        });
        if automatic.is_some() {
            files.push(StageFile::new("tidy", tidy::instructions()));
        }
        if let Some(Some(automatic)) = automatic {
            let text = extended_states(automatic);
            files.push(StageFile::new("extended_states", text));
        }
        let required = steps.iter().find_map(|step| match step {
            Step::Close(closing) => Some(closing.required.clone()),
            _ => None,
        });
        let required = required.unwrap_or_default();
        let first = steps.iter().find_map(|step| match step {
            Step::Unpack { packages, .. } => Some(packages.clone()),
            _ => None,
        });
        SecondStage {
            files,
            first: first.unwrap_or_default(),
            is_whole: true,
            tidies: automatic.is_some(),
            required,
        }
    }

    /// The files with their texts, for the key of the step.
    pub(super) fn files(&self) -> &[StageFile] {
        &self.files
    }

    /// Writes the files into the tree.
    pub(super) fn write(&self, root: &Rootfs, times: Times) -> Result<(), rootfs::Error> {
        let directory = RootPath::known(DIRECTORY);
        root.make_directory(&directory, 0o755)?;
        for file in &self.files {
            let path = directory.entry(file.name.as_bytes());
            root.write(&path, &file.content, file.mode)?;
        }
        if !self.is_whole {
            return Ok(());
        }
        let mut environment = Vec::new();
        for (name, value) in dpkg::script_environment(times.scripts) {
            environment.extend([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
        }
        root.write(&directory.entry(b"environment"), &environment, 0o644)?;
        self.divide_available(root)?;
        if self.tidies {
            let latest = format!("{}\n", times.latest);
            root.write(&directory.entry(b"latest-time"), latest.as_bytes(), 0o644)?;
        }
        Ok(())
    }
}

impl SecondStage {
    /// Leaves only the required packages in dpkg's list of available packages, and keeps the whole
    /// list for the end.
    fn divide_available(&self, root: &Rootfs) -> Result<(), rootfs::Error> {
        let path = RootPath::known(AVAILABLE);
        let Some(whole) = root.read(&path)?.filter(|whole| !whole.is_empty()) else {
            return Ok(());
        };
        let kept = RootPath::known(DIRECTORY).entry(b"available");
        root.write(&kept, &whole, 0o644)?;
        let mut required = String::new();
        for stanza in stanza::stanzas(&String::from_utf8_lossy(&whole)) {
            let package = Package::parse(stanza);
            if package.is_ok_and(|package| self.required.contains(&package.key())) {
                required.push_str(stanza);
                required.push('\n');
            }
        }
        root.write(&path, required.as_bytes(), 0o644)
    }
}

impl StageFile {
    fn new(name: &'static str, text: String) -> StageFile {
        StageFile {
            name: name.to_owned(),
            content: text.into_bytes(),
            mode: 0o644,
        }
    }
}

/// The calls of dpkg, one a line: a function of the script, then the paths of .debs or the names of
/// packages.
fn calls(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(match step {
            Step::Unpack {
                method: Method::Together,
                ..
            } => "unpack_essential",
            Step::Unpack { .. } => "unpack",
            Step::Configure { forced: true, .. } => "configure_essential",
            Step::Configure { .. } => "configure",
            Step::Remove { .. } => "remove",
            Step::Preseed(_) => "preseed",
            Step::Triggers => "configure_pending",
            Step::Base(_)
            | Step::Apt { .. }
            | Step::Files { .. }
            | Step::Hook(_)
            | Step::Runtime
            | Step::Close(_)
            | Step::Archives { .. }
            | Step::SecondStage(_)
            | Step::Tidy { .. }
            | Step::Settings(_) => continue,
        });
        let takes_paths = matches!(step, Step::Unpack { .. });
        for key in step.packages() {
            let _ = match takes_paths {
                true => write!(text, " {}", archive_path(key)),
                false => write!(text, " {}", key.dpkg_name()),
            };
        }
        for (name, _) in answers(step) {
            let _ = write!(text, " /{DIRECTORY}/{name}");
        }
        text.push('\n');
    }
    text
}

/// The files with answers to debconf's questions, by their names in the directory.
fn answers(step: &Step) -> Vec<(String, &[u8])> {
    let Step::Preseed(Preseed { files }) = step else {
        return Vec::new();
    };
    let mut answers = Vec::new();
    for (number, file) in files.iter().enumerate() {
        answers.push((format!("preseed-{number}"), file.content()));
    }
    answers
}

/// debootstrap's lists of packages: the names of the required ones and of the others, where their
/// .debs are in the tree, and where they are from.
fn lists(plan: &Plan) -> [StageFile; 4] {
    let mut names = Vec::new();
    let mut paths = String::new();
    let mut uris = String::new();
    for chosen in plan.packages() {
        let package = chosen.package();
        let name = &package.name;
        let path = archive_path(&package.key());
        let _ = writeln!(paths, "{name} {path}");
        let mirrors = chosen.release().map(|release| &release.source().uris);
        let uri = match mirrors.and_then(|mirrors| mirrors.first()) {
            // As debootstrap writes it: the path is not encoded.
            Some(mirror) => format!("{}/{}", store::public_mirror(mirror), package.filename),
            None => package.filename.clone(),
        };
        let _ = writeln!(uris, "{name} {} {uri}", package.version);
        names.push(name.as_str());
    }
    let (required, base) = names.split_at(plan.essential_count());
    [
        StageFile::new("required", format!("{}\n", required.join(" "))),
        StageFile::new("base", format!("{}\n", base.join(" "))),
        StageFile::new("debpaths", paths),
        StageFile::new("deburis", uris),
    ]
}

/// Moves debootstrap's log to where it stays, and removes its directory unless that is kept.
pub(super) fn finish_directory(root: &Rootfs, keeps_directory: bool) -> Result<(), rootfs::Error> {
    let directory = RootPath::known(DIRECTORY);
    let log = directory.entry(b"debootstrap.log");
    let kept = RootPath::known("var/log/bootstrap.log");
    root.make_directories(&kept.parent())?;
    if keeps_directory {
        let content = root.read(&log)?.unwrap_or_default();
        return root.write(&kept, &content, 0o644);
    }
    if root.exists(&log)? {
        root.rename(&log, &kept)?;
    }
    root.remove_tree(&directory)
}
