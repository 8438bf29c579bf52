//! Makes archives in odd forms.

use std::fs;

use rbootstrap::testing::archive::{date, now};
use rbootstrap::testing::tar::{compress, ending};
use rbootstrap::testing::{
    Algorithm, Compression, DebBuilder, FakeArchive, FakeSuite, digest, host_architecture,
};

use super::World;
use super::makers::{debs, edit, suite, without};

/// A package's stanza in an index, whose file is in the pool.
pub fn stanza(world: &World, deb: &DebBuilder) -> String {
    let path = format!("pool/{}", deb.file_name());
    let promise = world.other.place(&path, &deb.build());
    format!("{}{promise}\n", deb.stanza())
}

/// Publishes the suite `own` with a changed index.
pub fn with_index(world: &World, change: impl Fn(&str) -> String) {
    let mut text = String::new();
    for deb in debs() {
        text += &stanza(world, &deb);
    }
    let name = format!("main/binary-{}/Packages", host_architecture());
    world
        .other
        .publish_text(&suite("own"), &name, &change(&text));
}

/// As [`with_index`], with every line that begins so replaced; by nothing if `to` is empty.
pub fn with_lines(world: &World, field: &str, to: &str) {
    with_index(world, |text| {
        let mut changed = String::new();
        for line in text.split_inclusive('\n') {
            match line.strip_prefix(field) {
                Some(value) => changed += &to.replace("VALUE", value.trim()),
                None => changed += line,
            }
        }
        changed
    });
}

/// Publishes the suite `own` with packages at a path.
pub fn at_path(world: &World, filename: &str) {
    let deb = &debs()[1];
    let relative = filename.trim_start_matches('/');
    let promise = world.other.place(relative, &deb.build());
    let promise = promise.replace(relative, filename);
    let name = format!("main/binary-{}/Packages", host_architecture());
    let text = format!("{}{promise}\n", deb.stanza());
    world.other.publish_text(&suite("own"), &name, &text);
}

/// Publishes `own` with its index in one compression, made by `pack` of the index.
pub fn packed(world: &World, compression: Compression, pack: impl Fn(&[u8]) -> Vec<u8>) {
    let shape = FakeSuite {
        compressions: vec![compression],
        ..suite("own")
    };
    let mut text = String::new();
    for deb in debs() {
        text += &stanza(world, &deb);
    }
    let name = format!("main/binary-{}/Packages", host_architecture());
    world.other.publish_text(&shape, &name, &text);
    let name = format!("{name}{}", ending(compression));
    let path = world.other.root.join("dists/own").join(&name);
    let content = pack(text.as_bytes());
    let sum = digest(Algorithm::Sha256, &content).hexadecimal();
    fs::write(path, &content).unwrap();
    edit(world, |release| {
        let mut changed = String::new();
        for line in release.lines() {
            match line.ends_with(&name) {
                true => changed += &format!(" {sum} {} {name}\n", content.len()),
                false => changed += &format!("{line}\n"),
            }
        }
        changed
    });
}

/// Publishes `own` with bytes after the compressed index.
pub fn tailed(world: &World, compression: Compression, tail: &[u8]) {
    packed(world, compression, |text| {
        [&compress(compression, text), tail].concat()
    });
}

/// Publishes `own` with its index in one compression, and without a Release.
pub fn unreleased(world: &World, compression: Compression) {
    world.other.publish(&FakeSuite {
        compressions: vec![compression],
        ..suite("own")
    });
    for name in ["InRelease", "Release", "Release.gpg"] {
        fs::remove_file(world.other.root.join("dists/own").join(name)).unwrap();
    }
}

/// Publishes `own` unsigned, with a changed Release.
pub fn unsigned(world: &World, change: impl Fn(&str) -> String) {
    let shape = FakeSuite {
        signers: Some(Vec::new()),
        ..suite("own")
    };
    world.other.publish(&shape);
    let directory = world.other.root.join("dists/own");
    let release = fs::read_to_string(directory.join("Release")).unwrap();
    world.other.sign(&shape, &directory, &change(&release));
}

/// Publishes a suite whose Release has these names.
pub fn named(world: &World, directory: &str, name: &str, codename: &str) {
    world.other.publish(&FakeSuite {
        suite: name.to_owned(),
        codename: codename.to_owned(),
        ..suite(directory)
    });
}

/// Publishes `own` with this Date.
pub fn dated(world: &World, date: &str) {
    edit(world, |release| {
        format!("{}Date: {date}\n", without(release, "Date:"))
    });
}

/// Publishes packages for all architectures in an index of their own alone, with these fields.
pub fn all_alone(world: &World, fields: &str) {
    world.other.publish(&FakeSuite {
        architectures: Vec::new(),
        all_apart: true,
        ..suite("own")
    });
    edit(world, |release| {
        format!("{}{fields}", without(release, "Architectures:"))
    });
}

/// Publishes `own` below a directory that is named after the architecture.
pub fn below_architecture(world: &World) {
    let below = FakeArchive {
        root: world.other.root.join(host_architecture()),
        key: world.other.key.clone(),
    };
    below.publish(&suite("own"));
}

/// A flat archive in a directory, with its packages beside that.
pub fn flat_in(world: &World, directory: &str) {
    let mut text = String::new();
    for deb in debs() {
        text += &stanza(world, &deb);
    }
    let directory = world.other.root.join(directory);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("Packages"), &text).unwrap();
    let sum = digest(Algorithm::Sha256, text.as_bytes()).hexadecimal();
    let release = format!(
        "Origin: own\nSuite: {0}\nDate: {1}\nArchitectures: {0}\nSHA256:\n {sum} {2} Packages\n",
        host_architecture(),
        date(now() - 3600),
        text.len()
    );
    world.other.sign(&suite("own"), &directory, &release);
}
