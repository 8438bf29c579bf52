//! Suites as data: a file of the user's own makes a distribution that the program has never heard of.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use crate::world::archive::Suite;
use crate::world::deb::{Deb, Kind};
use crate::world::{Outcome, World, base, outcome};

/// The user's suite file; `more` goes to the suite's own entry.
fn write_suite_file(world: &World, more: &str) {
    let url = world.server.url();
    let keyring = world.path("keyring.gpg");
    let text = format!(
        r#"distribution = "fake"
components = ["main"]
pockets = ["release", "updates", "security"]
keyrings = ["own"]
merged_usr = "shipped"
deb822_sources = true

[archives.main]
mirrors = [{{ architectures = ["no-such-architecture"], uris = ["http://127.0.0.1:1"] }}, {{ uris = ["{url}"] }}]

[pocket.release]
suite = "{{codename}}"
archive = "main"

[pocket.updates]
suite = "{{codename}}-updates"
archive = "main"

[pocket.security]
suite = "{{codename}}-security"
archive = "main"

[keyring.own]
file = "{}"
tree_path = "/usr/share/keyrings/fake-archive-keyring.gpg"

[[suites]]
codename = "fake"
aliases = ["newest"]
version = "1"
{more}
"#,
        keyring.display()
    );
    let directory = world.path("home/.config/rbootstrap/suites");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("fake.toml"), text).unwrap();
}

/// Runs the program as a user with that file does: neither keyring nor mirror named.
fn run(world: &World, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(world.command().get_program());
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", world.path("home"))
        .env("XDG_CONFIG_HOME", world.path("home/.config"));
    command
        .env("TMPDIR", world.path("tmp"))
        .env("RBOOTSTRAP_CACHE_DIR", world.path("cache"))
        .current_dir(world.directory.path());
    outcome(command.args(arguments))
}

/// A world with three pockets: `netbase` is newer in security, `news` only in updates.
fn three_pockets() -> Option<World> {
    let world = World::new([])?;
    world.archive.publish(
        &Suite::new("fake-updates").with([Deb::new("news", "1").file("usr/share/news", "x")]),
    );
    world.archive.publish(
        &Suite::new("fake-security")
            .with([Deb::new("netbase", "6.4+deb1u1").field("Priority", "important")]),
    );
    Some(world)
}

#[test]
fn all_pockets_are_resolved_together() {
    let Some(world) = three_pockets() else { return };
    write_suite_file(&world, "");
    for name in ["fake", "newest"] {
        let printed = run(&world, &["--print-debs", "--include=news", name, "root"])
            .ok()
            .text();
        assert!(
            printed.contains("netbase=6.4+deb1u1:") && printed.contains("news=1:"),
            "{name}: {printed}"
        );
    }
    let printed = run(&world, &["--print-debs", "--no-pockets", "fake", "root"])
        .ok()
        .text();
    assert!(printed.contains("netbase=6.4:"), "{printed}");
    run(
        &world,
        &[
            "--print-debs",
            "--no-pockets",
            "--include=news",
            "fake",
            "root",
        ],
    )
    .fails(4)
    .names(&["news"]);
}

#[test]
fn a_mirror_on_the_command_line_is_the_release_pocket_alone() {
    let Some(world) = three_pockets() else { return };
    write_suite_file(&world, "");
    let printed = run(
        &world,
        &["--print-debs", "fake", "root", &world.server.url()],
    )
    .ok()
    .text();
    assert!(printed.contains("netbase=6.4:"), "{printed}");
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.contains("fake-")),
        "{:?}",
        world.server.paths()
    );
}

#[test]
fn a_pocket_that_fails_is_named() {
    let Some(world) = three_pockets() else { return };
    write_suite_file(&world, "");
    fs::remove_dir_all(world.archive.root.join("dists/fake-security")).unwrap();
    run(&world, &["fake", "root"])
        .fails(5)
        .names(&["fake-security"]);
    world.assert_nothing_left();
}

#[test]
fn the_tree_has_the_same_sources() {
    let Some(world) = three_pockets() else { return };
    write_suite_file(&world, "");
    run(&world, &["fake", "root"]).ok();
    let sources = fs::read_dir(world.root().join("etc/apt/sources.list.d"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let text: String = sources
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for thing in [
        &world.server.url()[..],
        "fake-updates",
        "fake-security",
        "Signed-By: /usr/share/keyrings/fake-archive-keyring.gpg",
    ] {
        assert!(text.contains(thing), "{thing}: {text}");
    }
    assert!(
        world
            .line("etc/apt/sources.list.d")
            .starts_with("d 0755 0:0")
    );
}

#[test]
fn an_older_apt_gets_the_older_form() {
    let Some(world) = three_pockets() else { return };
    write_suite_file(&world, "deb822_sources = false");
    run(&world, &["fake", "root"]).ok();
    let list = world.read("etc/apt/sources.list");
    assert_eq!(
        list.lines().filter(|line| line.starts_with("deb ")).count(),
        3,
        "{list}"
    );
}

#[test]
fn links_of_a_merged_usr_are_made_where_no_package_has_them() {
    let base = base::base().into_iter().map(|deb| {
        let mut deb = Deb::clone(&deb);
        if deb.name == "base-files" {
            deb.entries.retain(|entry| {
                !matches!(entry.kind, Kind::Symlink(_)) || entry.path.contains(&b'/')
            });
        }
        Arc::new(deb)
    });
    let Some(world) = World::of(&Suite::new("fake").with(base)) else {
        return;
    };
    write_suite_file(
        &world,
        "merged_usr = \"made-first\"\npockets = [\"release\"]",
    );
    run(&world, &["fake", "root"]).ok();
    for name in ["bin", "lib", "sbin"] {
        assert_eq!(world.line(name), format!("l 0777 0:0 ->usr/{name} /{name}"));
    }
    assert!(
        world
            .installed()
            .iter()
            .all(|line| line.ends_with("install ok installed"))
    );
}

#[test]
fn own_suites_are_listed() {
    let world = World::bare();
    write_suite_file(&world, "");
    let listed = run(&world, &["suites"]).ok().text();
    assert!(
        listed.contains("fake") && listed.contains("newest") && listed.contains("trixie"),
        "{listed}"
    );
}

#[test]
fn a_suite_file_that_is_wrong_is_named() {
    let world = World::bare();
    write_suite_file(&world, "merged_usr = \"perhaps\"");
    run(&world, &["fake", "root"])
        .fails(2)
        .names(&["fake.toml"]);
    world.assert_nothing_left();
}
