//! What a run leaves: trees, caches and states without passwords.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::World;
use crate::context::outcome;
use crate::table::{self, Row};

/// No file of the tree, of the cache or of the state directory has a password, nor has any output;
/// unless the user asks for it.
#[test]
#[ignore = "needs root, dpkg"]
fn passwords_stay_out_of_the_tree() {
    let entry = "machine http://{host}:{port}/private login me password s3cret\n";
    let cases = [
        ("in the URL", "", "http://me:s3cret@{host}:{port}/private"),
        ("in auth.conf", entry, "http://{host}:{port}/private"),
    ];
    let mut ran = 0;
    for (name, auth, uri) in cases {
        for keeps in [false, true] {
            let world = World::new();
            let uri = world.fill(uri);
            let mut options = vec![
                "--variant=essential",
                "--apt-sources=used",
                "--progress=json",
                "--timings=timings.html",
                "--log=run.log",
                "-vv",
            ];
            if keeps {
                options.push("--keep-auth-conf");
            }
            let made = world.run(&options, &world.fill(auth), &uri).ok();
            made.has_no("s3cret");
            let context = &world.context;
            let kept = "etc/apt/auth.conf.d/rbootstrap.conf";
            let mut holding = Vec::new();
            for above in ["root", "cache", "state", "run.log", "timings.html"] {
                holding.extend(files_with(&context.path(above), "s3cret"));
            }
            let expected: &[&str] = if keeps { &[kept] } else { &[] };
            let names: Vec<String> = holding
                .iter()
                .map(|path| {
                    path.strip_prefix(context.root())
                        .unwrap_or(path)
                        .display()
                        .to_string()
                })
                .collect();
            assert_eq!(names, expected, "{name}");
            let list = context.read("etc/apt/sources.list");
            assert!(
                list.contains(&world.fill("http://{host}:{port}/private own")),
                "{list}"
            );
            if keeps {
                assert!(context.line(kept).starts_with("f 0600 0:0"));
                let text = context.read(kept);
                let written = world.apt(&text, &world.fill("http://{host}:{port}/private"));
                assert_eq!(written.code, Some(0), "{text}");
                made.names(&["can read it", kept]);
            } else {
                made.names(&["--keep-auth-conf"]);
            }
            ran += 1;
        }
    }
    println!("passwords and the tree: {ran} cases");
    assert_eq!(ran, 4);
}

/// A tree that names the mirror it was made of, by a run as debootstrap's or one for another
/// machine.
struct Named {
    name: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    /// A file of the tree that has the mirror without its login.
    naming: &'static str,
}

const NAMED: [Named; 4] = [
    Named {
        name: "a first stage",
        program: "rbootstrap",
        options: &["--foreign", "--variant=minbase"],
        naming: "debootstrap/mirror",
    },
    Named {
        name: "a first stage's packages",
        program: "rbootstrap",
        options: &["--foreign", "--variant=minbase"],
        naming: "debootstrap/deburis",
    },
    Named {
        name: "debootstrap's first stage",
        program: "debootstrap",
        options: &["--foreign", "--variant=minbase"],
        naming: "etc/apt/sources.list",
    },
    Named {
        name: "debootstrap's downloads",
        program: "debootstrap",
        options: &["--download-only", "--variant=minbase"],
        naming: "debootstrap/deburis",
    },
];

impl Row for Named {
    fn name(&self) -> String {
        format!("{}: {}", self.name, self.naming)
    }

    fn run(&self) {
        let world = World::new();
        let context = &world.context;
        let mut command = context.program();
        command.arg0(format!("/usr/sbin/{}", self.program));
        command.env("XDG_CACHE_HOME", context.path("cache"));
        command.env("XDG_STATE_HOME", context.path("state"));
        let keyring = context.path("keyring.gpg");
        command.arg(format!("--keyring={}", keyring.display()));
        command.args(self.options).arg("fake").arg(context.root());
        command.arg(world.fill("http://me:s3cret@{host}:{port}/private/"));
        let made = outcome(&mut command).ok();
        made.has_no("s3cret");
        for above in ["root", "cache", "state"] {
            let holding = files_with(&context.path(above), "s3cret");
            assert!(holding.is_empty(), "{holding:?}");
        }
        let text = context.read(self.naming);
        let mirror = world.fill("http://{host}:{port}/private");
        assert!(text.contains(&mirror), "{text}");
        if self.program == "debootstrap" {
            let place = world.fill("{host}:{port}_private_dists_fake_InRelease");
            let list = context.root().join("var/lib/apt/lists").join(place);
            let published = context.archive.root.join("dists/fake/InRelease");
            assert_eq!(fs::read(list).unwrap(), fs::read(published).unwrap());
            let mut asked = world.server.asked();
            asked.retain(|one| one.target.ends_with("/InRelease"));
            assert_eq!(asked.len(), 1, "the release is read once");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn mirrors_are_named_without_logins() {
    table::run("mirrors in trees", 4, &NAMED);
}

/// The files at or below a path that contain a word, and the paths that have it in their name.
fn files_with(path: &Path, word: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().contains(word) {
                found.push(entry.path());
            }
            if !entry.file_type().unwrap().is_symlink() {
                found.extend(files_with(&entry.path(), word));
            }
        }
    } else if path.is_file() {
        let content = fs::read(path).unwrap();
        let contains = content
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        found.extend(contains.then(|| path.to_owned()));
    }
    found
}
