//! mmdebstrap's options and arguments, with checked values.

use std::path::{Path, PathBuf};

use super::getopt::{OptionName, ParsedWords};
use super::skip::Skips;
use crate::cli::configuration::TreeConfiguration;
use crate::cli::{hooks, values};
use crate::formats::suite::Variant;
use crate::install::{Hook, HookStage};
use crate::privilege::Mode;

/// The hook directories of mmdebstrap's package.
const OWN_HOOKS: &str = "/usr/share/mmdebstrap/hooks";

/// The hook directories of mmdebstrap's package that are built in.
const NATIVE_HOOKS: [(&str, NativeHook); 5] = [
    ("maybe-merged-usr", NativeHook::MaybeMergedUsr),
    ("merged-usr", NativeHook::MergedUsr),
    ("no-merged-usr", NativeHook::NoMergedUsr),
    // The run reads mirrors on the host: its mounts are for programs that hooks start in the tree.
    ("file-mirror-automount", NativeHook::Scripts),
    // The sandbox answers fsync at once.
    ("eatmydata", NativeHook::None),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NativeHook {
    None,
    /// Its scripts, if the package is installed.
    Scripts,
    /// The package usr-is-merged, where the archive has it.
    MaybeMergedUsr,
    MergedUsr,
    NoMergedUsr,
}

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FormatWord {
    /// As the TARGET says.
    #[default]
    Auto,
    Directory,
    Tar,
    Squashfs,
    Ext2,
    Ext4,
    Null,
}

/// A keyring, and a directory of keyrings.
#[derive(Debug)]
pub(super) struct AptTrust {
    pub(super) keyring: PathBuf,
    pub(super) keyrings: PathBuf,
}

impl Default for AptTrust {
    /// apt's defaults.
    fn default() -> AptTrust {
        AptTrust {
            keyring: "/etc/apt/trusted.gpg".into(),
            keyrings: "/etc/apt/trusted.gpg.d".into(),
        }
    }
}

/// mmdebstrap's options and arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) show_version: bool,
    pub(super) show_help: bool,
    pub(super) show_manual: bool,
    pub(super) suite: Option<String>,
    pub(super) target: Option<PathBuf>,
    pub(super) mirrors: Vec<String>,
    pub(super) variant: Option<Variant>,
    pub(super) mode: Mode,
    pub(super) format: FormatWord,
    pub(super) components: Vec<String>,
    pub(super) architectures: Vec<String>,
    pub(super) include: Vec<String>,
    pub(super) keyrings: Vec<PathBuf>,
    /// What the host's apt trusts when hooks call it: the last file and the last directory of
    /// `--keyring`, otherwise its own.
    pub(super) apt_trust: AptTrust,
    pub(super) configuration: TreeConfiguration,
    pub(super) hooks: Vec<Hook>,
    pub(super) merged_usr: Option<bool>,
    pub(super) usr_is_merged: bool,
    pub(super) skips: Skips,
    pub(super) simulate: bool,
    /// 0 for silence to 3 for everything.
    pub(super) verbosity: u8,
    pub(super) log_file: Option<PathBuf>,
    /// Notes about options without effect, for the user.
    pub(super) notes: Vec<String>,
}

impl Arguments {
    /// Checks the options and arguments, or says what is wrong with them.
    pub(super) fn read(words: ParsedWords) -> Result<Arguments, String> {
        let mut arguments = Arguments {
            verbosity: 1,
            components: vec!["main".to_owned()],
            ..Arguments::default()
        };
        for (option, value) in words.options {
            arguments.add(option, value)?;
        }
        arguments.components = values::distinct(&arguments.components);
        arguments.architectures = values::distinct(&arguments.architectures);
        let mut rest = words.arguments.into_iter();
        // `-` is not a suite; only the MIRRORs count.
        arguments.suite = rest.next().map(|suite| match suite.as_str() {
            "-" => String::new(),
            _ => suite,
        });
        arguments.target = rest.next().map(PathBuf::from);
        arguments.mirrors = rest.collect();
        Ok(arguments)
    }

    fn add(&mut self, option: OptionName, value: String) -> Result<(), String> {
        match option {
            OptionName::Help => self.show_help = true,
            OptionName::Man => self.show_manual = true,
            OptionName::Version => self.show_version = true,
            OptionName::Components => self.components.push(value),
            OptionName::Variant => self.variant = Some(variant(&value)?),
            OptionName::Include => self.add_packages(&value),
            OptionName::Architectures => self.architectures.push(value),
            OptionName::Mode => self.mode = mode(&value)?,
            OptionName::Dpkgopt => {
                let added = self.configuration.add_dpkg(&value);
                added.map_err(|error| format!("--dpkgopt: {error}"))?;
            }
            OptionName::Aptopt => {
                let added = self.configuration.add_apt(&value);
                added.map_err(|error| format!("--aptopt: {error}"))?;
            }
            OptionName::Keyring => self.add_keyring(&value)?,
            OptionName::Quiet => self.verbosity = 0,
            OptionName::Verbose => self.verbosity = 2,
            OptionName::Debug => self.verbosity = 3,
            OptionName::Format => self.format = format(&value)?,
            OptionName::Logfile => self.log_file = Some(value.into()),
            OptionName::Ignored => {
                let note = "an option for debootstrap is a no-op, for debootstrap's wrappers";
                self.notes.push(note.to_owned());
            }
            OptionName::SetupHook => self.add_hook(HookStage::Setup, &value)?,
            OptionName::ExtractHook => self.add_hook(HookStage::Extract, &value)?,
            OptionName::EssentialHook => self.add_hook(HookStage::Essential, &value)?,
            OptionName::CustomizeHook => self.add_hook(HookStage::Customize, &value)?,
            OptionName::ChrootedExtractHook => self.add_tree_hook(HookStage::Extract, &value)?,
            OptionName::ChrootedEssentialHook => {
                self.add_tree_hook(HookStage::Essential, &value)?;
            }
            OptionName::ChrootedCustomizeHook => {
                self.add_tree_hook(HookStage::Customize, &value)?;
            }
            OptionName::HookDirectory => self.add_hook_directory(Path::new(&value))?,
            OptionName::Simulate => self.simulate = true,
            OptionName::Skip => {
                for word in values::words(&[value]) {
                    self.skips.add(&word, &mut self.notes)?;
                }
            }
        }
        Ok(())
    }

    /// Neither a path nor a pattern is split at commas.
    fn add_packages(&mut self, value: &str) {
        let is_path = ["/", "./", "../"];
        if is_path.iter().any(|start| value.starts_with(start)) {
            self.include.push(value.to_owned());
        } else {
            let words = values::package_words(&[value.to_owned()]);
            self.include.extend(words);
        }
    }

    /// A keyring, or the keyrings of a directory.
    fn add_keyring(&mut self, value: &str) -> Result<(), String> {
        let path = Path::new(value);
        if !path.exists() {
            return Err(format!("keyring \"{value}\" does not exist"));
        }
        let absolute = std::path::absolute(path).map_err(|error| format!("{value}: {error}"))?;
        if path.is_dir() {
            self.keyrings.extend(keyrings_in(path));
            self.apt_trust.keyrings = absolute;
        } else {
            self.keyrings.push(path.to_owned());
            self.apt_trust.keyring = absolute;
        }
        Ok(())
    }

    fn add_hook(&mut self, stage: HookStage, text: &str) -> Result<(), String> {
        let hook = Hook::parse(stage, text);
        let hook = hook.map_err(|error| format!("--{stage}-hook: {error}"))?;
        self.hooks.push(hook);
        Ok(())
    }

    fn add_tree_hook(&mut self, stage: HookStage, text: &str) -> Result<(), String> {
        let hook = Hook::in_tree(stage, text);
        let hook = hook.map_err(|error| format!("--chrooted-{stage}-hook: {error}"))?;
        self.hooks.push(hook);
        Ok(())
    }

    fn add_hook_directory(&mut self, path: &Path) -> Result<(), String> {
        if let Some(native) = native(path) {
            match native {
                NativeHook::None | NativeHook::Scripts => {}
                NativeHook::MaybeMergedUsr => self.usr_is_merged = true,
                NativeHook::MergedUsr => {
                    self.merged_usr = Some(true);
                    self.usr_is_merged = true;
                }
                NativeHook::NoMergedUsr => self.merged_usr = Some(false),
            }
            let shown = path.display();
            self.notes
                .push(format!("{shown}: built in, its scripts are not run"));
            return Ok(());
        }
        if !path.is_dir() {
            let shown = path.display();
            return Err(format!("--hook-directory: {shown} is not a directory"));
        }
        let found = hooks::directory(path);
        let found = found.map_err(|error| format!("--hook-directory: {error}"))?;
        if found.is_empty() {
            let shown = path.display();
            self.notes
                .push(format!("No executable hook scripts found in {shown}"));
        }
        self.hooks.extend(found);
        Ok(())
    }
}

/// The .gpg and .asc files of a directory, by name.
pub(super) fn keyrings_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let is_empty = path.metadata().map_or(true, |file| file.len() == 0);
        let extension = path.extension().and_then(|ending| ending.to_str());
        if matches!(extension, Some("gpg" | "asc")) && !is_empty {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A hook directory of mmdebstrap's package, which need not be installed.
fn native(path: &Path) -> Option<NativeHook> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.strip_prefix(OWN_HOOKS).ok()?.to_str()?;
    let (_, native) = NATIVE_HOOKS.into_iter().find(|(known, _)| *known == name)?;
    let runs_scripts = native == NativeHook::Scripts && path.is_dir();
    (!runs_scripts).then_some(native)
}

fn variant(name: &str) -> Result<Variant, String> {
    let known = [
        ("extract", Variant::Extract),
        ("custom", Variant::Custom),
        ("essential", Variant::Essential),
        ("apt", Variant::Apt),
        ("required", Variant::Minbase),
        ("minbase", Variant::Minbase),
        ("buildd", Variant::Buildd),
        ("important", Variant::Important),
        ("debootstrap", Variant::Important),
        ("-", Variant::Important),
        ("standard", Variant::Standard),
    ];
    for (word, variant) in known {
        if word == name {
            return Ok(variant);
        }
    }
    let names = known.map(|(word, _)| word).join(", ");
    Err(format!("invalid variant. Choose from {names}"))
}

fn mode(name: &str) -> Result<Mode, String> {
    match name {
        "auto" => Ok(Mode::Auto),
        "root" | "sudo" if !rustix::process::geteuid().is_root() => Err("need to be root".into()),
        "root" | "sudo" => Ok(Mode::Root),
        // As root, mmdebstrap makes no user namespace in this mode.
        "unshare" if rustix::process::geteuid().is_root() => Ok(Mode::Auto),
        "unshare" => Ok(Mode::Userns),
        "fakeroot" | "fakechroot" => Err(format!(
            "the mode {name} is not supported: use --mode=unshare, which needs newuidmap and entries in \
             /etc/subuid and /etc/subgid, or run in a container"
        )),
        "chrootless" => Err(
            "the mode chrootless is not supported: scripts run in the tree alone; use --mode=unshare"
                .into(),
        ),
        _ => Err("invalid mode. Choose from auto, root, unshare".into()),
    }
}

fn format(name: &str) -> Result<FormatWord, String> {
    match name {
        "auto" => Ok(FormatWord::Auto),
        "directory" | "dir" => Ok(FormatWord::Directory),
        "tar" => Ok(FormatWord::Tar),
        "squashfs" | "sqfs" => Ok(FormatWord::Squashfs),
        "ext2" => Ok(FormatWord::Ext2),
        "ext4" => Ok(FormatWord::Ext4),
        "null" => Ok(FormatWord::Null),
        _ => Err(
            "invalid format. Choose from auto, directory, tar, squashfs, ext2, ext4, null".into(),
        ),
    }
}
