//! The directory in which apt works, and its indexes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rbootstrap::testing::listing::{self, TestRelease};
use rbootstrap::testing::{Fields, Index, Listing, stanzas};

use super::Setting;

/// The host's mirrors of Debian and of its security updates.
pub(super) fn mirrors() -> Result<(String, String), String> {
    let uris = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let mirror = |archive: &str| {
        uris.lines()
            .find(|uri| uri.trim_end_matches('/').ends_with(archive))
            .map(str::to_owned)
    };
    let main = mirror("/debian").ok_or("the host's apt knows no mirror of Debian")?;
    let security =
        mirror("/debian-security").unwrap_or_else(|| main.replace("/debian", "/debian-security"));
    Ok((main, security))
}

/// A directory with apt's configuration, state and cache.
pub(super) fn apt_directory(
    sources: &str,
    preferences: &str,
    architectures: &[String],
) -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let at = directory.path();
    for part in [
        "etc/preferences.d",
        "state/lists/partial",
        "cache/archives/partial",
        "cache-of-nothing/archives/partial",
        "log",
    ] {
        fs::create_dir_all(at.join(part))?;
    }
    let named: String = architectures
        .iter()
        .map(|name| format!("APT::Architectures:: \"{name}\";\n"))
        .collect();
    let configuration = format!(
        "Dir::State \"{0}/state\";\nDir::State::status \"{0}/status\";\n\
         Dir::Cache \"{0}/cache\";\nDir::Etc \"{0}/etc\";\n\
         Dir::Log \"{0}/log\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n\
         {named}\
         pkgCacheGen::ForceEssential \",\";\nAPT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\n\
         Debug::NoLocking \"true\";\n",
        at.display()
    );
    for (name, text) in [
        ("apt.conf", &configuration[..]),
        ("etc/sources.list", sources),
        ("etc/preferences", preferences),
        ("status", ""),
    ] {
        fs::write(at.join(name), text)?;
    }
    Ok(directory)
}

/// The indexes that apt reads, in its order.
pub(super) fn listings(at: &Path, setting: &Setting) -> Result<Index, String> {
    let targets = output(apt(at, "apt-get").args(["indextargets", "Created-By: Packages"]))?;
    let mut listings = Vec::new();
    for target in stanzas(&targets) {
        let all = Fields::read(target);
        let field = |name: &str| all.one(name).unwrap_or_default();
        let (file, component, architecture) =
            (field("Filename"), field("Component"), field("Architecture"));
        let text = output(apt(at, "/usr/lib/apt/apt-helper").args(["cat-file", file]))?;
        let line: usize = field("Sourcesentry")
            .rsplit(':')
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or(0);
        let (suite, pin) = setting
            .sources
            .get(line.wrapping_sub(1))
            .ok_or("apt names an unknown source")?;
        listings.push(listing(file, component, architecture, suite, *pin, text)?);
    }
    Ok(listing::index(listings))
}

fn listing(
    file: &str,
    component: &str,
    architecture: &str,
    suite: &str,
    pin: Option<i16>,
    text: String,
) -> Result<Listing, String> {
    let start = file
        .strip_suffix(&format!("_{component}_binary-{architecture}_Packages"))
        .ok_or("apt keeps its lists elsewhere")?;
    let read = |name| fs::read_to_string(format!("{start}_{name}"));
    let signed = read("Release")
        .or_else(|_| read("InRelease"))
        .map_err(|error| error.to_string())?;
    let from = signed.find("Origin:").ok_or("a Release has no Origin")?;
    let all = Fields::read(&signed[from..]);
    let mut release = TestRelease::new(suite, architecture);
    release.suite = all.one("Suite").map(str::to_owned);
    release.codename = all.one("Codename").map(str::to_owned);
    release.not_automatic = all.one("NotAutomatic") == Some("yes");
    release.but_automatic_upgrades = all.one("ButAutomaticUpgrades") == Some("yes");
    release.pin = pin;
    Ok(release.listing(architecture, text))
}

pub(super) fn apt(directory: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("APT_CONFIG", directory.join("apt.conf"))
        .env("LC_ALL", "C.UTF-8");
    command
}

pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout)
            .trim_end_matches('\n')
            .to_owned()),
        false => Err(format!(
            "{shown}: {status}: {}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )),
    }
}
