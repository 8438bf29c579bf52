//! The tree that apt and dpkg make of the same archive, in the steps of mmdebstrap: it extracts the
//! essential packages and installs them with one call of the tree's dpkg; then the host's apt
//! installs the rest with the tree's dpkg.
//!
//! [`difference`] compares the trees, but for what the program may do differently.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rbootstrap::testing::archive::built;
use rbootstrap::testing::tar::SHIPPED;
use rbootstrap::testing::tree::{self, Times};
use rbootstrap::testing::{DebBuilder, base, host_architecture};

use super::{Outcome, TestContext, outcome};

/// Makes a tree at `root` of the base distribution's essential packages and what they need, then of
/// what is asked for. A demand for `NAME:ARCHITECTURE` makes that a foreign architecture of the
/// tree.
#[track_caller]
pub fn tree(context: &TestContext, root: &Path, demands: &[&str]) {
    tree_with(context, root, &[], demands);
}

/// As [`tree`], with further packages in the first set, after the base distribution's.
#[track_caller]
pub fn tree_with(
    context: &TestContext,
    root: &Path,
    essentials: &[Arc<DebBuilder>],
    demands: &[&str],
) {
    lay_base(root);
    let foreign: Vec<&str> = demands
        .iter()
        .filter_map(|demand| Some(demand.split_once(':')?.1))
        .collect();
    if !foreign.is_empty() {
        let architectures: String = [host_architecture()]
            .iter()
            .chain(&foreign)
            .map(|name| format!("{name}\n"))
            .collect();
        fs::write(root.join("var/lib/dpkg/arch"), architectures).unwrap();
    }
    let mut paths = Vec::new();
    let is_required =
        |deb: &&Arc<DebBuilder>| deb.fields.iter().any(|(_, value)| value == "required");
    for deb in base::base().iter().filter(is_required).chain(essentials) {
        let path = format!("debs/{}", deb.file_name());
        fs::write(root.join(&path), &*built(deb)).unwrap();
        let unpack = "dpkg-deb --fsys-tarfile \"$1\" | tar -xp --keep-directory-symlink -C \"$2\"";
        outcome(
            Command::new("sh")
                .args(["-ec", unpack, "sh"])
                .arg(root.join(&path))
                .arg(root),
        )
        .ok();
        paths.push(format!("/{path}"));
    }
    outcome(
        in_tree(&mut Command::new("chroot"))
            .arg(root)
            .args(["/usr/bin/dpkg", "--force-depends", "--install"])
            .args(&paths),
    )
    .ok();
    fs::remove_dir_all(root.join("debs")).unwrap();
    if !demands.is_empty() {
        apt(context, root, &["update", "-q"]).ok();
        apt(
            context,
            root,
            &[&["install", "-qy", "--no-install-recommends"], demands].concat(),
        )
        .ok();
    }
}

/// The host's apt-get on the tree at `root`, with the context's archive as its one source and
/// nothing of the host's configuration.
pub fn apt(context: &TestContext, root: &Path, arguments: &[&str]) -> Outcome {
    for directory in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/lib/dpkg",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let status = root.join("var/lib/dpkg/status");
    if !status.exists() {
        fs::write(status, "").unwrap();
    }
    let source = format!(
        "deb [signed-by={}] {} fake main\n",
        context.path("keyring.gpg").display(),
        context.mirror.url()
    );
    fs::write(root.join("etc/apt/sources.list"), source).unwrap();
    let configuration = context.path("apt.conf");
    let text = format!(
        "Dir \"{root}\";\nDPkg::Chroot-Directory \"{root}\";\nAPT::Architecture \"{}\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\nAcquire::http::Proxy \"false\";\n\
         Dir::Etc::TrustedParts \"/nonexistent\";\npkgCacheGen::ForceEssential \",\";\n",
        host_architecture(),
        root = root.display(),
    );
    fs::write(&configuration, text).unwrap();
    let result = outcome(
        in_tree(&mut Command::new("apt-get"))
            .env("APT_CONFIG", &configuration)
            .args(arguments),
    );
    fs::remove_file(configuration).unwrap();
    result
}

/// What is in one of the trees alone, but for what the program is free to do otherwise: logs,
/// backups, locks, apt's caches, device nodes. dpkg's files are compared line by line, so that a
/// difference can be read.
pub fn difference(reference: &Path, made: &Path) -> String {
    const FREE: &[&str] = &[
        "/dev",
        "/etc/apt",
        "/etc/fstab",
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/resolv.conf",
        "/proc",
        "/run",
        "/sys",
        "/tmp",
        "/var/cache",
        "/var/lib/apt",
        "/var/lib/dpkg/arch",
        "/var/lib/dpkg/available",
        "/var/lib/dpkg/lock",
        "/var/lib/dpkg/triggers/Lock",
        "/var/log",
    ];
    let lines = |root: &Path| -> Vec<String> {
        let is_free = |line: &String| {
            let path = line.rsplit_once(" /").map_or("", |(_, path)| path);
            path.ends_with("-old") || FREE.iter().any(|free| format!("/{path}").starts_with(free))
        };
        tree::dump(root, Times::Left)
            .into_iter()
            .filter(|line| !is_free(line))
            .collect()
    };
    let mut text = tree::difference(&lines(reference), &lines(made));
    for file in [
        "dpkg/status",
        "dpkg/diversions",
        "dpkg/statoverride",
        "dpkg/triggers/File",
        "dpkg/triggers/Unincorp",
        "apt/extended_states",
    ] {
        let file = Path::new("var/lib").join(file);
        let read = |root: &Path| {
            fs::read_to_string(root.join(&file))
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        text += &tree::difference(&read(reference), &read(made));
    }
    text
}

/// The tree as it is before the first package.
fn lay_base(root: &Path) {
    for directory in [
        "dev",
        "debs",
        "etc/dpkg/dpkg.cfg.d",
        "tmp",
        "var/lib/dpkg/info",
        "var/lib/dpkg/triggers",
        "var/lib/dpkg/alternatives",
        "var/lib/dpkg/updates",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let null = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("dev/null"),
        rustix::fs::FileType::CharacterDevice,
        0o666.into(),
        null,
    )
    .unwrap();
}

/// The environment that maintainer scripts get.
fn in_tree(command: &mut Command) -> &mut Command {
    command.env_clear().stdin(Stdio::null());
    command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/root");
    command.envs([
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "C.UTF-8"),
        ("LANG", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    command
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("SOURCE_DATE_EPOCH", SHIPPED.to_string())
}
