//! The host's dpkg unpacks the same packages: nobody can tell its tree from ours.

mod archives;
mod replaced;
mod scenarios;

use std::fs;
use std::process::{Command, Output};

use rbootstrap::testing::tar::{directory, entry, file, hard_link, symlink};
use rbootstrap::testing::unpacking::{Packed, World, packed};
use rbootstrap::testing::{fields, stanzas};

/// What is to be equal: the tree, and status with its stanzas and their fields sorted.
fn state(world: &World) -> Vec<String> {
    let mut state = Vec::new();
    for stanza in stanzas(&world.text("var/lib/dpkg/status").unwrap()) {
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in fields(stanza) {
            lines.push(format!("{name}: {value}"));
        }
        lines.sort();
        state.push(lines.join("\n"));
    }
    state.sort();
    for line in world.dump() {
        if !OWN
            .iter()
            .any(|own| line.contains(&format!(" /var/lib/dpkg/{own}")))
        {
            state.push(without_time(&line));
        }
    }
    state
}

/// What dpkg keeps for itself, as the beginning of a name.
const OWN: [&str; 7] = [
    "status",
    "available",
    "diversions-old",
    "statoverride-old",
    "arch-native",
    "parts",
    "updates",
];

/// The line of a file as it is, that of anything else without its time.
fn without_time(line: &str) -> String {
    if line.starts_with('f') {
        return line.to_owned();
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    words.remove(3);
    words.join(" ")
}

/// Has the host's dpkg unpack packages into a tree as one batch.
fn unpack_with_dpkg(world: &World, packages: &[Packed], options: &[&str]) -> Output {
    let debs = tempfile::tempdir().unwrap();
    let paths = packages.iter().enumerate().map(|(n, package)| {
        let path = debs.path().join(format!("{n}.deb"));
        fs::write(&path, package.bytes()).unwrap();
        path
    });
    let paths: Vec<_> = paths.collect();
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--root")
        .arg(world.path(""))
        .args(["--log=/dev/null", "--force-bad-path", "--force-depends"])
        .args(options);
    dpkg.arg("--unpack").args(paths).output().unwrap()
}

fn set_up(before: fn(&World)) -> World {
    let world = World::new().with_users();
    before(&world);
    world
}

#[test]
#[ignore = "needs root, dpkg"]
fn paths_are_left_out_as_by_dpkg() {
    let rules = [
        ("exclude", "/usr/doc/*"),
        ("include", "/usr/doc/*/copyright"),
        ("exclude", "/usr/[m-n]an/??/*"),
        ("exclude", "/usr/links/*"),
        ("include", "/usr/links/kept"),
    ];
    let mut data = vec![
        directory("./"),
        directory("./usr/"),
        directory("./usr/doc/"),
        directory("./usr/doc/a/"),
        directory("./usr/man/"),
    ];
    data.extend(["de", "fra"].iter().flat_map(|name| {
        [
            directory(format!("./usr/man/{name}/")),
            file(format!("./usr/man/{name}/x"), "m"),
        ]
    }));
    data.extend([
        file("./usr/doc/a/README", "readme"),
        file("./usr/doc/a/copyright", "c"),
        symlink("./usr/doc/a/link", "x"),
    ]);
    data.extend([
        directory("./usr/links/"),
        file("./usr/links/kept", "k"),
        file("./usr/links/gone", ""),
        entry("./usr/linked", b'6', 0o644),
    ]);
    let conffile = Packed(
        "conf",
        "",
        vec![("conffiles", "/usr/doc/conf\n/usr/links/kept2\n")],
        vec![file("./usr/doc/conf", "c")],
    );
    let packages = [
        packed("a", data.clone()),
        conffile,
        Packed(
            "sums",
            "X-No-Digests: yes\n",
            vec![],
            vec![file("./usr/doc/sums", "s")],
        ),
    ];
    let set_up = || World::with_rules(&rules).with_users();
    let ours = set_up();
    let theirs = set_up();
    ours.unpack(&packages).unwrap();
    let options = rules.map(|(word, pattern)| format!("--path-{word}={pattern}"));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = unpack_with_dpkg(&theirs, &packages, &options);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(state(&ours).join("\n"), state(&theirs).join("\n"));
    // dpkg stops at a hard link over a path that it has left out; here the file appears under the
    // link's name.
    data.push(hard_link("./usr/over", "./usr/doc/a/README"));
    let ours = set_up();
    let theirs = set_up();
    assert!(
        !unpack_with_dpkg(&theirs, &[packed("a", data.clone())], &options)
            .status
            .success()
    );
    ours.unpack(&[packed("a", data)]).unwrap();
    assert_eq!(ours.text("usr/over").unwrap(), "readme");
    assert!(
        !ours.path("usr/doc/a/README").exists()
            && ours.list("a").contains("/usr/doc/a/README\n/usr")
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn dpkg_cannot_tell() {
    let mut differences = Vec::new();
    for (what, before, packages) in scenarios::scenarios()
        .into_iter()
        .chain(replaced::scenarios())
    {
        let ours = set_up(before);
        ours.unpack(&packages)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        let theirs = set_up(before);
        let output = unpack_with_dpkg(&theirs, &packages, &[]);
        assert!(
            output.status.success(),
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let ours = state(&ours);
        let theirs = state(&theirs);
        differences.extend(
            ours.iter()
                .filter(|l| !theirs.contains(l))
                .map(|l| format!("{what}: ours: {l}")),
        );
        differences.extend(
            theirs
                .iter()
                .filter(|l| !ours.contains(l))
                .map(|l| format!("{what}: dpkg: {l}")),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
