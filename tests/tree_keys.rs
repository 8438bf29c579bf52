//! The keys of a finished tree: its own apt can verify every source that the tree was made of, with
//! nothing of the host's.
//!
//! The host's apt runs in a mount namespace in which /etc/apt and /usr/share/keyrings are the
//! tree's. It reads the archives from the same loopback mirror.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rbootstrap::testing::key::ArchiveKey;
use rbootstrap::testing::{DebBuilder, FakeArchive, FakeSuite};

use crate::context::{Outcome, TestContext, outcome};
use crate::table::{self, Row};

/// Three archives: the archive's own key signs the suite `fake`, `vendor` the suite `more` below
/// /vendor, and `aged`, which the suite's file knows, the suite `old` below /old.
struct World {
    context: TestContext,
    vendor: FakeArchive,
}

/// What a run is given, and what its tree has.
struct Case {
    name: &'static str,
    /// Whether the tree's sources are deb822.
    deb822: bool,
    /// The files of `--keyring`.
    keyrings: &'static [&'static str],
    /// A `--source`, with `{url}`, `{dir}`, `{fingerprint}` and `{inline}`; one with several lines
    /// is a file.
    source: &'static str,
    /// What the tree's sources contain.
    expected: &'static str,
    /// Keyrings that the tree has.
    files: &'static [&'static str],
}

const OWN: &[&str] = &["own.gpg"];
const TREE_PATH: &str = "usr/share/keyrings/fake-archive-keyring.gpg";
const OWN_FILE: &str = "etc/apt/keyrings/fake.gpg";
const OWN_TRUSTED: &str = "etc/apt/trusted.gpg.d/fake.gpg";

const CASES: [Case; 19] = [
    Case {
        name: "an own keyring in deb822",
        deb822: true,
        keyrings: OWN,
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an own keyring in lines",
        deb822: false,
        keyrings: OWN,
        source: "",
        expected: "deb http",
        files: &[OWN_TRUSTED],
    },
    Case {
        name: "an armored keyring",
        deb822: true,
        keyrings: &["own.asc"],
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an armored keyring called .gpg",
        deb822: false,
        keyrings: &["armored.gpg"],
        source: "",
        expected: "deb http",
        files: &[OWN_TRUSTED],
    },
    Case {
        name: "two keyrings, the second of which has signed",
        deb822: true,
        keyrings: &["vendor.asc", "own.gpg"],
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "a keyring with the key of the suite's file",
        deb822: true,
        keyrings: &["both.gpg"],
        source: "deb {url}/old old main",
        expected: "Suites: old\nComponents: main\nSigned-By: /usr/share/keyrings/fake-archive-keyring.gpg\n",
        files: &[OWN_FILE, TREE_PATH],
    },
    Case {
        name: "the keyring of a suite's file",
        deb822: true,
        keyrings: &[],
        source: "",
        expected: "Signed-By: /usr/share/keyrings/fake-archive-keyring.gpg\n",
        files: &[TREE_PATH],
    },
    Case {
        name: "the keyring of a suite's file, for sources in lines",
        deb822: false,
        keyrings: &[],
        source: "",
        expected: "deb http",
        files: &["etc/apt/trusted.gpg.d/fake-archive-keyring.gpg"],
    },
    Case {
        name: "signed-by a file of the host alone",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.gpg] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/vendor.gpg\n",
        files: &[OWN_FILE, "etc/apt/keyrings/vendor.gpg"],
    },
    Case {
        name: "signed-by an armored file, in lines",
        deb822: false,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.asc] {url}/vendor more main",
        expected: "signed-by=/etc/apt/keyrings/vendor.asc]",
        files: &[OWN_TRUSTED, "etc/apt/keyrings/vendor.asc"],
    },
    Case {
        name: "signed-by a file without an ending that apt knows",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.key] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/vendor.gpg\n",
        files: &[OWN_FILE, "etc/apt/keyrings/vendor.gpg"],
    },
    Case {
        name: "signed-by two files",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/own.gpg,{dir}/vendor.asc] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/own.gpg /etc/apt/keyrings/vendor.asc\n",
        files: &[
            OWN_FILE,
            "etc/apt/keyrings/own.gpg",
            "etc/apt/keyrings/vendor.asc",
        ],
    },
    Case {
        name: "signed-by a file and a fingerprint",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/both.gpg,{dir}/vendor.gpg,{fingerprint}] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/both.gpg /etc/apt/keyrings/vendor.gpg ",
        files: &[
            OWN_FILE,
            "etc/apt/keyrings/both.gpg",
            "etc/apt/keyrings/vendor.gpg",
        ],
    },
    Case {
        name: "an inline key",
        deb822: true,
        keyrings: OWN,
        source: "Types: deb\nURIs: {url}/vendor\nSuites: more\nComponents: main\nSigned-By:\n{inline}\n",
        expected: "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an inline key, for sources in lines",
        deb822: false,
        keyrings: OWN,
        source: "Types: deb\nURIs: {url}/vendor\nSuites: more\nComponents: main\nSigned-By:\n{inline}\n",
        expected: "[signed-by=/etc/apt/keyrings/127.0.0.1.gpg]",
        files: &[OWN_TRUSTED, "etc/apt/keyrings/127.0.0.1.gpg"],
    },
    Case {
        name: "a fingerprint among the own keys",
        deb822: true,
        keyrings: &["own.gpg", "vendor.asc"],
        source: "deb [signed-by={fingerprint}] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/127.0.0.1.gpg\n",
        files: &[OWN_FILE, "etc/apt/keyrings/127.0.0.1.gpg"],
    },
    Case {
        name: "no signed-by, and own keys",
        deb822: true,
        keyrings: &["own.gpg", "vendor.asc"],
        source: "deb {url}/vendor more main",
        expected: "Suites: more\nComponents: main\nSigned-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "a trusted source",
        deb822: true,
        keyrings: OWN,
        source: "deb [trusted=yes] {url}/vendor more main",
        expected: "Suites: more\nComponents: main\nTrusted: yes\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "one suite with another keyring",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/own.asc] {url} fake contrib",
        expected: "Components: contrib\nSigned-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
];

impl World {
    fn new(deb822: bool, has_own: bool) -> World {
        let context = TestContext::bare();
        let old = ArchiveKey::new("old");
        let own = context.archive.key.clone();
        let vendor = FakeArchive {
            root: context.archive.root.join("vendor"),
            key: Arc::new(ArchiveKey::new("vendor")),
        };
        let mut suite = FakeSuite::new("fake").with([DebBuilder::new("base", "1")]);
        suite = suite.component("contrib", [DebBuilder::new("contributed", "1")]);
        context.archive.publish(&suite);
        vendor.publish(&FakeSuite::new("more").with([DebBuilder::new("more", "1")]));
        let aged = FakeArchive {
            root: context.archive.root.join("old"),
            key: Arc::new(ArchiveKey::new("aged")),
        };
        aged.publish(&FakeSuite::new("old").with([DebBuilder::new("aged", "1")]));
        let write = |name: &str, content: &[u8]| fs::write(context.path(name), content).unwrap();
        write("own.gpg", &own.binary());
        write("own.asc", own.armored().as_bytes());
        write("armored.gpg", own.armored().as_bytes());
        write("both.gpg", &[own.binary(), aged.key.binary()].concat());
        write("old.gpg", &[old.binary(), aged.key.binary()].concat());
        write("vendor.gpg", &vendor.key.binary());
        write("vendor.asc", vendor.key.armored().as_bytes());
        write("vendor.key", vendor.key.armored().as_bytes());
        let world = World { context, vendor };
        world.write_suite_file(deb822, has_own);
        world
    }

    /// The suite's own keyring has the key that signed it unless the run gets another.
    fn write_suite_file(&self, deb822: bool, has_own: bool) {
        let keyring = self
            .context
            .path(if has_own { "old.gpg" } else { "own.gpg" });
        let text = format!(
            "distribution = \"fake\"\ncomponents = [\"main\"]\npockets = [\"release\"]\n\
             keyrings = [\"own\"]\nmerged_usr = \"shipped\"\ndeb822_sources = {deb822}\n\
             [archives.main]\nmirrors = [{{ uris = [\"{}\"] }}]\n\
             [pocket.release]\nsuite = \"{{codename}}\"\narchive = \"main\"\n\
             [keyring.own]\nfile = \"{}\"\ntree_path = \"/{TREE_PATH}\"\n\
             [[suites]]\ncodename = \"fake\"\n",
            self.context.mirror.url(),
            keyring.display()
        );
        let directory = self.context.path("home/.config/rbootstrap/suites");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("fake.toml"), text).unwrap();
    }

    /// A source with the names in braces filled in.
    fn fill(&self, source: &str) -> String {
        let mut inline = String::new();
        for line in self.vendor.key.armored().trim().lines() {
            let line = if line.is_empty() { "." } else { line };
            inline.push_str(&format!(" {line}\n"));
        }
        source
            .replace("{url}", &self.context.mirror.url())
            .replace(
                "{dir}",
                &self.context.directory.path().display().to_string(),
            )
            .replace("{fingerprint}", &self.vendor.key.fingerprint())
            .replace("{inline}", inline.trim_end())
    }

    fn make(&self, case: &Case) -> Outcome {
        let mut command = self.context.program();
        command.args(["--variant=extract", "--include=base"]);
        for keyring in case.keyrings {
            command.args(["--keyring", keyring]);
        }
        let source = self.fill(case.source);
        match source.contains('\n') {
            true => {
                fs::write(self.context.path("more.sources"), &source).unwrap();
                command.args(["--source", "more.sources"]);
            }
            false if source.is_empty() => {}
            false => {
                command.args(["--source", &source]);
            }
        }
        outcome(command.args(["fake", "root"]))
    }

    fn root(&self) -> PathBuf {
        self.context.root()
    }

    /// The tree's sources.
    fn sources(&self) -> String {
        let mut text = String::new();
        for path in [
            "etc/apt/sources.list",
            "etc/apt/sources.list.d/fake.sources",
        ] {
            text += &fs::read_to_string(self.root().join(path)).unwrap_or_default();
        }
        text
    }

    /// `apt-get update` with the tree's configuration, which fails if a source fails.
    fn update(&self) -> Outcome {
        let script = "mount --make-rprivate / &&
            mkdir -p $1/usr/share/keyrings &&
            mount --bind $1/etc/apt /etc/apt &&
            mount --bind $1/usr/share/keyrings /usr/share/keyrings &&
            mount -t tmpfs none /var/lib/apt/lists && mount -t tmpfs none /var/cache/apt &&
            mount -t tmpfs -o mode=1777 none /tmp && cd / &&
            exec apt-get update $2 -o Acquire::Languages=none 2>&1";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-ec", script, "sh"]);
        let mode = match self.sources().contains("Trusted: yes") {
            true => "-q",
            false => "-oAPT::Update::Error-Mode=any",
        };
        command.arg(self.root()).arg(mode).env_clear();
        outcome(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
    }
}

impl Row for Case {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let world = World::new(self.deb822, !self.keyrings.is_empty());
        world.make(self).ok();
        let sources = world.sources();
        assert!(sources.contains(self.expected), "{sources}");
        for file in self.files {
            let line = world.context.line(file);
            assert!(line.starts_with("f 0644 0:0"), "{file}: {line}");
        }
        let updated = world.update();
        let output = updated.text();
        // Of a trusted source apt says that nobody has signed it.
        let is_trusted = self.source.contains("trusted=yes");
        assert_eq!(output.contains("W:"), is_trusted, "{output}");
        assert!(!output.contains("E:"), "{output}");
        // Without the keys, the same apt refuses the same sources.
        for above in [
            "etc/apt/keyrings",
            "etc/apt/trusted.gpg.d",
            "usr/share/keyrings",
        ] {
            let _ = fs::remove_dir_all(world.root().join(above));
        }
        assert_ne!(world.update().code, Some(0), "the keys are not needed");
    }
}

#[test]
#[ignore = "needs root, apt"]
fn the_trees_apt_can_verify_its_sources() {
    table::run("the tree's keys", 19, &CASES);
}
