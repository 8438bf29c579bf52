//! A Docker engine of the tests' own, with its data, socket and log in a temporary directory.
//!
//! It changes nothing of the host's network, and is ended and unmounted when it is dropped.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Outcome, outcome};

/// A Docker engine. Dropping it ends the engine.
pub struct Docker {
    directory: tempfile::TempDir,
    engine: Child,
}

impl Docker {
    pub fn start() -> Docker {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let log = fs::File::create(at("log")).unwrap();
        let mut command = Command::new("dockerd");
        command
            .args(["--iptables=false", "--bridge=none", "--storage-driver=vfs"])
            .arg("--host")
            .arg(format!("unix://{}", at("socket").display()));
        command
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("run"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--config-file")
            .arg(at("none"));
        fs::write(at("none"), "{}").unwrap();
        let engine = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut docker = Docker { directory, engine };
        let end = Instant::now() + Duration::from_secs(60);
        while outcome(docker.command().arg("version")).code != Some(0) {
            if Instant::now() > end || docker.engine.try_wait().unwrap().is_some() {
                let log =
                    fs::read_to_string(docker.directory.path().join("log")).unwrap_or_default();
                panic!("dockerd does not run here: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        docker
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.directory.path().join("socket").display()),
            )
            .stdin(Stdio::null());
        command.env("DOCKER_CONFIG", self.directory.path());
        command
    }

    /// Runs a command in a container of this image, without network.
    pub fn run(&self, image: &str, arguments: &[&str]) -> Outcome {
        outcome(
            self.command()
                .args(["run", "--rm", "--network=none", image])
                .args(arguments),
        )
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // SIGTERM lets the engine end its containerd and undo its mounts.
        if let Ok(None) = self.engine.try_wait() {
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&self.engine),
                rustix::process::Signal::TERM,
            )
            .unwrap();
        }
        self.engine.wait().unwrap();
        // The engine leaves its data directory mounted, and the mounts of an interrupted container.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for at in mounts
            .lines()
            .rev()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|at| Path::new(at).starts_with(self.directory.path()))
        {
            rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH).unwrap();
        }
    }
}
