//! The keys of a finished tree: its own apt can verify every source that the tree was made of, with
//! nothing of the host's.
//!
//! The host's apt runs in a mount namespace in which /etc/apt and /usr/share/keyrings are the
//! tree's. It reads the archives from the same loopback mirror.

mod cases;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rbootstrap::testing::key::ArchiveKey;
use rbootstrap::testing::{DebBuilder, FakeArchive, FakeSuite};

use crate::context::{Outcome, TestContext, outcome};
use crate::table::{self, Row};
use cases::{CASES, Case, TREE_PATH};

/// Where keyrings are written.
const KEYRINGS: [&str; 3] = [
    "etc/apt/keyrings",
    "etc/apt/trusted.gpg.d",
    "usr/share/keyrings",
];

/// Three archives: the archive's own key signs the suite `fake`, `vendor` the suite `more` below
/// /vendor, and `aged`, which the suite's file knows, the suite `old` below /old.
struct World {
    context: TestContext,
    vendor: FakeArchive,
}

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
        fs::create_dir(context.path("other")).unwrap();
        write("other/vendor.gpg", &aged.key.binary());
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
    /// The keyrings in the tree, sorted.
    fn keyrings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for above in KEYRINGS {
            if let Ok(entries) = fs::read_dir(self.root().join(above)) {
                for entry in entries {
                    let name = entry.unwrap().file_name();
                    found.push(format!("{above}/{}", name.display()));
                }
            }
        }
        found.sort();
        found
    }

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
        let fingerprint = world.vendor.key.fingerprint();
        let expected = self.expected.replace("{fingerprint}", &fingerprint);
        assert!(sources.contains(&expected), "{sources}");
        let mut files = self.files.to_vec();
        files.sort_unstable();
        assert_eq!(world.keyrings(), files);
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
        for above in KEYRINGS {
            let _ = fs::remove_dir_all(world.root().join(above));
        }
        assert_ne!(world.update().code, Some(0), "the keys are not needed");
    }
}

#[test]
#[ignore = "needs root, apt"]
fn the_trees_apt_can_verify_its_sources() {
    table::run("the tree's keys", 21, &CASES);
}
