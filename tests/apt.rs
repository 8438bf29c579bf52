//! Asks the host's apt what it would install, and compares: the sets, their versions, and the order.
//!
//! Needs apt, a Debian mirror in the host's sources and a few minutes, so it runs when asked for:
//! `cargo test --test apt -- --ignored --nocapture`. RBOOTSTRAP_APT_DEMANDS is the number of random demands a suite (40), RBOOTSTRAP_APT_SEED
//! where they start.

#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a test tells what it compared")]
#![expect(clippy::disallowed_methods, reason = "the world of apt that it makes is no tree of ours")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rbootstrap::archive::{Expiry, Index, Leave, Listing, Release, Source, Trust};
use rbootstrap::package::{Fields, fields, stanzas};
use rbootstrap::plan::{Call, Plan, Wanted, plan};
use rbootstrap::suite::Variant;

/// Demands that each showed a rule of apt's which is easily lost.
const TELLING: [&str; 29] = [
    "tesseract-ocr-all ocrmypdf",
    "ocrmypdf tesseract-ocr-all",
    "python3-django-q python3-dev",
    "python3-dev python3-django-q",
    "r-cran-tmb libopenblas-serial-dev",
    "liblapacke libopenblas0-serial",
    "hunspell-de-med hunspell-de-ch-frami",
    "plplot-tcl-bin",
    "dgit",
    "php8.4-amqp",
    "mailutils-imap4d mysqmail-courier-logger",
    "systemd-standalone-sysusers tomcat10",
    "kuvert rmail",
    "libqt5serialport5-dev qtbase5-private-gles-dev",
    "diffmon jcat rmail",
    "cloudflare-ddns libeet1 systemd-standalone-shutdown",
    "kdeconnect jmtpfs",
    "xabacus xmabacus",
    "libmlir-22-dev libmlir-19-dev",
    "mail-transport-agent",
    "elogind janus",
    "libjack0 rakarrack",
    "uucp bcron",
    "python3-gnuplotlib gnuplot-nox",
    "alkimia-bin libqt5gui5-gles",
    "japa jackd1",
    "epiphany libsdl1.2-compat-dev",
    "afterstep",
    "php-yac",
];

#[test]
#[ignore = "asks the host's apt, and a mirror for its indexes"]
fn answers_are_apts() {
    let demands = number("RBOOTSTRAP_APT_DEMANDS", 40);
    let mut differences = Vec::new();
    for suite in ["trixie", "bookworm"] {
        match Apt::new(suite) {
            Ok(apt) => differences.extend(compare(&apt, demands)),
            Err(reason) => eprintln!("{suite}: skipped, {reason}"),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Compares every variant bare, the telling demands and random ones.
fn compare(apt: &Apt, count: usize) -> Vec<String> {
    let mut differences = Vec::new();
    let (mut equal, mut refused) = (0, 0);
    let variants = [Variant::Apt, Variant::Buildd, Variant::Important, Variant::Standard].map(|variant| (variant, String::new()));
    let mut all: Vec<(Variant, String)> = variants.into();
    all.extend(TELLING.into_iter().map(str::to_owned).chain(apt.draw(count)).map(|demand| (Variant::Minbase, demand)));
    for (variant, demand) in &all {
        match apt.differs(*variant, demand) {
            Ok(true) => equal += 1,
            Ok(false) => refused += 1,
            Err(difference) => differences.push(format!("{} {variant:?} {demand}: {difference}", apt.suite)),
        }
    }
    eprintln!("{}: {} demands, {equal} equal, {refused} both refused", apt.suite, all.len());
    differences
}

/// apt with a state of its own, over one suite's main component.
struct Apt {
    suite: &'static str,
    directory: tempfile::TempDir,
    index: Index,
    /// What apt does for the essentials on an empty base.
    essentials: Vec<String>,
}

impl Apt {
    fn new(suite: &'static str) -> Result<Apt, String> {
        let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
        let mirrors = output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]))?;
        let mirror = mirrors.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian")).ok_or("the host's apt knows no mirror")?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let at = directory.path();
        for part in ["etc/preferences.d", "state/lists/partial", "cache/archives/partial", "log"] {
            fs::create_dir_all(at.join(part)).map_err(|error| error.to_string())?;
        }
        let configuration = format!(
            "Dir::State \"{0}/state\";\nDir::State::status \"{0}/status\";\nDir::Cache \"{0}/cache\";\nDir::Etc \"{0}/etc\";\n\
             Dir::Log \"{0}/log\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\nAPT::Architectures \"{architecture}\";\n\
             pkgCacheGen::ForceEssential \",\";\nAPT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nDebug::NoLocking \"true\";\n",
            at.display()
        );
        let files = [
            ("apt.conf", configuration),
            ("etc/sources.list", format!("deb [trusted=yes] {mirror} {suite} main\n")),
            ("status", String::new()),
        ];
        for (name, text) in files {
            fs::write(at.join(name), text).map_err(|error| error.to_string())?;
        }
        output(apt(at, "apt-get").arg("update"))?;
        let file = output(apt(at, "apt-get").args(["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"]))?;
        let text = output(apt(at, "/usr/lib/apt/apt-helper").args(["cat-file", file.trim()]))?;
        let mut apt = Apt { suite, directory, index: index(suite, &architecture, text), essentials: Vec::new() };
        apt.essentials = apt.ask(Path::new("/dev/null"), &[apt.pattern("?essential")]).ok_or("apt finds no essentials")?;
        apt.install_essentials();
        Ok(apt)
    }

    /// `Ok(true)` if both find the same plan, `Ok(false)` if both find none.
    fn differs(&self, variant: Variant, demand: &str) -> Result<bool, String> {
        let include: Vec<String> = demand.split_whitespace().map(str::to_owned).collect();
        let architectures = vec![self.index.listings[0].architecture.clone()];
        let wanted = Wanted { variant, suite: self.suite.to_owned(), architectures, include: include.clone(), exclude: Vec::new() };
        let ours = plan(&self.index, &wanted);
        let mut demands = include;
        demands.extend(self.demands_of(variant));
        match (ours, self.ask(&self.directory.path().join("status"), &demands)) {
            (Err(_), None) => Ok(false),
            (Err(error), Some(_)) => Err(format!("only we refuse: {error}")),
            (Ok(_), None) => Err("only apt refuses".to_owned()),
            (Ok(plan), Some(theirs)) => {
                same("the essentials", &unpacked(&self.essentials), &ordered(&plan, 0..plan.essentials))?;
                let mut ours = operations(&plan);
                let set = |all: &[String]| all.iter().filter(|line| !line.starts_with("Conf")).cloned().collect::<BTreeSet<_>>();
                same("the set", &set(&theirs), &set(&ours))?;
                // What is left to configure at the end is one `dpkg --configure --pending`, which apt's simulation spells out.
                let mut theirs = theirs;
                theirs.truncate(ours.len());
                ours.truncate(theirs.len());
                same("the order", &theirs, &ours)?;
                Ok(true)
            }
        }
    }

    fn pattern(&self, what: &str) -> String {
        let (suite, architecture) = (self.suite, &self.index.listings[0].architecture);
        format!("?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture({architecture}),{what})")
    }

    fn demands_of(&self, variant: Variant) -> Vec<String> {
        let priorities = match variant {
            Variant::Minbase => "?priority(required)",
            Variant::Important => "?or(?priority(required),?priority(important))",
            Variant::Standard => "?or(?priority(required),?priority(important),?priority(standard))",
            Variant::Buildd => return vec!["apt".to_owned(), "build-essential".to_owned()],
            _ => return vec!["apt".to_owned()],
        };
        vec!["apt".to_owned(), self.pattern(&format!("?and({priorities},?not(?essential))"))]
    }

    /// What apt would do, as `Inst name version`, `Conf name version`, `Remv name`; `None` if it refuses.
    fn ask(&self, status: &Path, demands: &[String]) -> Option<Vec<String>> {
        let mut command = apt(self.directory.path(), "apt-get");
        command.args(["-s", "-y", "-o", &format!("Dir::State::status={}", status.display()), "install"]).args(demands);
        let text = output(&mut command).ok()?;
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let (action, name) = (words.next()?, words.next()?);
            let name = name.split(':').next()?;
            match action {
                "Inst" | "Conf" => Some(format!("{action} {name} {}", words.find_map(|word| word.strip_prefix('('))?)),
                "Remv" => Some(format!("Remv {name}")),
                _ => None,
            }
        };
        Some(text.lines().filter_map(line).collect())
    }

    /// Writes a status file in which the essentials are installed.
    fn install_essentials(&self) {
        let installed = unpacked(&self.essentials);
        let mut text = String::new();
        for stanza in stanzas(&self.index.listings[0].text) {
            let all: Fields<'_> = fields(stanza).collect();
            let name = format!("{} {}", all.one("Package").unwrap_or_default(), all.one("Version").unwrap_or_default());
            if installed.contains(&name) {
                write!(text, "{}Status: install ok installed\n\n", stanza).unwrap();
            }
        }
        fs::write(self.directory.path().join("status"), text).unwrap();
    }

    /// Random demands of a few packages: any, with a choice to make, with something to clash with, of one family.
    fn draw(&self, count: usize) -> Vec<String> {
        let text = &self.index.listings[0].text;
        let mut kinds: [Vec<&str>; 3] = Default::default();
        for stanza in stanzas(text) {
            let all: Fields<'_> = fields(stanza).collect();
            let name = all.one("Package").unwrap_or_default();
            kinds[0].push(name);
            if all.one("Depends").is_some_and(|depends| depends.contains('|')) {
                kinds[1].push(name);
            }
            if all.one("Conflicts").is_some() {
                kinds[2].push(name);
            }
        }
        let mut dice = Dice(number("RBOOTSTRAP_APT_SEED", 1) as u64 + 0x9e37_79b9_7f4a_7c15);
        let mut demand = |number: usize| {
            let mut names = BTreeMap::new();
            let kind = &kinds[number % 3];
            let mut at = dice.below(kind.len());
            for _ in 0..=dice.below(5) {
                names.insert(dice.below(1 << 16), kind[at]);
                // A neighbour is of the same family.
                at = if dice.below(3) == 0 { (at + 1 + dice.below(3)) % kind.len() } else { dice.below(kind.len()) };
            }
            names.into_values().collect::<Vec<_>>().join(" ")
        };
        (0..count).map(&mut demand).collect()
    }
}

/// A xorshift: the same demands every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn apt(directory: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("APT_CONFIG", directory.join("apt.conf")).env("LC_ALL", "C.UTF-8");
    command
}

fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{shown}: {error}"))?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).trim_end_matches('\n').to_owned()),
        false => Err(format!("{shown}: {status}: {}", String::from_utf8_lossy(&stderr))),
    }
}

fn index(suite: &str, architecture: &str, text: String) -> Index {
    let source = Source {
        uris: Vec::new(),
        suite: suite.to_owned(),
        components: vec!["main".to_owned()],
        architectures: vec![architecture.to_owned()],
        trust: Trust::Unchecked,
        expiry: Expiry::Ignore,
        signed_by: None,
        leave: Leave::default(),
    };
    let release = Release {
        source,
        origin: None,
        label: None,
        suite: None,
        codename: Some(suite.to_owned()),
        version: None,
        date: 0,
        valid_until: None,
        components: Vec::new(),
        architectures: Vec::new(),
        not_automatic: false,
        but_automatic_upgrades: false,
        acquire_by_hash: false,
        separate_all: false,
        files: BTreeMap::new(),
    };
    let listing = Listing { release: Arc::new(release), component: "main".to_owned(), architecture: architecture.to_owned(), text };
    Index { listings: vec![listing] }
}

/// `name version` of what apt unpacks, in order.
fn unpacked(operations: &[String]) -> Vec<String> {
    operations.iter().filter_map(|line| line.strip_prefix("Inst ")).map(str::to_owned).collect()
}

fn ordered(plan: &Plan, which: std::ops::Range<usize>) -> Vec<String> {
    plan.packages[which].iter().map(|chosen| format!("{} {}", chosen.package.name, chosen.package.version)).collect()
}

/// Our calls in apt's words.
fn operations(plan: &Plan) -> Vec<String> {
    let names = ordered(plan, 0..plan.packages.len());
    let lines = plan.calls.iter().flat_map(|call| match call {
        Call::Unpack(all) => all.iter().map(|n| format!("Inst {}", names[*n])).collect::<Vec<_>>(),
        Call::Configure(all) => all.iter().map(|n| format!("Conf {}", names[*n])).collect(),
        Call::Remove(all) => all.iter().map(|n| format!("Remv {}", plan.packages[*n].package.name)).collect(),
    });
    lines.collect()
}

/// Where two lists differ, with what stands there.
fn same<'l, L>(what: &str, theirs: &'l L, ours: &'l L) -> Result<(), String>
where
    &'l L: IntoIterator<Item = &'l String> + PartialEq,
{
    if theirs == ours {
        return Ok(());
    }
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.into_iter().collect(), ours.into_iter().collect());
    let at = theirs.iter().zip(&ours).position(|(a, b)| a != b).unwrap_or(theirs.len().min(ours.len()));
    let part = |all: &[&String]| all.iter().skip(at).take(5).map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
    Err(format!("{what} differs at {at}: apt has {}; we have {}", part(&theirs), part(&ours)))
}
