//! The probes inside containers of Docker, whose root may do less than the host's: all are refused,
//! or the run ends before the first script.
//!
//! The container has the host's /usr and the test's directory, with a canary beside it that its
//! root could reach.

use std::process::Command;

use rbootstrap::testing::tar::{directory, symlink, tar};

use super::probes::Probing;
use super::{files, kernel};
use crate::context::docker::Docker;
use crate::context::outcome;

/// A kind of container.
struct Container {
    name: &'static str,
    options: &'static [&'static str],
    /// The exit code of the run; after another than 0 no script has run.
    code: i32,
    says: &'static [&'static str],
    /// Answers of probes, as `name answer`, that do no harm there.
    harmless: &'static [&'static str],
}

/// Where nothing can be mounted, a process sees no namespaces of itself in /proc.
const BOUNDED: &[&str] = &["setns-mount 2", "setns-user 2"];

const CONTAINERS: [Container; 6] = [
    Container {
        name: "plain",
        options: &[],
        code: 0,
        says: &[
            "no user, PID, network, mount namespace",
            "with few capabilities and system calls",
            "nothing but themselves in /proc",
        ],
        harmless: BOUNDED,
    },
    Container {
        name: "all system calls",
        options: &["--security-opt=seccomp=unconfined"],
        code: 0,
        says: &[],
        harmless: BOUNDED,
    },
    Container {
        name: "no capabilities",
        options: &["--cap-drop=ALL"],
        code: 6,
        says: &["root lacks CAP_CHOWN", "--cap-add"],
        harmless: &[],
    },
    Container {
        name: "few capabilities",
        options: &[
            "--cap-drop=ALL",
            "--cap-add=CHOWN",
            "--cap-add=DAC_OVERRIDE",
            "--cap-add=FOWNER",
            "--cap-add=FSETID",
            "--cap-add=SETGID",
            "--cap-add=SETUID",
            "--cap-add=SYS_CHROOT",
            "--cap-add=MKNOD",
        ],
        code: 6,
        says: &["to drop capabilities", "CAP_SETPCAP"],
        harmless: &[],
    },
    Container {
        // --privileged asks for every capability, which a host in a container may not have.
        name: "an administrator",
        options: &[
            "--cap-add=SYS_ADMIN",
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            "--security-opt=systempaths=unconfined",
        ],
        code: 0,
        says: &[],
        harmless: &[],
    },
    Container {
        name: "the host's processes",
        options: &["--pid=host"],
        code: 6,
        says: &["--allow-weak-sandbox"],
        harmless: &[],
    },
];

#[test]
#[ignore = "needs root, dpkg, perl, docker"]
fn probes_in_containers() {
    let docker = Docker::start();
    import(&docker);
    let mut wrong = Vec::new();
    let mut cases = 0;
    let only = std::env::var("SCRIPT_CASE").unwrap_or_default();
    for container in CONTAINERS.iter().filter(|one| one.name.contains(&only)) {
        let mut probes = kernel::probes();
        probes.extend(files::probes());
        let mut probing = Probing::new(probes);
        let outcome = outcome(&mut container.command(&docker, &probing));
        let name = container.name;
        let is_said = container
            .says
            .iter()
            .all(|words| outcome.stderr.contains(words));
        if outcome.code != Some(container.code) || !is_said {
            wrong.push(format!("{name}: {:?}\n{}", outcome.code, outcome.stderr));
        } else if container.code == 0 {
            let failures = probing.failures(container.harmless);
            wrong.extend(failures.iter().map(|failure| format!("{name}: {failure}")));
            cases += probing.probes.len();
        } else {
            probing.context.assert_nothing_left();
            cases += 1;
        }
        println!("{name}: {:?}", outcome.code);
    }
    println!("containers: {cases} cases ran, {} failed", wrong.len());
    assert!(cases > 0 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The image of the containers: directories, to mount the rest on.
fn import(docker: &Docker) {
    let mut entries = Vec::new();
    for path in ["usr", "etc", "tmp", "var", "root", "proc", "sys", "dev"] {
        entries.push(directory(path));
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        entries.push(symlink(name, &format!("usr/{name}")));
    }
    let image = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(image.path(), tar(&entries)).unwrap();
    let mut command = docker.command();
    command.arg("import").arg(image.path()).arg("host");
    outcome(&mut command).ok();
}

impl Container {
    /// The run of the probes in this container. Its mirror is a directory.
    fn command(&self, docker: &Docker, probing: &Probing) -> Command {
        let context = &probing.context;
        let mirror = format!("file://{}", context.archive.root.display());
        let program = probing.command(&mirror);
        let mut command = docker.command();
        command.args(["run", "--rm", "--network=none"]);
        command.args(self.options);
        command.arg("--volume=/usr:/usr:ro");
        let path = program.get_program().display().to_string();
        command.arg(format!("--volume={path}:{path}:ro"));
        for directory in [context.directory.path(), probing.canary.path()] {
            let path = directory.display();
            command.arg(format!("--volume={path}:{path}"));
        }
        for (name, value) in program.get_envs() {
            let value = value.unwrap_or_default();
            command.arg(format!("--env={}={}", name.display(), value.display()));
        }
        command.arg(format!("--workdir={}", context.directory.path().display()));
        command.arg("host").arg(program.get_program());
        command.args(program.get_args());
        command
    }
}
