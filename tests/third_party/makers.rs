//! Makes archives in the shapes of other publishers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rbootstrap::testing::archive::{DATE, date, now};
use rbootstrap::testing::{Algorithm, Compression, DebBuilder, FakeSuite, host_architecture};

use super::World;
use crate::context::outcome;

/// Two versions of one package.
pub fn debs() -> [DebBuilder; 2] {
    ["1.0", "1.1"].map(|version| {
        let deb = DebBuilder::new("extra", version).architecture("all");
        deb.field("Section", "misc").field("Priority", "optional")
    })
}

pub fn suite(name: &str) -> FakeSuite {
    FakeSuite {
        compressions: vec![Compression::None, Compression::Gzip, Compression::Xz],
        by_hash: false,
        date: now() - 3600,
        ..FakeSuite::new(name).with(debs())
    }
}

pub fn plain(world: &World) {
    world.other.publish(&suite("own"));
}

/// Writes the packages to files of their own.
fn write_debs(world: &World) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for deb in debs() {
        let path = world.context.path(&deb.file_name());
        fs::write(&path, deb.build()).unwrap();
        paths.push(path);
    }
    paths
}

fn run(command: &mut Command) {
    outcome(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")).ok();
}

/// Signs the Release below a directory with the archive's key.
fn sign(world: &World, directory: &Path) {
    let release = fs::read_to_string(directory.join("Release")).unwrap();
    world.other.sign(&suite("own"), directory, &release);
}

pub fn reprepro(world: &World) {
    let root = &world.other.root;
    fs::create_dir_all(root.join("conf")).unwrap();
    let architecture = host_architecture();
    let text = format!(
        "Origin: Own\nLabel: Own\nSuite: stable\nCodename: own\nArchitectures: {architecture}\n\
         Components: main contrib\nDescription: packages of our own\n"
    );
    fs::write(root.join("conf/distributions"), text).unwrap();
    for path in write_debs(world) {
        let mut include = Command::new("reprepro");
        include.arg("-b").arg(root);
        run(include.args(["includedeb", "own"]).arg(path));
    }
    let mut links = Command::new("reprepro");
    run(links.arg("-b").arg(root).arg("createsymlinks"));
    sign(world, &root.join("dists/own"));
}

pub fn aptly(world: &World) {
    let home = world.context.path("aptly");
    let configuration = world.context.path("aptly.conf");
    let text = format!(
        "{{\"rootDir\": \"{}\", \"architectures\": [\"{}\"]}}",
        home.display(),
        host_architecture()
    );
    fs::write(&configuration, text).unwrap();
    let aptly = |arguments: &[&str]| {
        let mut command = Command::new("aptly");
        command.arg(format!("-config={}", configuration.display()));
        run(command.args(arguments));
    };
    aptly(&[
        "repo",
        "create",
        "-distribution=own",
        "-component=main",
        "own",
    ]);
    for path in write_debs(world) {
        aptly(&["repo", "add", "own", path.to_str().unwrap()]);
    }
    aptly(&["publish", "repo", "-skip-signing", "own"]);
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .arg(home.join("public/."))
        .arg(&world.other.root);
    run(&mut copy);
    sign(world, &world.other.root.join("dists/own"));
}

pub fn nexus(world: &World) {
    world.other.publish(&FakeSuite {
        architectures: Vec::new(),
        all_apart: true,
        ..suite("own")
    });
    // The signature would not cover the blank at the end.
    edit(world, |release| {
        release.replace("Architectures: all ", "Architectures: all")
    });
}

/// With a signature of its own: in InRelease, signatures do not cover such blanks.
pub fn blanks_at_ends(world: &World) {
    edit(world, |release| release.replace('\n', "  \n"));
    fs::remove_file(world.other.root.join("dists/own/InRelease")).unwrap();
}

pub fn s3(world: &World) {
    world.other.publish(&FakeSuite {
        extra: "Acquire-By-Hash: yes\n".to_owned(),
        ..suite("own")
    });
    let index = format!("dists/own/main/binary-{}/Packages.xz", host_architecture());
    fs::remove_file(world.other.root.join(index)).unwrap();
}

pub fn detached(world: &World) {
    world.other.publish(&FakeSuite {
        inline: false,
        ..suite("own")
    });
}

pub fn launchpad(world: &World) {
    world.other.publish(&FakeSuite {
        origin: "LP-PPA-own".to_owned(),
        ..suite("noble")
    });
    let index = format!("dists/noble/main/binary-{}/Packages", host_architecture());
    fs::remove_file(world.other.root.join(index)).unwrap();
}

pub fn flat(world: &World) {
    let mut text = String::new();
    for deb in debs() {
        let name = format!("./{}", deb.file_name());
        let promise = world.other.place(&deb.file_name(), &deb.build());
        let promise = promise.replace(&deb.file_name(), &name);
        text += &format!("{}{promise}\n", deb.stanza());
    }
    let root = &world.other.root;
    fs::write(root.join("Packages"), &text).unwrap();
    let digest = rbootstrap::testing::digest(Algorithm::Sha256, text.as_bytes()).hexadecimal();
    let release = format!(
        "Origin: own\nDate: {}\nArchitectures: {}\nSHA256:\n {digest} {} Packages\n",
        date(now() - 3600),
        host_architecture(),
        text.len()
    );
    world.other.sign(&suite("own"), root, &release);
}

pub fn pgdg(world: &World) {
    let suite = FakeSuite {
        by_hash: true,
        ..suite("trixie-pgdg")
    };
    let server = DebBuilder::new("server", "17").architecture("all");
    world.other.publish(&suite.component("17", [server]));
}

pub fn docker(world: &World) {
    let mut suite = suite("own");
    for (component, _) in &mut suite.packages {
        "stable".clone_into(component);
    }
    let nightly = DebBuilder::new("extra", "2.0~nightly").architecture("all");
    world.other.publish(&suite.component("nightly", [nightly]));
}

pub fn artifactory(world: &World) {
    without_by_hash(world);
    let directory = format!(
        "dists/own/main/binary-{}/by-hash/MD5Sum",
        host_architecture()
    );
    let directory = world.other.root.join(directory);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("0".repeat(32)), "").unwrap();
}

pub fn without_by_hash(world: &World) {
    world.other.publish(&FakeSuite {
        extra: "Acquire-By-Hash: yes\n".to_owned(),
        ..suite("own")
    });
}

pub fn lone(world: &World, compression: Compression) {
    world.other.publish(&FakeSuite {
        compressions: vec![compression],
        ..suite("own")
    });
    if compression != Compression::None {
        edit(world, |release| {
            let listed = |line: &&str| !line.ends_with("/Packages");
            let lines: Vec<&str> = release.lines().filter(listed).collect();
            lines.join("\n") + "\n"
        });
    }
}

pub fn other_names(world: &World) {
    world.other.publish(&FakeSuite {
        suite: "another".to_owned(),
        codename: "third".to_owned(),
        ..suite("own")
    });
}

pub fn no_names(world: &World) {
    edit(world, |release| {
        without(&without(release, "Suite:"), "Codename:")
    });
}

pub fn expired(world: &World) {
    world.other.publish(&FakeSuite {
        date: DATE,
        valid_until: Some(DATE + 86_400),
        ..suite("own")
    });
}

pub fn weak(world: &World) {
    edit(world, |release| release.replace("SHA256:", "MD5Sum:"));
}

/// Publishes the suite `own`, unless it is there, and signs its Release anew after a change.
pub fn edit(world: &World, change: impl Fn(&str) -> String) {
    let directory = world.other.root.join("dists/own");
    if !directory.exists() {
        plain(world);
    }
    let release = fs::read_to_string(directory.join("Release")).unwrap();
    world
        .other
        .sign(&suite("own"), &directory, &change(&release));
}

/// A Release without a field.
pub fn without(release: &str, field: &str) -> String {
    let lines = release.split_inclusive('\n');
    lines.filter(|line| !line.starts_with(field)).collect()
}
