//! Trees as archives, read back by GNU tar, bsdtar, Python and our own reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

use super::*;
use crate::digest::{Algorithm, digest};
use crate::report::Event;

const EPOCH: i64 = 1_700_000_000;

fn options(compression: Compression) -> Options {
    Options { epoch: Some(EPOCH), threads: 2, compression, interrupt: Default::default() }
}

fn pack(tree: &Path, options: &Options) -> Vec<u8> {
    tar(&Rootfs::open(tree).unwrap(), Vec::new(), options, &Report::silent()).unwrap()
}

/// Says so when a test cannot run here.
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn skipped(why: &str) -> bool {
    eprintln!("SKIPPED: {why}");
    true
}

fn is_not_root() -> bool {
    !rustix::process::geteuid().is_root() && skipped("needs root, for owners and devices")
}

fn is_missing(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_err() && skipped(&format!("needs {tool}"))
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A path, made in whichever order the world is made in.
enum Make {
    Directory,
    File(Vec<u8>),
    Link(&'static str),
    Symlink(Vec<u8>),
    Fifo,
    Device(u32, u32),
    Socket,
}

struct Planned {
    path: Vec<u8>,
    make: Make,
    owner: (u32, u32),
    mode: u32,
    modified: i64,
    attributes: Vec<(&'static str, Vec<u8>)>,
}

fn planned(path: impl AsRef<[u8]>, mode: u32, make: Make) -> Planned {
    Planned { path: path.as_ref().to_vec(), make, owner: (0, 0), mode, modified: 1_600_000_000, attributes: Vec::new() }
}

/// `cap_net_raw=ep` as the kernel stores it (capability.h, vfs_cap_data revision 2).
fn capability() -> Vec<u8> {
    let words = [0x0200_0001_u32, 1 << 13, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `user::rwx,user:33:r-x,group::r-x,mask::r-x,other::r-x` as the kernel stores it (posix_acl_xattr.h).
fn access_list() -> Vec<u8> {
    let entries = [(1_u16, 7_u16, u32::MAX), (2, 5, 33), (4, 5, u32::MAX), (16, 5, u32::MAX), (32, 5, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&[&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    bytes
}

/// Some of everything.
fn world() -> Vec<Planned> {
    use Make::*;
    let long = "l".repeat(150);
    let mut paths: Vec<Planned> =
        ["dev", "etc", "proc", "srv", "sys", "usr", "usr/bin", "usr/lib", "var"].map(|p| planned(p, 0o755, Directory)).into();
    paths.extend([
        planned("tmp", 0o1777, Directory),
        planned("bin", 0o777, Symlink(b"usr/bin".into())),
        planned("dev/null", 0o666, Device(1, 3)),
        planned("proc/version", 0o444, File(b"not really".into())),
        planned("sys/kernel", 0o755, Directory),
        planned("srv/null", 0o640, Device(1, 3)),
        planned("srv/fifo", 0o600, Fifo),
        planned("srv/socket", 0o600, Socket),
        planned("srv/-leading dash and spaces\n\"", 0o644, File(b"x".into())),
        planned(b"srv/not-\xff\xfe-utf8", 0o644, File(b"bytes".into())),
        planned("srv/größe", 0o644, File(b"utf-8".into())),
        planned("srv/absolute", 0o777, Symlink(b"/etc/passwd".into())),
        planned("srv/long-link", 0o777, Symlink(vec![b't'; 300])),
        planned("srv/latin1-link", 0o777, Symlink(b"caf\xe9".to_vec())),
        planned(format!("srv/{long}"), 0o755, Directory),
        planned(format!("srv/{long}/{long}"), 0o644, File(b"long".into())),
        planned(format!("srv/z-{long}"), 0o644, File(vec![7; 1000])),
        planned([b"srv/", &[0xe9; 120][..]].concat(), 0o644, File(b"long bytes".into())),
        planned("usr/bin/perl", 0o755, File(vec![b'p'; 5000])),
        planned("usr/lib/perl5.36", 0o755, Link("usr/bin/perl")),
        planned("var/a-link-to-a-link", 0o777, Link("srv/absolute")),
    ]);
    for size in [0, 511, 512, 513, (3 << 20) + 17] {
        paths.push(planned(format!("etc/size-{size}"), 0o644, File((0..size).map(|at| (at % 251) as u8).collect())));
    }
    for (name, modified) in [("old", -86_400), ("zero", 0), ("at-epoch", EPOCH), ("new", EPOCH + 1000), ("far", 1 << 34)] {
        paths.push(Planned { modified, ..planned(format!("etc/modified-{name}"), 0o644, File(name.into())) });
    }
    paths.push(Planned { owner: (0, 42), ..planned("usr/bin/su", 0o4755, File(b"su".into())) });
    paths.push(Planned { owner: (3_000_000, 4_000_000_000), ..planned("var/many-users", 0o2770, Directory) });
    let attributes = vec![("security.capability", capability()), ("user.test", b"a\0=\n%".to_vec())];
    paths.push(Planned { attributes, ..planned("usr/bin/ping", 0o755, File(b"ping".into())) });
    let attributes = vec![("system.posix_acl_access", access_list()), ("system.posix_acl_default", access_list())];
    paths.push(Planned { attributes, ..planned("var/journal", 0o755, Directory) });
    paths
}

/// Makes the world in a fresh directory: what depends on what in order, names otherwise as they come or backwards.
fn make(paths: &[Planned], backwards: bool) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &[u8]| tree.path().join(OsStr::from_bytes(path));
    let mut order: Vec<&Planned> = paths.iter().collect();
    if backwards {
        order.reverse();
    }
    order.sort_by_key(|p| {
        (
            matches!(p.make, Make::Link(_)),
            !matches!(p.make, Make::Directory),
            if matches!(p.make, Make::Directory) { p.path.len() } else { 0 },
        )
    });
    for Planned { path, make, .. } in &order {
        let path = at(path);
        match make {
            Make::Directory => fs::create_dir(path).unwrap(),
            Make::File(content) => fs::write(path, content).unwrap(),
            Make::Link(target) => fs::hard_link(tree.path().join(target), path).unwrap(),
            Make::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Make::Fifo => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::empty(), 0).unwrap(),
            Make::Device(major, minor) => {
                rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), rustix::fs::makedev(*major, *minor)).unwrap();
            }
            Make::Socket => drop(UnixListener::bind(path).unwrap()),
        }
    }
    for planned in order.iter().rev().filter(|p| !matches!(p.make, Make::Link(_))) {
        let path = at(&planned.path);
        std::os::unix::fs::lchown(&path, Some(planned.owner.0), Some(planned.owner.1)).unwrap();
        if !matches!(planned.make, Make::Symlink(_)) {
            fs::set_permissions(&path, PermissionsExt::from_mode(planned.mode)).unwrap();
        }
        for (name, value) in &planned.attributes {
            rustix::fs::setxattr(&path, *name, value, XattrFlags::empty()).unwrap();
        }
    }
    for planned in order.iter().rev() {
        rustix::fs::utimensat(CWD, at(&planned.path), &rootfs::modified_at(planned.modified), AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    fs::set_permissions(tree.path(), PermissionsExt::from_mode(0o751)).unwrap();
    rustix::fs::utimensat(CWD, tree.path(), &rootfs::modified_at(1_500_000_000), AtFlags::empty()).unwrap();
    tree
}

/// A tree as text, a line a path.
fn describe(tree: &Path) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut links: BTreeMap<u64, String> = BTreeMap::new();
    describe_below(tree, tree, &mut lines, &mut links);
    lines
}

fn describe_below(tree: &Path, path: &Path, lines: &mut BTreeMap<String, String>, links: &mut BTreeMap<u64, String>) {
    let found = fs::symlink_metadata(path).unwrap();
    let name = path.strip_prefix(tree).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
    let kind = found.file_type();
    let content = if kind.is_file() {
        digest(Algorithm::Sha256, &fs::read(path).unwrap()).hexadecimal()
    } else if kind.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_vec().escape_ascii().to_string()
    } else {
        found.rdev().to_string()
    };
    let first = if kind.is_dir() { String::new() } else { links.entry(found.ino()).or_insert_with(|| name.clone()).clone() };
    let line = format!("{:o} {}:{} {} {first} {content}", found.mode(), found.uid(), found.gid(), found.mtime().min(EPOCH));
    lines.insert(name, line + &attributes(path, kind.is_symlink()));
    if kind.is_dir() {
        let mut below: Vec<_> = path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        below.iter().for_each(|path| describe_below(tree, path, lines, links));
    }
}

fn attributes(path: &Path, is_symlink: bool) -> String {
    let mut names = vec![0_u8; 4096];
    let length = if is_symlink { 0 } else { rustix::fs::listxattr(path, &mut names[..]).unwrap_or(0) };
    let mut names: Vec<&[u8]> = names[..length].split(|&b| b == 0).filter(|name| !name.is_empty()).collect();
    names.sort();
    let value = |name: &&[u8]| {
        let mut value = vec![0_u8; 4096];
        let length = rustix::fs::getxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        format!(" {}={}", name.escape_ascii(), value[..length].escape_ascii())
    };
    names.iter().map(value).collect()
}

/// The same without what no archive of ours has.
fn expected(tree: &Path) -> BTreeMap<String, String> {
    let mut lines = describe(tree);
    lines.retain(|name, _| !["dev/", "proc/", "sys/"].iter().any(|above| name.starts_with(above)) && name != "srv/socket");
    lines
}

fn assert_same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) {
    for (name, line) in expected {
        assert_eq!(found.get(name), Some(line), "`{name}`");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn gnu_tar_restores_the_tree() {
    if is_not_root() || is_missing("tar") {
        return;
    }
    let tree = make(&world(), false);
    for (ending, compression) in
        [("tar", Compression::None), ("tar.gz", Compression::Gzip), ("tar.xz", Compression::Xz), ("tar.zst", Compression::Zstd)]
    {
        let place = tempfile::tempdir().unwrap();
        let (file, extracted) = (place.path().join(format!("x.{ending}")), place.path().join("extracted"));
        fs::create_dir(&extracted).unwrap();
        to_file(&Rootfs::open(tree.path()).unwrap(), &file, &options(compression), &Report::silent()).unwrap();
        assert_eq!(Format::from_target(&file), Format::Tar(compression));
        run(Command::new("tar").args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"]).arg(&file).arg("-C").arg(&extracted));
        assert_same(&describe(&extracted), &expected(tree.path()));
    }
}

#[test]
fn bsdtar_and_python_restore_the_tree() {
    if is_not_root() {
        return;
    }
    let tree = make(&world(), false);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("x.tar");
    fs::write(&file, pack(tree.path(), &options(Compression::None))).unwrap();
    let python = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], numeric_owner=True)";
    let tools: [(&str, &[&str]); 2] =
        [("bsdtar", &["--numeric-owner", "-xpf", "FILE", "-C", "TREE"]), ("python3", &["-c", python, "FILE", "TREE"])];
    for (tool, arguments) in tools {
        if is_missing(tool) {
            continue;
        }
        let extracted = place.path().join(tool);
        fs::create_dir(&extracted).unwrap();
        let place_of = |argument: &&str| match *argument {
            "FILE" => file.clone().into_os_string(),
            "TREE" => extracted.clone().into_os_string(),
            other => other.into(),
        };
        run(Command::new(tool).args(arguments.iter().map(place_of)));
        let strip = |lines: BTreeMap<String, String>| -> BTreeMap<String, String> {
            lines.into_iter().map(|(name, line)| (name, restorable(tool, &line))).collect()
        };
        let (mut found, mut expected) = (strip(describe(&extracted)), strip(expected(tree.path())));
        if tool == "bsdtar" {
            // It never sets the time of the directory that it unpacks into.
            found.remove("");
            expected.remove("");
        }
        assert_same(&found, &expected);
    }
}

/// What the tool is able to restore: bsdtar knows ACLs only in an encoding of its own; Python restores no extended attributes at
/// all, and no times of symlinks.
fn restorable(tool: &str, line: &str) -> String {
    let before = |line: &str, word| line.split(word).next().unwrap_or_default().to_owned();
    let line = before(line, " system.");
    match tool {
        "bsdtar" => line,
        _ if line.starts_with("120777") => line.split(' ').enumerate().filter(|(at, _)| *at != 2).map(|(_, word)| word).collect(),
        _ => before(&line, " security."),
    }
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    if is_not_root() {
        return;
    }
    let (one, other) = (make(&world(), false), make(&world(), true));
    for compression in [Compression::None, Compression::Gzip, Compression::Xz, Compression::Zstd] {
        let packed = pack(one.path(), &options(compression));
        for threads in [1, 16] {
            assert!(packed == pack(other.path(), &Options { threads, ..options(compression) }), "{compression:?} on {threads} threads");
        }
    }
}

#[test]
fn the_archive_is_in_order_and_says_what_tar_would() {
    if is_not_root() {
        return;
    }
    let tree = make(&world(), true);
    let packed = pack(tree.path(), &options(Compression::None));
    assert_eq!(packed.len() % RECORD, 0);
    let mut archive = ::tar::Archive::new(&packed[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.username_bytes(), header.groupname_bytes()), (Some(&b""[..]), Some(&b""[..])));
        assert!(i64::try_from(header.mtime().unwrap()).unwrap() <= EPOCH);
        names.push(entry.path_bytes().into_owned());
    }
    let text: Vec<&str> = names.iter().filter_map(|name| std::str::from_utf8(name).ok()).collect();
    assert_eq!(text[..4], ["./", "./bin", "./dev/", "./etc/"]);
    assert!(text.contains(&"./proc/") && text.contains(&"./sys/") && !text.iter().any(|name| name.starts_with("./dev/n")));
    let key = |name: &Vec<u8>| name.split(|&b| b == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert!(names.is_sorted_by_key(key));
}

#[test]
fn other_file_systems_and_sockets_stay_out() {
    let tree = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(tree.path().join("socket")).unwrap();
    fs::create_dir(tree.path().join("mnt")).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = heard.clone();
    let report = Report::new(move |event| {
        if let Event::Warning(text) = event {
            hearing.lock().unwrap().push(text);
        }
    });
    let root = Rootfs::open(tree.path()).unwrap();
    let entries = tree::list(&root, &report).unwrap();
    assert_eq!(entries.iter().map(|e| e.path.to_string()).collect::<Vec<_>>(), ["/", "/mnt"]);
    assert_eq!(*heard.lock().unwrap(), ["/socket is a socket: not packed"]);
}

#[test]
fn a_mount_point_is_an_empty_directory() {
    let mounted = |path| fs::metadata(path).is_ok_and(|found| fs::metadata("/dev").unwrap().dev() != found.dev());
    if !mounted("/dev/pts") && skipped("needs a /dev/pts that is mounted") {
        return;
    }
    let entries = tree::list(&Rootfs::open(Path::new("/dev")).unwrap(), &Report::silent()).unwrap();
    let names: Vec<String> = entries.iter().map(|entry| entry.path.to_string()).collect();
    assert!(Path::new("/dev/pts/ptmx").exists() && names.contains(&"/pts".into()));
    assert!(!names.iter().any(|name| name.starts_with("/pts/")));
}

#[test]
fn a_file_that_changes_is_an_error_that_names_it() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("log"), b"12345").unwrap();
    let root = Rootfs::open(place.path()).unwrap();
    for (change, size) in [(1, "shorter"), (9, "longer")] {
        let entries = tree::list(&root, &Report::silent()).unwrap();
        File::options().write(true).open(place.path().join("log")).unwrap().set_len(change).unwrap();
        let (chunks, _keep) = sync_channel(CHUNKS);
        let mut chunks = Chunks { chunk: Vec::with_capacity(CHUNK), length: 0, chunks, used: channel().1 };
        let error = entries.iter().try_for_each(|entry| entry::write(&root, entry, None, &mut chunks, &Report::silent())).unwrap_err();
        assert!(matches!(&error, Error::Changed { path } if path.ends_with("log")), "{size}: {error:?}");
    }
}

/// Takes some bytes, and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_it() {
    let tree = tempfile::tempdir().unwrap();
    // Zeros are short where they are compressed, and text that a counter makes is not.
    let noise: Vec<u8> = (0..2_u64 << 20).flat_map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29).to_le_bytes()).collect();
    fs::write(tree.path().join("noise"), noise).unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for room in [0, 5, 1 << 20] {
            let error = tar(&root, Full(room), &options(compression), &Report::silent()).map(drop).unwrap_err();
            assert!(matches!(&error, Error::Write { source } if source.kind() == io::ErrorKind::StorageFull), "{error:?}");
        }
    }
}

#[test]
fn a_file_is_complete_or_not_there() {
    let (tree, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(tree.path().join("file"), b"x").unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    let path = place.path().join("x.tar");
    let refused = to_file(&root, &path, &options(Compression::Bzip2), &Report::silent()).unwrap_err();
    assert!(matches!(refused, Error::Write { .. }));
    assert_eq!(place.path().read_dir().unwrap().count(), 0);

    fs::write(&path, b"the old one").unwrap();
    symlink("x.tar", place.path().join("link.tar")).unwrap();
    to_file(&root, &place.path().join("link.tar"), &options(Compression::None), &Report::silent()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), pack(tree.path(), &options(Compression::None)));
    assert!(fs::symlink_metadata(place.path().join("link.tar")).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o111, 0);
    assert_eq!(place.path().read_dir().unwrap().count(), 2);

    to_file(&root, Path::new("/dev/null"), &options(Compression::None), &Report::silent()).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let inside = to_file(&root, &tree.path().join("x.tar"), &options(Compression::None), &Report::silent()).unwrap_err();
    assert!(matches!(inside, Error::Inside { .. }));
    let nowhere = to_file(&root, &place.path().join("no/such/x.tar"), &options(Compression::None), &Report::silent()).unwrap_err();
    assert!(matches!(nowhere, Error::Output { .. }));
}

#[test]
fn endings_name_formats() {
    let tar = Format::Tar;
    for (name, format) in [
        ("noble", Format::Directory),
        ("./a/noble.tar", tar(Compression::None)),
        ("noble.tar.gz", tar(Compression::Gzip)),
        ("noble.tgz", tar(Compression::Gzip)),
        ("noble.tar.xz", tar(Compression::Xz)),
        ("noble.txz", tar(Compression::Xz)),
        ("noble.tar.zst", tar(Compression::Zstd)),
        ("noble.tar/", Format::Directory),
        ("noble.gz", Format::Directory),
        ("tar", Format::Directory),
    ] {
        assert_eq!(Format::from_target(name), format, "{name}");
    }
}
