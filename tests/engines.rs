//! What container engines take: every form of an OCI image in every engine, run where the engine
//! can run it. Each test prints its row of the table engine × form.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::context::docker::Docker;
use crate::context::{Outcome, TestContext, outcome};
use crate::registry::Registry;

/// The forms of an image, each of the same tree.
const FORMS: [Form; 5] = [
    Form {
        name: "gz",
        archive: "gz.oci.tar",
        options: &[],
    },
    Form {
        name: "zstd",
        archive: "zstd.oci.tar",
        options: &["--compress=zstd"],
    },
    Form {
        name: "gz, attested",
        archive: "attested.oci.tar",
        options: &["--attest"],
    },
    Form {
        name: "two platforms",
        archive: "two.oci.tar",
        options: &[],
    },
    Form {
        name: "two platforms, zstd",
        archive: "two-zstd.oci.tar",
        options: &["--compress=zstd"],
    },
];

struct Form {
    name: &'static str,
    archive: &'static str,
    options: &'static [&'static str],
}

impl Form {
    fn is_zstd(&self) -> bool {
        self.name.contains("zstd")
    }

    fn has_two_platforms(&self) -> bool {
        self.name.starts_with("two")
    }

    /// Why umoci refuses the form: 0.4 knows neither zstd nor a choice of manifests.
    fn refusal_of_umoci(&self) -> Option<&'static str> {
        let has_index = self.has_two_platforms() || self.name.contains("attested");
        match (has_index, self.is_zstd()) {
            (true, _) => Some("ambiguous"),
            (false, true) => Some("mediatype"),
            (false, false) => None,
        }
    }

    /// The image's name: `localhost/gz:1`.
    fn tag(&self) -> String {
        format!("localhost/{}:1", self.archive.replace(".oci.tar", ""))
    }
}

/// Images of one essential tree in every form, as archives and as directories without `.oci.tar`.
struct Images {
    context: TestContext,
}

impl Images {
    fn new() -> Images {
        let context = TestContext::new([]);
        context.make(&["--variant=essential"]).ok();
        let images = Images { context };
        for form in &FORMS {
            let archive = images.path(form.archive);
            let tag = format!("--tag={}", form.tag());
            let pack = |arguments: &[&str]| {
                let mut command = images.context.program();
                command.args(["pack", &tag, "root"]).args(arguments);
                outcome(command.args(form.options)).ok();
            };
            let joined = |output: &str| {
                let mut command = images.context.program();
                command.args(["join", output, "host.oci.tar", "other.oci.tar"]);
                outcome(&mut command).ok();
            };
            let directory = form.archive.replace(".oci.tar", "");
            match form.has_two_platforms() {
                false => {
                    pack(&[archive.to_str().unwrap()]);
                    pack(&["--format=oci", &directory]);
                }
                true => {
                    pack(&["host.oci.tar"]);
                    pack(&["--arch=s390x", "other.oci.tar"]);
                    joined(form.archive);
                    joined(&directory);
                }
            }
        }
        images
    }

    fn path(&self, name: &str) -> PathBuf {
        self.context.path(name)
    }

    /// A command in the test's directory.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.context.directory.path())
            .stdin(Stdio::null());
        command.env("HOME", self.path("home"));
        command
    }

    /// Runs a command in the test's directory. Words are separated by blanks.
    fn run(&self, words: &str) -> Outcome {
        let mut words = words.split(' ');
        let mut command = self.command(words.next().unwrap());
        outcome(command.args(words))
    }

    /// The digest and the media type of the descriptor in index.json.
    fn top(&self, form: &Form) -> String {
        let directory = form.archive.replace(".oci.tar", "");
        let index = fs::read(self.path(&directory).join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }
}

/// A row of the table: each form with what the engine did.
struct Row {
    engine: &'static str,
    cells: Vec<String>,
}

impl Row {
    fn new(engine: &'static str) -> Row {
        Row {
            engine,
            cells: Vec::new(),
        }
    }

    fn add(&mut self, form: &Form, result: &str) {
        self.cells.push(format!("{}: {result}", form.name));
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        println!("{}: {}", self.engine, self.cells.join("; "));
        if !std::thread::panicking() {
            assert_eq!(self.cells.len(), FORMS.len(), "forms of {}", self.engine);
        }
    }
}

#[test]
#[ignore = "needs root, dpkg, docker"]
fn docker_loads_and_runs_every_form() {
    let images = Images::new();
    let docker = Docker::start();
    let mut row = Row::new("docker, classic store");
    for form in &FORMS {
        let load = |image: PathBuf| outcome(docker.command().arg("load").arg("-i").arg(image)).ok();
        load(images.path(form.archive));
        let printed = docker
            .run(&form.tag(), &["dpkg", "--print-architecture"])
            .ok()
            .text();
        assert_eq!(
            printed.trim(),
            rbootstrap::testing::host_architecture(),
            "{}",
            form.name
        );
        let configuration = docker
            .command()
            .args(["inspect", "-f", "{{.Config.Cmd}} {{.Os}}", &form.tag()])
            .output();
        assert_eq!(
            String::from_utf8_lossy(&configuration.unwrap().stdout).trim(),
            "[dash] linux"
        );
        row.add(form, "loaded, ran");
    }
}

#[test]
#[ignore = "needs root, dpkg, podman"]
fn podman_loads_every_form() {
    let images = Images::new();
    let mut row = Row::new("podman");
    for form in &FORMS {
        let at = "podman --root=podman/root --runroot=podman/run --tmpdir=podman/tmp --storage-driver=vfs";
        images.run(&format!("{at} load -i {}", form.archive)).ok();
        let found = images.run(&format!("{at} image inspect -f {{{{.Os}}}} {}", form.tag()));
        assert_eq!(found.ok().text().trim(), "linux", "{}", form.name);
        row.add(form, "loaded");
    }
}

#[test]
#[ignore = "needs root, dpkg, skopeo"]
fn skopeo_inspects_and_copies_every_form() {
    let images = Images::new();
    let mut row = Row::new("skopeo");
    for form in &FORMS {
        let directory = form.archive.replace(".oci.tar", "");
        for from in [
            format!("oci-archive:{}", form.archive),
            format!("oci:{directory}:1"),
        ] {
            let inspected = images.run(&format!("skopeo inspect {from}")).ok().text();
            assert!(inspected.contains("\"Os\": \"linux\""), "{inspected}");
            let to = images.path("copied");
            images
                .run(&format!(
                    "skopeo copy -q --all --preserve-digests {from} oci:copied:1"
                ))
                .ok();
            let copied = fs::read_to_string(to.join("index.json")).unwrap();
            assert!(
                copied.contains(&images.top(form)),
                "{}: {copied}",
                form.name
            );
            fs::remove_dir_all(to).unwrap();
        }
        row.add(form, "inspected, copied with its digest");
    }
}

#[test]
#[ignore = "needs root, dpkg, umoci, runc"]
fn umoci_unpacks_and_runc_runs_what_it_can() {
    let images = Images::new();
    let mut row = Row::new("umoci, runc");
    for form in &FORMS {
        let directory = form.archive.replace(".oci.tar", "");
        let unpacked = images.run(&format!(
            "umoci unpack --image {directory}:1 bundle-{directory}"
        ));
        if let Some(refusal) = form.refusal_of_umoci() {
            println!("{}: refused for {refusal}", form.name);
            unpacked.fails(1).names(&[refusal]);
            row.add(form, "refused by umoci");
            continue;
        }
        unpacked.ok();
        let bundle = images.path(&format!("bundle-{directory}"));
        let configuration = bundle.join("config.json");
        let text = fs::read(&configuration).unwrap();
        let mut parsed: serde_json::Value = serde_json::from_slice(&text).unwrap();
        parsed["process"]["terminal"] = false.into();
        parsed["process"]["args"] = serde_json::json!(["dpkg", "--print-architecture"]);
        fs::write(&configuration, parsed.to_string()).unwrap();
        let name = format!("rbootstrap-test-{}", std::process::id());
        let mut runc = images.command("runc");
        let root = images.path("runc");
        runc.arg("--root")
            .arg(root)
            .args(["run", "-b"])
            .arg(&bundle)
            .arg(name);
        let printed = outcome(&mut runc).ok().text();
        assert_eq!(printed.trim(), rbootstrap::testing::host_architecture());
        row.add(form, "unpacked, ran");
    }
}

#[test]
#[ignore = "needs root, dpkg, skopeo, docker-registry"]
fn a_registry_takes_every_form_with_its_digest() {
    let images = Images::new();
    let registry = Registry::start(&images.path("registry"));
    let mut row = Row::new("registry");
    for form in &FORMS {
        let to = form.tag().replace("localhost", &registry.host());
        let copy = format!(
            "skopeo copy -q --all --preserve-digests --dest-tls-verify=false oci-archive:{} docker://{to}",
            form.archive
        );
        images.run(&copy).ok();
        let raw = images
            .run(&format!(
                "skopeo inspect --raw --tls-verify=false docker://{to}"
            ))
            .ok()
            .stdout;
        let directory = images.path(&form.archive.replace(".oci.tar", ""));
        let blob = images.top(form).replace("sha256:", "blobs/sha256/");
        assert!(
            raw == fs::read(directory.join(blob)).unwrap(),
            "{}",
            form.name
        );
        row.add(form, "pushed with its digest");
    }
}
