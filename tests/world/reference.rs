//! What real dpkg makes of the same packages: the host's dpkg, carried by the tree itself, in the course that mmdebstrap takes.
//!
//! Essentials are unpacked by hand, then installed in one call; the others follow in the calls that a test names.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::deb::Deb;
use super::tree::{self, Times};
use super::{base, built, outcome};

/// One call of dpkg in the tree.
pub enum Call<'a> {
    Unpack(&'a [&'a Deb]),
    Configure(&'a [&'a str]),
}

/// Makes a tree at `root` of the base distribution's essential packages and what they need, and then of these calls.
/// `dpkg --configure --pending` follows.
pub fn tree(root: &Path, epoch: i64, calls: &[Call]) {
    let essentials: Vec<_> = base::base().into_iter().filter(|deb| deb.fields.iter().any(|field| field.1 == "required")).collect();
    lay_base(root);
    let mut paths = Vec::new();
    for deb in &essentials {
        paths.push(place(root, deb, &built(deb)));
        let mut unpack = Command::new("sh");
        unpack.args(["-ec", "dpkg-deb --fsys-tarfile \"$1\" | tar -xp --keep-directory-symlink -C \"$2\"", "sh"]);
        outcome(unpack.arg(root.join(paths.last().unwrap().trim_start_matches('/'))).arg(root)).ok();
    }
    dpkg(root, epoch, &["--force-depends", "--install"], &paths);
    for call in calls {
        match call {
            Call::Unpack(debs) => {
                let paths: Vec<String> = debs.iter().map(|deb| place(root, deb, &deb.build())).collect();
                dpkg(root, epoch, &["--no-triggers", "--unpack", "--auto-deconfigure"], &paths);
            }
            Call::Configure(names) => dpkg(root, epoch, &["--no-triggers", "--configure"], names),
        }
    }
    dpkg(root, epoch, &["--configure", "--pending"], &[""; 0]);
    fs::remove_dir_all(root.join("debs")).unwrap();
}

/// What is in one of the trees alone, but for what dpkg and the program are free to do otherwise: logs, backups, locks, apt's own
/// files, device nodes.
pub fn difference(reference: &Path, made: &Path) -> String {
    let free = [
        "-old /",
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
        "/var/cache/apt",
        "/var/cache/ldconfig",
        "/var/lib/apt",
        "/var/lib/dpkg/arch",
        "/var/lib/dpkg/available",
        "/var/lib/dpkg/lock",
        "/var/lib/dpkg/triggers/Lock",
        "/var/log",
    ];
    let lines = |root: &Path| -> Vec<String> {
        let all = tree::dump(root, Times::Left).into_iter();
        all.filter(|line| {
            let path = line.rsplit_once(" /").map_or("", |(_, path)| path);
            !path.ends_with("-old") && !free.iter().any(|free| format!("/{path}").starts_with(free))
        })
        .collect()
    };
    let mut text = tree::difference(&lines(reference), &lines(made));
    for file in ["status", "diversions", "statoverride", "triggers/File", "triggers/Unincorp"] {
        let file = Path::new("var/lib/dpkg").join(file);
        let read = |root: &Path| fs::read_to_string(root.join(&file)).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
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
    let device = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("dev/null"), rustix::fs::FileType::CharacterDevice, 0o666.into(), device).unwrap();
}

fn place(root: &Path, deb: &Deb, bytes: &[u8]) -> String {
    let path = format!("/debs/{}", deb.file_name());
    fs::write(root.join(&path[1..]), bytes).unwrap();
    path
}

#[track_caller]
fn dpkg<S: AsRef<std::ffi::OsStr>>(root: &Path, epoch: i64, options: &[&str], rest: &[S]) {
    let mut command = Command::new("chroot");
    command.arg(root).arg("/usr/bin/dpkg").args(options).args(rest).env_clear().stdin(Stdio::null());
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    command.envs([("LC_ALL", "C.UTF-8"), ("LANGUAGE", "C.UTF-8"), ("LANG", "C.UTF-8"), ("DEBIAN_FRONTEND", "noninteractive")]);
    command.env("DEBCONF_NONINTERACTIVE_SEEN", "true").env("SOURCE_DATE_EPOCH", epoch.to_string());
    outcome(&mut command).ok();
}
