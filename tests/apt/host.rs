//! Runs the host's apt with its own sources, indexes and status, and reads its answers.

mod directory;
mod setting;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::{Fields, Index, Variant, listing, stanzas};

use directory::{apt, apt_directory, listings, mirrors, output};
pub(crate) use setting::Setting;

/// An answer: the packages of the first call, and the operations of the second in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `name:arch version [arch]`, in order.
    pub base: Vec<String>,
    /// `Inst name:arch version [arch]`, `Conf …`, `Remv name:arch`.
    pub operations: Vec<String>,
    /// Whether the order of both is known.
    pub ordered: bool,
}

/// What apt is asked. Its simulation performs every step, and takes many times as long for hundreds
/// of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which packages are installed.
    Set,
    /// Also in which order.
    Order,
}

impl Answer {
    /// The installed versions by name.
    pub(crate) fn set(&self) -> BTreeMap<&str, &str> {
        let mut set: BTreeMap<&str, &str> = self
            .base
            .iter()
            .filter_map(|line| line.split_once(' '))
            .collect();
        for line in &self.operations {
            match line.split_once(' ') {
                Some(("Inst", rest)) => set.extend(rest.split_once(' ')),
                Some(("Remv", name)) => drop(set.remove(name)),
                _ => {}
            }
        }
        set
    }
}

/// apt with the sources of a setting.
pub(crate) struct Apt {
    pub setting: Setting,
    pub index: Index,
    pub architectures: Vec<String>,
    directory: tempfile::TempDir,
    /// apt's operations for the essential packages on an empty base.
    essentials: Vec<String>,
}

impl Apt {
    /// Fetches the indexes and asks for the essential packages. An error if the host has no apt, or
    /// no mirror answers.
    pub(crate) fn new(setting: Setting) -> Result<Apt, String> {
        let native = output(Command::new("dpkg").arg("--print-architecture"))?;
        let (main, security) = setting
            .mirror
            .clone()
            .map_or_else(mirrors, |mirror| Ok((mirror.clone(), mirror)))?;
        let mut lines = String::new();
        let mut preferences = String::new();
        for (suite, pin) in &setting.sources {
            let mirror = if suite.ends_with("-security") {
                &security
            } else {
                &main
            };
            writeln!(lines, "deb [trusted=yes] {mirror} {suite} main").unwrap();
            if let Some(pin) = pin {
                writeln!(
                    preferences,
                    "Package: *\nPin: release n={suite}\nPin-Priority: {pin}\n"
                )
                .unwrap();
            }
        }
        let architectures: Vec<String> = std::iter::once(native.as_str())
            .chain(setting.foreign)
            .map(str::to_owned)
            .collect();
        let directory = apt_directory(&lines, &preferences, &architectures)
            .map_err(|error| error.to_string())?;
        output(apt(directory.path(), "apt-get").arg("update"))?;
        let index = listings(directory.path(), &setting)?;
        let mut apt = Apt {
            setting,
            index,
            architectures,
            directory,
            essentials: Vec::new(),
        };
        apt.essentials = apt
            .ask(Base::Nothing, &[apt.pattern("?essential")])?
            .ok_or("apt finds no essentials")?;
        apt.install_essentials();
        // Only now, since to apt the same version with another stanza is another version.
        let mut shorter = Vec::new();
        for listing in apt.index.listings() {
            shorter.push(listing::with_text(listing, shortened(listing.text())));
        }
        apt.index = listing::index(shorter);
        Ok(apt)
    }

    /// apt's answer to a demand on top of a variant; `None` if apt refuses it. An error if apt
    /// fails in another way.
    pub(crate) fn answer(
        &self,
        variant: Variant,
        demand: &[String],
        question: Question,
    ) -> Result<Option<Answer>, String> {
        let mut demands = demand.to_vec();
        let of_nothing = matches!(variant, Variant::Custom | Variant::Extract);
        demands.extend(self.demands_of(variant));
        let base = if of_nothing {
            Base::Nothing
        } else {
            Base::Essentials
        };
        let mut ordered = question == Question::Order;
        let quick = if ordered {
            None
        } else {
            self.set(base, &demands)?
        };
        let found = match quick {
            Some(Quick::Refused) => None,
            Some(Quick::Set(operations)) => Some(operations),
            None => {
                ordered = true;
                if demands.is_empty() {
                    Some(Vec::new())
                } else {
                    self.ask(base, &demands)?
                }
            }
        };
        Ok(found.map(|operations| match of_nothing {
            true => Answer {
                base: unpacked(&operations),
                operations: Vec::new(),
                ordered,
            },
            false => Answer {
                base: unpacked(&self.essentials),
                operations,
                ordered,
            },
        }))
    }

    /// The variant's demands of the second call, as mmdebstrap writes them.
    fn demands_of(&self, variant: Variant) -> Vec<String> {
        let priorities = match variant {
            Variant::Minbase => "?priority(required)",
            Variant::Important => "?or(?priority(required),?priority(important))",
            Variant::Standard => {
                "?or(?priority(required),?priority(important),?priority(standard))"
            }
            Variant::Buildd => return vec!["apt".to_owned(), "build-essential".to_owned()],
            Variant::Apt => return vec!["apt".to_owned()],
            Variant::Essential | Variant::Custom | Variant::Extract | Variant::Scratch => {
                return Vec::new();
            }
        };
        vec![
            "apt".to_owned(),
            self.pattern(&format!("?and({priorities},?not(?essential))")),
        ]
    }

    fn pattern(&self, what: &str) -> String {
        let suite = &self.setting.suite;
        let architecture = &self.architectures[0];
        format!(
            "?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture({architecture}),{what})"
        )
    }

    /// apt's operations; `None` if it refuses. Each base has its own cache, so that apt does not
    /// build the cache anew for every question.
    fn ask(&self, base: Base, demands: &[String]) -> Result<Option<Vec<String>>, String> {
        let text = self.install(base, "-s", demands)?;
        Ok(text.map(|text| {
            text.lines()
                .filter_map(|line| self.operation(line))
                .collect()
        }))
    }

    /// What apt would fetch, which needs no simulation. `None` if apt would also remove packages,
    /// since it does not print those.
    fn set(&self, base: Base, demands: &[String]) -> Result<Option<Quick>, String> {
        if demands.is_empty() {
            return Ok(None);
        }
        let Some(text) = self.install(base, "--print-uris", demands)? else {
            return Ok(Some(Quick::Refused));
        };
        let removes_nothing = text.lines().any(|line| line.contains(" 0 to remove "));
        let of_file = |line: &str| {
            let (name, rest) = line
                .strip_prefix('\'')?
                .split_whitespace()
                .nth(1)?
                .strip_suffix(".deb")?
                .split_once('_')?;
            let (version, architecture) = rest.rsplit_once('_')?;
            let own = if architecture == "all" {
                &self.architectures[0]
            } else {
                architecture
            };
            Some(format!(
                "Inst {name}:{own} {} [{architecture}]",
                version.replace("%3a", ":")
            ))
        };
        Ok(removes_nothing.then(|| Quick::Set(text.lines().filter_map(of_file).collect())))
    }

    fn install(&self, base: Base, how: &str, demands: &[String]) -> Result<Option<String>, String> {
        let at = self.directory.path();
        let (status, cache) = match base {
            Base::Nothing => (
                Path::new("/dev/null").to_owned(),
                at.join("cache-of-nothing"),
            ),
            Base::Essentials => (at.join("status"), at.join("cache")),
        };
        let mut command = apt(at, "apt-get");
        command
            .arg(how)
            .args(["-y", "--allow-downgrades", "-o"])
            .arg(format!("Dir::State::status={}", status.display()));
        command
            .arg("-o")
            .arg(format!("Dir::Cache={}", cache.display()))
            .arg("install")
            .args(demands);
        match output(&mut command) {
            Ok(text) => Ok(Some(text)),
            Err(message) if REFUSALS.iter().any(|known| message.contains(known)) => Ok(None),
            Err(message) => Err(message),
        }
    }

    /// `Inst libc6:i386 [2.36] (2.41-12 Debian:13.1/stable [i386])`
    fn operation(&self, line: &str) -> Option<String> {
        let mut words = line.split_whitespace();
        let action = words.next()?;
        let name = words.next()?;
        let full = if name.contains(':') {
            name.to_owned()
        } else {
            format!("{name}:{}", self.architectures[0])
        };
        match action {
            "Inst" | "Conf" => {
                let version = words.find_map(|word| word.strip_prefix('('))?;
                let architecture = words
                    .find_map(|word| word.strip_prefix('[')?.split_once(']'))
                    .map(|(name, _)| name)?;
                Some(format!("{action} {full} {version} [{architecture}]"))
            }
            "Remv" => Some(format!("Remv {full}")),
            _ => None,
        }
    }

    /// Writes a status file in which the essential packages are installed.
    fn install_essentials(&self) {
        let installed = unpacked(&self.essentials);
        let mut text = String::new();
        let mut written = Vec::new();
        for stanza in self
            .index
            .listings()
            .iter()
            .flat_map(|listing| stanzas(listing.text()))
        {
            let name = described(&Fields::read(stanza), &self.architectures[0]);
            if installed.contains(&name) && !written.contains(&name) {
                write!(
                    text,
                    "{}\nStatus: install ok installed\n\n",
                    stanza.trim_end()
                )
                .unwrap();
                written.push(name);
            }
        }
        fs::write(self.directory.path().join("status"), text).unwrap();
    }
}

enum Quick {
    Refused,
    Set(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Nothing,
    Essentials,
}

/// apt's messages for a refusal. Any other message is a fault of the test.
const REFUSALS: [&str; 6] = [
    "Unable to correct problems",
    "has no installation candidate",
    "Unable to locate package",
    "was not found",
    "unmet dependencies",
    "pkgProblemResolver",
];

/// `name:arch version [arch]`
pub(crate) fn described(all: &Fields<'_>, native: &str) -> String {
    let field = |name| all.one(name).unwrap_or_default();
    let architecture = field("Architecture");
    let own = if architecture == "all" {
        native
    } else {
        architecture
    };
    format!(
        "{}:{own} {} [{architecture}]",
        field("Package"),
        field("Version")
    )
}

/// The packages that operations unpack, in order.
pub(crate) fn unpacked(operations: &[String]) -> Vec<String> {
    operations
        .iter()
        .filter_map(|line| line.strip_prefix("Inst "))
        .map(str::to_owned)
        .collect()
}

/// Removes the fields that a resolver does not read, which are most of the text.
fn shortened(text: &str) -> String {
    let idle = [
        "Description",
        "Homepage",
        "Tag",
        "Maintainer",
        "MD5sum",
        "Description-md5",
        "Installed-Size",
        " ",
    ];
    let said = |line: &&str| !idle.iter().any(|field| line.starts_with(field));
    text.lines()
        .filter(said)
        .flat_map(|line| [line, "\n"])
        .collect()
}
