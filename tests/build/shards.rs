//! Machines that share the images of a table and nothing but a registry, and the examples of
//! docs/nightly.

use std::thread;

use rbootstrap::testing::registry::{Asks, FakeRegistry, refusal};

use crate::registry::Registry;

use super::*;

/// Six images that go to a registry, three of which have the package `helper`.
fn table(host: &str) -> String {
    let mut table = String::new();
    for (name, variant, include) in [
        ("plain", "essential", ""),
        ("tool", "essential", "'tool'"),
        ("user", "essential", "'user'"),
        ("bare-tool", "extract", "'tool'"),
        ("bare-helper", "extract", "'helper'"),
        ("bare-both", "scratch", "'tool', 'helper'"),
    ] {
        table += &format!(
            "[[images]]\nsuite = 'fake'\nname = '{name}'\nvariant = '{variant}'\n\
             include = [{include}]\npush = '{host}/images/{{name}}:1'\n"
        );
    }
    table
}

/// Three processes at once, each with a third of the images and with a new directory and cache.
fn three_machines(context: &TestContext, night: &str, host: &str) -> BTreeMap<String, String> {
    context.mirror.clear_log();
    let mut commands = Vec::new();
    for number in 1..=3 {
        let mut command = context.program();
        command.env(
            "RBOOTSTRAP_CACHE_DIR",
            context.path(&format!("cache-{night}-{number}")),
        );
        command
            .arg("build")
            .arg(format!("--output-dir={night}-{number}"));
        command.arg(format!("--shard={number}/3"));
        command.args(["--json", "--against", host, "images.toml"]);
        commands.push(command);
    }
    let mut states = BTreeMap::new();
    thread::scope(|scope| {
        let mut machines = Vec::new();
        for command in &mut commands {
            machines.push(scope.spawn(|| outcome(command).ok()));
        }
        for machine in machines {
            states.extend(super::states(&machine.join().unwrap()));
        }
    });
    assert_eq!(states.len(), 6);
    states
}

fn built(states: &BTreeMap<String, String>) -> Vec<&str> {
    let built = states.iter().filter(|(_, state)| *state == "built");
    built.map(|(name, _)| name.as_str()).collect()
}

#[test]
#[ignore = "needs root, dpkg, docker-registry"]
fn three_machines_share_images_and_only_the_registry() {
    let context = context("");
    let registry = Registry::start(&context.path("registry"));
    let host = registry.host();
    write(&context, &table(&host));
    let first = three_machines(&context, "first", &host);
    assert_eq!(built(&first).len(), 6, "{first:?}");
    let refs = fs::read_to_string(context.path("first-1/plain.refs")).unwrap();
    assert!(
        refs.starts_with(&format!("{host}/images/plain@sha256:")),
        "{refs}"
    );

    let second = three_machines(&context, "second", &host);
    assert_eq!(built(&second), Vec::<&str>::new());
    context.assert_no_deb_requested();

    context.archive.publish(&packages("2"));
    let third = three_machines(&context, "third", &host);
    assert_eq!(built(&third), ["bare-both", "bare-helper", "user"]);

    // All names are asked for.
    let further = format!("'{host}/images/{{name}}:1', '{host}/more/{{name}}:1'");
    let one = format!("push = '{host}/images/{{name}}:1'");
    let two = table(&host).replace(&one, &format!("push = [{further}]"));
    write(&context, &two);
    let fourth = three_machines(&context, "fourth", &host);
    assert_eq!(built(&fourth).len(), 6, "{fourth:?}");
}

/// Some registries deny access to a repository that a push would create.
#[test]
#[ignore = "needs root"]
fn a_denied_repository_is_one_without_the_image_if_it_gets_it() {
    let context = context("");
    let registry = FakeRegistry::start(Asks::Nothing, |asked, stored| {
        let is_absent = stored.manifests.is_empty() && asked.target.contains("/manifests/");
        (is_absent && asked.method != "PUT").then(|| refusal(403, "DENIED", "no such repository"))
    });
    let host = registry.host();
    let image = "[[images]]\nsuite = 'fake'\nname = 'a'\nvariant = 'extract'\n";
    let against = format!("--against={host}");
    // It does not get this one.
    write(&context, &format!("{image}tag = '{host}/team/a:1'\n"));
    let failed = build(&context, &[&against]).fails(5);
    failed.names(&[
        "cannot look up",
        "denies access (403): DENIED: no such repository",
    ]);

    write(&context, &format!("{image}push = '{host}/team/a:1'\n"));
    for state in ["built", "up-to-date"] {
        let made = build(&context, &["--json", &against]).ok();
        assert_eq!(super::states(&made)["a"], state);
    }
}

#[test]
fn an_image_without_a_registry_name_is_refused_with_against() {
    let context = context("[[images]]\nsuite = 'fake'\nname = 'a'\n");
    let refused = build(&context, &["--against=127.0.0.1:1"]);
    refused
        .fails(2)
        .names(&["the image a has no name in a registry"]);
}

/// The commands of the examples list the images of their table. `--list` is added to each.
#[test]
fn the_commands_of_the_examples_are_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nightly");
    let context = TestContext::bare();
    fs::copy(examples.join("images.toml"), context.path("images.toml")).unwrap();
    let mut commands = Vec::new();
    for entry in fs::read_dir(&examples).unwrap() {
        let path = entry.unwrap().path();
        let is_text = path
            .extension()
            .is_some_and(|ending| ending == "md" || ending == "toml");
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(at) = line.find("rbootstrap build ").filter(|_| !is_text) else {
                continue;
            };
            let line = &line[at + "rbootstrap build ".len()..];
            let line = line.split(" | ").next().unwrap_or_default();
            let line = line
                .replace("/etc/rbootstrap/", "")
                .replace("/config/", "")
                .replace("--list ", "")
                .replace("${{ matrix.image.name }}", "python");
            commands.push(line);
        }
    }
    commands.sort();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let program = assert_cmd::cargo::cargo_bin!("rbootstrap");
    for command in &commands {
        let mut shell = Command::new("sh");
        shell.current_dir(context.directory.path()).env_clear();
        shell
            .env("HOME", context.path("home"))
            .env("CI_REGISTRY", "registry.example")
            .env("CI_NODE_INDEX", "2")
            .env("CI_NODE_TOTAL", "3")
            .env("JOB_COMPLETION_INDEX", "0");
        shell.arg("-ec");
        let listed = outcome(shell.arg(format!("{} build --list {command}", program.display())));
        assert!(!listed.ok().text().is_empty(), "{command}");
    }
    println!("{} commands", commands.len());
}
