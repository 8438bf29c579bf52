//! Runs the user's commands on the host, with /proc, /sys and /dev mounted in the tree.
//!
//! All hooks share a mount namespace: mounts made by one are visible to the next, nothing is
//! mounted on the host, and nothing has to be unmounted. This program is executed again as
//! [`NAME`]; it enters the namespace, mounts what is missing and executes the command. The
//! namespace is passed as its standard output and the namespace's root directory as its working
//! directory, because opening another process's descriptors may need CAP_SYS_PTRACE.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{dup2_stdout, getpid, getppid};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::mounts::{LINKS, NODES, make_private};

/// The name by which the program is executed for a command.
const NAME: &str = "rbootstrap-hook";

/// The first argument of the process that makes the namespace.
const HOLD: &str = "hold";
/// The first argument for a command in the namespace.
const ENTER: &str = "enter";
/// The first argument where there is no namespace.
const NONE: &str = "none";

/// The exit code of env(1) for a command that cannot be executed.
const CANNOT_EXECUTE: u8 = 127;

/// The directory of device nodes, as [`NODES`] and [`LINKS`] begin.
const DEV: &[u8] = b"/dev/";

/// The mount namespace of the hooks of one tree.
#[derive(Debug)]
pub(crate) struct HookMounts {
    namespace: Option<Namespace>,
}

#[derive(Debug)]
struct Namespace {
    mounts: File,
    /// The caller's root directory in it. Entering a namespace makes its first mount the root,
    /// which is not the caller's in a chroot.
    root: OwnedFd,
}

impl HookMounts {
    /// Makes the namespace, if the host permits one.
    pub(crate) fn open(root: &Path) -> HookMounts {
        HookMounts {
            namespace: namespace(root).ok(),
        }
    }

    /// Whether mounts made by hooks are invisible to the host.
    pub(crate) fn are_private(&self) -> bool {
        self.namespace.is_some()
    }

    /// A command to which a program and its arguments are added. It is executed in the namespace,
    /// writes its standard output to standard error, and is killed when the thread that starts it
    /// ends.
    pub(crate) fn command(&self, root: &Path, has_mounts: bool) -> io::Result<Command> {
        let mut command = own_program();
        match &self.namespace {
            Some(namespace) => {
                let descriptor = namespace.root.as_raw_fd();
                command.arg(ENTER).stdout(namespace.mounts.try_clone()?);
                command.current_dir(format!("/proc/self/fd/{descriptor}"));
            }
            None => {
                command.arg(NONE).stdout(Stdio::null());
            }
        }
        command.arg(getpid().to_string());
        command
            .arg(if has_mounts { "mounts" } else { "" })
            .arg(root);
        // Without one, the command runs in the root directory.
        let directory = rustix::process::getcwd(Vec::new()).unwrap_or_default();
        command.arg(OsString::from_vec(directory.into_bytes()));
        Ok(command)
    }
}

fn own_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME);
    command
}

/// Has a process make a namespace, and opens it.
fn namespace(root: &Path) -> io::Result<Namespace> {
    let mut holder = own_program();
    holder.args([HOLD, "", ""]).arg(root).arg("");
    let mut holder = holder
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = [0];
    let answered = match &mut holder.stdout {
        Some(output) => output.read_exact(&mut answer),
        None => Ok(()),
    };
    let opened = answered.and_then(|()| open_namespace(holder.id()));
    drop(holder.stdin.take());
    holder.wait()?;
    opened
}

fn open_namespace(holder: u32) -> io::Result<Namespace> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Namespace {
        mounts: File::open(format!("/proc/{holder}/ns/mnt"))?,
        root: rustix::fs::open(format!("/proc/{holder}/root"), flags, Mode::empty())?,
    })
}

/// Runs this program for a command, if it was executed as such.
pub(crate) fn hook_process(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != NAME {
        return None;
    }
    let place = arguments.next()?;
    let parent = arguments.next()?;
    let mounts = arguments.next()?;
    let root = PathBuf::from(arguments.next()?);
    let directory = PathBuf::from(arguments.next()?);
    if place == HOLD {
        return Some(match hold(&root) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        });
    }
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if parent != *getppid().to_string() {
        return Some(ExitCode::FAILURE);
    }
    if place == ENTER {
        if let Err(error) = enter() {
            let _ = writeln!(io::stderr(), "cannot enter the mounts of hooks: {error}");
            return Some(ExitCode::from(CANNOT_EXECUTE));
        }
        // The caller's directory may be gone.
        let _ = rustix::process::chdir(&directory);
        if !mounts.is_empty() {
            mount_missing(&root);
        }
    }
    let _ = dup2_stdout(io::stderr());
    let mut command = Command::new(arguments.next()?);
    let error = command.args(arguments).exec();
    let program = command.get_program().display();
    let _ = writeln!(io::stderr(), "cannot execute {program}: {error}");
    Some(ExitCode::from(CANNOT_EXECUTE))
}

/// Makes a namespace and waits until it is open elsewhere.
fn hold(tree: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty())?;
    rustix::process::chdir(tree)?;
    make_private()?;
    // In a chroot, this has changed the root directory.
    make_root(&root)?;
    io::stdout().write_all(&[0])?;
    io::stdout().flush()?;
    let mut end = Vec::new();
    io::stdin().read_to_end(&mut end)?;
    Ok(())
}

/// Enters the namespace that is the standard output. Its root is the working directory.
fn enter() -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(".", flags, Mode::empty())?;
    setns(io::stdout(), CloneFlags::CLONE_NEWNS)?;
    make_root(&root)?;
    Ok(())
}

fn make_root(directory: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(directory)?;
    rustix::process::chroot(c".")
}

/// Mounts what the tree has a directory for and no mount on it. What the host refuses is left out.
fn mount_missing(root: &Path) {
    for (on_host, name) in [("/proc", "proc"), ("/sys", "sys")] {
        let place = root.join(name);
        if is_unmounted_directory(root, &place) {
            let _ = mount_bind_recursive(on_host, &place);
        }
    }
    let dev = root.join("dev");
    if is_unmounted_directory(root, &dev) {
        mount_nodes(&dev);
    }
    let terminals = dev.join("pts");
    if is_unmounted_directory(&dev, &terminals) {
        let _ = mount_bind("/dev/pts", &terminals);
    }
}

fn is_unmounted_directory(parent: &Path, place: &Path) -> bool {
    let look = |path: &Path| rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    match (look(parent), look(place)) {
        (Ok(parent), Ok(found)) => {
            let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            is_directory && parent.st_dev == found.st_dev
        }
        _ => false,
    }
}

/// Makes device nodes that work. A tree may have its own, which do not on a mount with `nodev`.
fn mount_nodes(dev: &Path) {
    if !is_node(rustix::fs::stat(dev.join("null"))) {
        let _ = make_dev(dev);
    } else if has_no_devices(dev) {
        bind_nodes(dev);
    }
}

fn is_node(found: Result<Stat, Errno>) -> bool {
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice)
}

/// Whether a path is on a mount on which no device node can be opened.
fn has_no_devices(path: &Path) -> bool {
    let found = rustix::fs::statvfs(path);
    found.is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NODEV))
}

/// Binds the host's nodes on those of the tree. What hooks add to /dev stays in the tree.
fn bind_nodes(dev: &Path) {
    for (on_host, path, ..) in NODES {
        let place = dev.join(name_in_dev(path));
        let found = rustix::fs::statat(CWD, &place, AtFlags::SYMLINK_NOFOLLOW);
        if is_node(found) && has_no_devices(&place) {
            let on_host = OsStr::from_bytes(on_host.to_bytes());
            let _ = mount_bind(Path::new("/").join(on_host), &place);
        }
    }
}

fn make_dev(dev: &Path) -> Result<(), Errno> {
    let options: &CStr = c"mode=0755,size=1m";
    mount("tmpfs", dev, "tmpfs", MountFlags::NOSUID, options)?;
    for (on_host, path, ..) in NODES {
        let place = dev.join(name_in_dev(path));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        drop(rustix::fs::open(&place, flags, Mode::from_raw_mode(0o666))?);
        let on_host = OsStr::from_bytes(on_host.to_bytes());
        let _ = mount_bind(Path::new("/").join(on_host), &place);
    }
    for (target, path) in LINKS {
        rustix::fs::symlink(target, dev.join(name_in_dev(path)))?;
    }
    for name in ["pts", "shm"] {
        rustix::fs::mkdir(dev.join(name), Mode::from_raw_mode(0o755))?;
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", dev.join("shm"), "tmpfs", flags, c"mode=1777")
}

fn name_in_dev(path: &CStr) -> &OsStr {
    let path = path.to_bytes();
    OsStr::from_bytes(path.strip_prefix(DEV).unwrap_or(path))
}
