//! Debian's docker-registry on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::context::outcome;
use crate::interrupt::within_a_minute;

/// A running registry, with its storage and its log of requests. Dropping it ends it.
pub struct Registry {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Registry {
    /// Starts a registry whose files are in a directory that is made.
    pub fn start(directory: &Path) -> Registry {
        fs::create_dir(directory).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let storage = directory.join("storage");
        let configuration = directory.join("registry.yml");
        fs::write(
            &configuration,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: 127.0.0.1:{port}}}\n",
                storage.display()
            ),
        )
        .unwrap();
        let log = directory.join("log");
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&configuration)
            .stdout(fs::File::create(&log).unwrap())
            .stderr(Stdio::null());
        let registry = Registry {
            process: command.spawn().unwrap(),
            port,
            log,
        };
        assert!(within_a_minute(|| std::net::TcpStream::connect((
            "127.0.0.1",
            port
        ))
        .is_ok()));
        registry
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The manifest or index under a name, as skopeo gets it.
    pub fn inspect(&self, reference: &str) -> Vec<u8> {
        let mut command = Command::new("skopeo");
        command
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{reference}"));
        outcome(&mut command).ok().stdout
    }

    /// The access log: a line for each request so far that concerns an image.
    pub fn requests(&self) -> Vec<String> {
        // A request is logged after its answer.
        let mut log = String::new();
        assert!(within_a_minute(|| {
            std::thread::sleep(Duration::from_millis(100));
            let before = std::mem::replace(&mut log, fs::read_to_string(&self.log).unwrap());
            before.len() == log.len()
        }));
        let lines = log
            .lines()
            .filter(|line| line.contains(" /v2/") && !line.contains(" /v2/ "));
        lines.map(str::to_owned).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
