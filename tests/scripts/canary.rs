//! What stands outside of a target and must not change: a tree, a variable, a process, sockets.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::{fs, process};

use rbootstrap::testing::tree::{Times, difference, dump};

/// A variable of the caller's, which scripts must not see.
pub const TOKEN: (&str, &str) = ("CANARY_TOKEN", "hunter2-of-the-host");

pub struct Canary {
    directory: tempfile::TempDir,
    before: Vec<String>,
    process: Child,
    tcp: TcpListener,
    unix: UnixListener,
    name: String,
}

impl Canary {
    pub fn new() -> Canary {
        let mut builder = tempfile::Builder::new();
        // A tree's own /tmp is emptied at the end.
        builder.prefix("rbootstrap-canary-");
        let directory = builder.tempdir_in("/var/tmp").unwrap();
        fill(directory.path());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let name = format!("rbootstrap-canary-{}-{}", process::id(), port(&tcp));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let unix = UnixListener::bind_addr(&address).unwrap();
        unix.set_nonblocking(true).unwrap();
        Canary {
            before: dump(directory.path(), Times::Shown),
            process: Command::new("sleep").arg("3600").spawn().unwrap(),
            directory,
            tcp,
            unix,
            name,
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces the names of the canary's parts in a script.
    pub fn fill_in(&self, script: &str) -> String {
        script
            .replace("@CANARY@", self.path().to_str().unwrap())
            .replace("@PID@", &self.process.id().to_string())
            .replace("@PORT@", &port(&self.tcp).to_string())
            .replace("@SOCKET@", &self.name)
    }

    /// What is not as it was.
    pub fn changes(&mut self) -> String {
        let mut changes = difference(&self.before, &dump(self.path(), Times::Shown));
        if !matches!(self.process.try_wait(), Ok(None)) {
            changes += "the process ended\n";
        }
        let connections = [
            self.tcp.accept().map(drop).map_err(|e| e.kind()),
            self.unix.accept().map(drop).map_err(|e| e.kind()),
        ];
        if connections != [Err(ErrorKind::WouldBlock); 2] {
            changes += "somebody connected\n";
        }
        changes
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

/// Files, directories and a link of several owners and modes.
fn fill(root: &Path) {
    for name in ["open", "closed", "open/partial"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for (name, mode, owner) in [
        ("secret", 0o600, 0),
        ("file", 0o640, 0),
        ("open/others", 0o644, 1000),
        ("closed/program", 0o755, 0),
        ("passwd", 0o644, 0),
    ] {
        let path = root.join(name);
        fs::write(&path, "root:x:0:0:the canary:/:/bin/sh\n").unwrap();
        set(&path, mode, owner);
    }
    symlink("secret", root.join("link")).unwrap();
    set(&root.join("open"), 0o1777, 0);
    set(&root.join("closed"), 0o700, 1000);
    let path: PathBuf = root.into();
    set(&path, 0o755, 0);
}

fn set(path: &Path, mode: u32, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
