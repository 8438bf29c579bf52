//! Tests of the sandbox with a tree made of the host's own shell.
#![expect(unsafe_code, reason = "code that runs before the harness's main")]
#![expect(
    clippy::disallowed_methods,
    reason = "builds a tree out of the host's own programs, and traps around it"
)]
#![expect(clippy::print_stdout, reason = "a table prints how many cases it ran")]

mod commands;
mod isolation;
mod machine;
mod own_proc;
mod zygotes;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::*;
use crate::report::Event;

/// Runs PID 1 of a sandbox when the tests' own program is executed as such, before its harness.
#[used]
#[unsafe(link_section = ".init_array")]
static PID_1: extern "C" fn() = {
    extern "C" fn run() {
        if own_process().is_some() {
            // SAFETY: nothing of the harness has begun.
            unsafe { libc::_exit(0) }
        }
    }
    run
};

/// A tree with a shell, a few programs and the libraries that they load.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        for directory in ["dev", "proc", "sys", "tmp", "bin"] {
            std::fs::create_dir(tree.path().join(directory)).unwrap();
        }
        for program in [
            "sh", "sleep", "cat", "stat", "sync", "ls", "uname", "setsid", "nproc", "mknod",
            "mount", "unshare", "chown", "chmod",
        ] {
            tree.copy_program(program);
        }
        tree
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn root(&self) -> Rootfs {
        Rootfs::open(self.path()).unwrap()
    }

    fn copy_program(&self, name: &str) {
        let found = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
            .map(|directory| Path::new(directory).join(name))
            .into_iter()
            .find(|path| path.exists())
            .unwrap();
        let libraries = std::process::Command::new("ldd")
            .arg(&found)
            .output()
            .unwrap()
            .stdout;
        let libraries = String::from_utf8(libraries).unwrap();
        for library in libraries
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            self.copy(Path::new(library), library);
        }
        self.copy(&found, &format!("/bin/{name}"));
    }

    fn copy(&self, from: &Path, to: &str) {
        let to: PathBuf = self.path().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/bin:/usr/bin".into())],
    }
}

fn shell(script: &str) -> Command {
    command(&["sh", "-c", script])
}

fn said(sandbox: &Sandbox, script: &str) -> String {
    let finished = sandbox.run(&shell(script)).unwrap();
    assert!(
        finished.status.success(),
        "{script}: {:?} {}",
        finished.status,
        String::from_utf8_lossy(&finished.output)
    );
    String::from_utf8(finished.output).unwrap()
}

/// Processes of the host whose root is this tree.
fn running(tree: &Path) -> usize {
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let inside = std::fs::metadata(tree).unwrap();
    let has_root = |pid: &String| {
        use std::os::unix::fs::MetadataExt;
        let root = std::fs::metadata(format!("/proc/{pid}/root"));
        root.is_ok_and(|root| (root.dev(), root.ino()) == (inside.dev(), inside.ino()))
    };
    processes
        .filter(|name| name.parse::<u32>().is_ok())
        .filter(has_root)
        .count()
}

/// The number in a line of /proc/self/status, in hexadecimal.
fn status_field(status: &str, name: &str) -> Option<u64> {
    for line in status.lines() {
        if let Some(value) = line.strip_prefix(name) {
            return u64::from_str_radix(value.trim_start_matches(':').trim(), 16).ok();
        }
    }
    None
}
