//! The base of a tree: what must exist before the first package is unpacked.
//!
//! Creates the same directories, device nodes and files as mmdebstrap, so that trees can be
//! compared.

use rustix::fs::{FileType, makedev};

use crate::formats::arch;
use crate::formats::path_rule::PathRule;
use crate::formats::suite::MergedUsr;
use crate::tree::rootfs::{Error, RootPath, Rootfs};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The native architecture, then foreign ones.
    pub(crate) architectures: Vec<String>,
    /// Whether the base or a package creates the symlinks of a merged /usr.
    pub(crate) merged_usr: MergedUsr,
    /// Paths that the tree's dpkg does not unpack.
    pub(crate) path_rules: Vec<PathRule>,
    /// Whether /etc/localtime is made, a symlink to UTC's.
    pub(crate) localtime: bool,
    pub(crate) kind: BaseKind,
}

/// Which directories and files a base has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaseKind {
    /// mmdebstrap's.
    Image,
    /// debootstrap's, which may be in a directory that has files.
    Debootstrap,
    /// Only where downloads are kept.
    Downloads,
    /// What programs need, and neither apt's nor dpkg's.
    Scratch,
}

impl Base {
    /// The files below /etc that the base has.
    pub(crate) fn files(&self) -> Vec<RootPath> {
        if self.kind == BaseKind::Scratch {
            return Vec::new();
        }
        let mut files = vec![RootPath::known(FSTAB_PATH)];
        if !self.path_rules.is_empty() {
            files.push(RootPath::known(PATH_RULES));
        }
        files
    }
}

/// The directories that debootstrap makes.
const DEBOOTSTRAP_DIRECTORIES: [&str; 7] = [
    "etc/apt",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg/triggers",
    "var/lib/dpkg/info",
    "var/lib/dpkg/alternatives",
    "var/lib/dpkg/updates",
];

/// Where downloads are kept, and where they are decoded.
const DOWNLOAD_DIRECTORIES: [&str; 3] = [
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg",
];

/// Mount points, and where packages are recorded.
const SCRATCH_DIRECTORIES: [&str; 7] = [
    "dev",
    "etc",
    "home",
    "proc",
    "run",
    "sys",
    "var/lib/dpkg/status.d",
];

const DIRECTORIES: [&str; 13] = [
    "etc/apt/apt.conf.d",
    "etc/apt/sources.list.d",
    "etc/apt/preferences.d",
    "var/cache/apt",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "etc/dpkg/dpkg.cfg.d",
    "var/log/apt",
    "var/lib/dpkg/triggers",
    "var/lib/dpkg/info",
    "var/lib/dpkg/alternatives",
    "var/lib/dpkg/updates",
    "dev",
];

/// Where the path rules are written. dpkg reads the files there whose names have only letters,
/// digits, `-` and `_`.
const PATH_RULES: &str = "etc/dpkg/dpkg.cfg.d/rbootstrap-paths";

const FSTAB_PATH: &str = "etc/fstab";
const FSTAB: &[u8] = b"# UNCONFIGURED FSTAB FOR BASE SYSTEM\n";

/// localtime(5). debootstrap makes the symlink, whether tzdata is installed or not.
const LOCALTIME: &str = "etc/localtime";
const UTC: &str = "/usr/share/zoneinfo/UTC";

/// Character devices: path, major, minor.
const DEVICES: [(&str, u32, u32); 8] = [
    ("dev/console", 5, 1),
    ("dev/full", 1, 7),
    ("dev/null", 1, 3),
    ("dev/ptmx", 5, 2),
    ("dev/random", 1, 8),
    ("dev/tty", 5, 0),
    ("dev/urandom", 1, 9),
    ("dev/zero", 1, 5),
];

/// Whether a character device is one of those that every tree has.
pub(crate) fn is_plain_device(major: u32, minor: u32) -> bool {
    let mut devices = DEVICES.iter();
    devices.any(|(_, known_major, known_minor)| (*known_major, *known_minor) == (major, minor))
}

const DEVICE_LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
];

/// Creates the base of a tree: directories, an empty status, `arch`, /etc/fstab, path rules, /dev,
/// and the symlinks of a merged /usr where no package ships them. Skips devices that the host does
/// not permit, as in a user namespace.
pub(crate) fn base(root: &Rootfs, base: &Base) -> Result<(), Error> {
    if base.merged_usr == MergedUsr::MadeFirst && base.kind != BaseKind::Downloads {
        merge_usr(root, base.architectures.first().map_or("", String::as_str))?;
    }
    let directories: &[&'static str] = match base.kind {
        BaseKind::Image => &DIRECTORIES,
        BaseKind::Debootstrap => &DEBOOTSTRAP_DIRECTORIES,
        BaseKind::Downloads => &DOWNLOAD_DIRECTORIES,
        BaseKind::Scratch => &SCRATCH_DIRECTORIES,
    };
    for path in directories {
        make_directories(root, &RootPath::known(path), 0o755)?;
    }
    if base.kind == BaseKind::Downloads {
        return Ok(());
    }
    if base.kind == BaseKind::Debootstrap {
        make_files(root)?;
        return make_devices(root);
    }
    make_directories(root, &RootPath::known("tmp"), 0o1777)?;
    if base.kind == BaseKind::Scratch {
        make_directories(root, &RootPath::known("root"), 0o700)?;
        make_directories(root, &RootPath::known("var/tmp"), 0o1777)?;
        return make_devices(root);
    }
    root.write(&RootPath::known("var/lib/dpkg/status"), b"", 0o644)?;
    let mut architectures = String::new();
    for architecture in &base.architectures {
        architectures.push_str(architecture);
        architectures.push('\n');
    }
    let arch = RootPath::known("var/lib/dpkg/arch");
    root.write(&arch, architectures.as_bytes(), 0o644)?;
    root.write(&RootPath::known(FSTAB_PATH), FSTAB, 0o644)?;
    write_path_rules(root, &base.path_rules)?;
    if base.localtime {
        root.symlink(UTC.as_bytes(), &RootPath::known(LOCALTIME))?;
    }
    make_devices(root)
}

/// Writes the files that debootstrap makes. An fstab that is there stays.
fn make_files(root: &Rootfs) -> Result<(), Error> {
    for path in ["var/lib/dpkg/status", "var/lib/dpkg/available"] {
        root.write(&RootPath::known(path), b"", 0o644)?;
    }
    let method = RootPath::known("var/lib/dpkg/cmethopt");
    root.write(&method, b"apt apt\n", 0o644)?;
    let zone = RootPath::known(LOCALTIME);
    if !root.exists(&zone)? {
        make_directories(root, &zone.parent(), 0o755)?;
        root.symlink(UTC.as_bytes(), &zone)?;
    }
    let fstab = RootPath::known(FSTAB_PATH);
    match root.exists(&fstab)? {
        true => Ok(()),
        false => root.write(&fstab, FSTAB, 0o644),
    }
}

/// Writes the rules for the tree's dpkg, where there are any.
fn write_path_rules(root: &Rootfs, rules: &[PathRule]) -> Result<(), Error> {
    if rules.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for rule in rules {
        text.push_str(&format!("{rule}\n"));
    }
    root.write(&RootPath::known(PATH_RULES), text.as_bytes(), 0o644)
}

fn make_devices(root: &Rootfs) -> Result<(), Error> {
    make_directories(root, &RootPath::known("dev/pts"), 0o755)?;
    make_directories(root, &RootPath::known("dev/shm"), 0o755)?;
    for (link, target) in DEVICE_LINKS {
        let link = RootPath::known(link);
        if !root.exists(&link)? {
            root.symlink(target.as_bytes(), &link)?;
        }
    }
    for (path, major, minor) in DEVICES {
        let path = RootPath::known(path);
        let device = makedev(major, minor);
        if root.exists(&path)? {
            continue;
        }
        match root.make_node(&path, FileType::CharacterDevice, 0o666, device) {
            Err(e) if e.source.kind() == std::io::ErrorKind::PermissionDenied => {}
            made => made?,
        }
    }
    Ok(())
}

/// Whether the tree has the first of the device nodes, because the host permits them.
pub(crate) fn has_devices(root: &Rootfs) -> Result<bool, Error> {
    let found = root.metadata(&RootPath::known(DEVICES[0].0))?;
    let kind = found.map(|found| FileType::from_raw_mode(found.st_mode));
    Ok(kind == Some(FileType::CharacterDevice))
}

/// Whether device nodes are missing, because the host permits none. What lies in their place is
/// removed: a script that writes to /dev/null makes a file.
pub(crate) fn lacks_devices(root: &Rootfs) -> Result<bool, Error> {
    let mut is_lacking = false;
    for (path, _, _) in DEVICES {
        let path = RootPath::known(path);
        let found = root.metadata(&path)?;
        let kind = found.map(|found| FileType::from_raw_mode(found.st_mode));
        if kind == Some(FileType::RegularFile) {
            root.remove(&path)?;
        }
        is_lacking |= !matches!(kind, Some(FileType::CharacterDevice | FileType::Symlink));
    }
    Ok(is_lacking)
}

/// Creates the symlinks of a merged /usr, and the directories that they lead to.
fn merge_usr(root: &Rootfs, architecture: &str) -> Result<(), Error> {
    for name in arch::merged_usr_links(architecture) {
        let target = format!("usr/{name}");
        let directory = RootPath::known("usr").entry(name.as_bytes());
        make_directories(root, &directory, 0o755)?;
        let link = RootPath::known(name);
        if !root.exists(&link)? {
            root.symlink(target.as_bytes(), &link)?;
        }
    }
    Ok(())
}

/// Creates a directory and its missing parents, owned by root even where a setgid directory around
/// the tree passes on its group.
fn make_directories(root: &Rootfs, path: &RootPath, mode: u32) -> Result<(), Error> {
    if path.is_root() || root.is_directory(path)? {
        return Ok(());
    }
    make_directories(root, &path.parent(), 0o755)?;
    root.make_directory(path, mode)?;
    root.set_owner_and_mode(path, 0, 0, Some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_merged_usr_has_the_links_of_its_architecture() {
        let table: [(&str, &[&str]); 4] = [
            ("s390x", &["bin", "lib", "lib32", "sbin"]),
            ("ppc64", &["bin", "lib", "lib32", "lib64", "sbin"]),
            ("sparc", &["bin", "lib", "lib64", "sbin"]),
            ("arm64", &["bin", "lib", "sbin"]),
        ];
        for (architecture, expected) in table {
            let directory = tempfile::tempdir().unwrap();
            let root = Rootfs::open(directory.path()).unwrap();
            merge_usr(&root, architecture).unwrap();
            for name in expected {
                let target = root.read_link(&RootPath::known(name)).unwrap().unwrap();
                assert_eq!(target.to_bytes(), format!("usr/{name}").as_bytes());
            }
            let names = root.names(&RootPath::known("usr")).unwrap();
            assert_eq!(
                names,
                expected
                    .iter()
                    .map(|name| name.as_bytes())
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn the_base_is_what_dpkg_needs() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let architectures = vec!["amd64".to_owned(), "i386".to_owned()];
        base(
            &root,
            &Base {
                architectures,
                merged_usr: MergedUsr::MadeFirst,
                path_rules: Vec::new(),
                localtime: true,
                kind: BaseKind::Image,
            },
        )
        .unwrap();
        let read =
            |path| String::from_utf8(root.read(&RootPath::known(path)).unwrap().unwrap()).unwrap();
        assert_eq!(
            (
                read("var/lib/dpkg/arch").as_str(),
                read("var/lib/dpkg/status").as_str()
            ),
            ("amd64\ni386\n", "")
        );
        let localtime = root.read_link(&RootPath::known(LOCALTIME)).unwrap();
        assert_eq!(localtime.unwrap().to_str(), Ok(UTC));
        assert_eq!(read("etc/fstab"), "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n");
        assert_eq!(
            root.read_link(&RootPath::known("lib64"))
                .unwrap()
                .unwrap()
                .as_bytes(),
            b"usr/lib64"
        );
        assert_eq!(
            root.metadata(&RootPath::known("tmp"))
                .unwrap()
                .unwrap()
                .st_mode
                & 0o7777,
            0o1777
        );
        assert_eq!(root.names(&RootPath::known("dev")).unwrap().len(), 14);
        assert!(
            root.names(&RootPath::known("etc/dpkg/dpkg.cfg.d"))
                .unwrap()
                .is_empty()
        );
    }
}
