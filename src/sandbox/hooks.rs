//! Commands of the user's on the host, with /proc, /sys and /dev mounted in the tree.
//!
//! They share a mount namespace, so what one mounts is there for the next, and nothing is mounted on
//! the host or has to be unmounted. This program, executed again as [`NAME`], enters the namespace,
//! mounts what is missing and executes the command.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};

/// The name by which the program is executed for a command.
const NAME: &str = "rbootstrap-hook";

/// The first argument of the process that makes the namespace.
const HOLD: &str = "hold";
/// The first argument where there is no namespace.
const NONE: &str = "none";

/// The exit code of env(1) for a command that cannot be executed.
const CANNOT_EXECUTE: u8 = 127;

/// The host's nodes that a tree without device nodes gets.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("pts/ptmx", "ptmx"),
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];

/// The mount namespace of the hooks of one tree.
#[derive(Debug)]
pub(crate) struct HookMounts {
    namespace: Option<File>,
}

impl HookMounts {
    /// Makes the namespace, if the host permits one.
    pub(crate) fn open(root: &Path) -> HookMounts {
        HookMounts {
            namespace: namespace(root).ok(),
        }
    }

    /// Whether mounts are out of the host's sight.
    pub(crate) fn are_private(&self) -> bool {
        self.namespace.is_some()
    }

    /// A command to which a program and its arguments are added. It is executed in the namespace.
    pub(crate) fn command(&self, root: &Path, has_mounts: bool) -> Command {
        let mut command = own_program();
        match &self.namespace {
            Some(namespace) => command.arg(descriptor_path(namespace)),
            None => command.arg(NONE),
        };
        command
            .arg(if has_mounts { "mounts" } else { "" })
            .arg(root);
        let directory = rustix::process::getcwd(Vec::new());
        let directory = directory.ok().and_then(|path| path.into_string().ok());
        command.arg(directory.unwrap_or_default());
        command
    }
}

fn own_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME);
    command
}

/// The path by which another process opens a file that is open here.
fn descriptor_path(file: &File) -> PathBuf {
    let process = rustix::process::getpid().as_raw_nonzero();
    PathBuf::from(format!("/proc/{process}/fd/{}", file.as_raw_fd()))
}

/// Has a process make a namespace, and opens it.
fn namespace(root: &Path) -> io::Result<File> {
    let mut holder = own_program();
    holder.arg(HOLD).arg("").arg(root).arg("");
    let mut holder = holder
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = [0];
    let answered = match &mut holder.stdout {
        Some(output) => output.read_exact(&mut answer),
        None => Ok(()),
    };
    let opened = answered.and_then(|()| File::open(format!("/proc/{}/ns/mnt", holder.id())));
    drop(holder.stdin.take());
    holder.wait()?;
    opened
}

/// Runs this program for a command, if it was executed as such.
pub(crate) fn hook_process(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != NAME {
        return None;
    }
    let namespace = arguments.next()?;
    let mounts = arguments.next()?;
    let root = PathBuf::from(arguments.next()?);
    let directory = PathBuf::from(arguments.next()?);
    if namespace == HOLD {
        return Some(match hold() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        });
    }
    if namespace != NONE {
        if enter(Path::new(&namespace), &directory).is_err() {
            return Some(ExitCode::from(CANNOT_EXECUTE));
        }
        if !mounts.is_empty() {
            mount_missing(&root);
        }
    }
    let mut command = Command::new(arguments.next()?);
    let error = command.args(arguments).exec();
    let program = command.get_program().display();
    let _ = writeln!(io::stderr(), "cannot execute {program}: {error}");
    Some(ExitCode::from(CANNOT_EXECUTE))
}

/// Makes a namespace and waits until it is open elsewhere.
fn hold() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", private)?;
    io::stdout().write_all(&[0])?;
    io::stdout().flush()?;
    let mut end = Vec::new();
    io::stdin().read_to_end(&mut end)?;
    Ok(())
}

fn enter(namespace: &Path, directory: &Path) -> io::Result<()> {
    setns(File::open(namespace)?, CloneFlags::CLONE_NEWNS)?;
    // The caller's directory may be gone.
    let _ = rustix::process::chdir(directory);
    Ok(())
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
    let null = rustix::fs::stat(dev.join("null"));
    let has_nodes =
        null.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice);
    if !has_nodes && is_unmounted_directory(root, &dev) {
        let _ = make_dev(&dev);
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

fn make_dev(dev: &Path) -> Result<(), Errno> {
    let options: &CStr = c"mode=0755,size=1m";
    mount("tmpfs", dev, "tmpfs", MountFlags::NOSUID, options)?;
    for name in NODES {
        let place = dev.join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        drop(rustix::fs::open(&place, flags, Mode::from_raw_mode(0o666))?);
        let _ = mount_bind(Path::new("/dev").join(name), &place);
    }
    for (target, name) in LINKS {
        rustix::fs::symlink(target, dev.join(name))?;
    }
    for name in ["pts", "shm"] {
        rustix::fs::mkdir(dev.join(name), Mode::from_raw_mode(0o755))?;
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", dev.join("shm"), "tmpfs", flags, c"mode=1777")
}
