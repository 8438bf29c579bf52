//! What a second run takes from the cache, and what the cache keeps.

use std::fs;
use std::process::Stdio;

use rbootstrap::testing::{DebBuilder, tree};

use super::{ESSENTIAL, assert_same_bytes};
use crate::context::{TestContext, suite};

#[test]
fn download_only_fills_the_cache() {
    let context = TestContext::new([]);
    context.download(&[]).ok();
    context.assert_nothing_left();
    assert_eq!(context.mirror.debs().len(), ESSENTIAL.len() + 2);
    context.mirror.clear_log();
    context.download(&[]).ok();
    context.assert_no_deb_requested();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_second_run_fetches_no_package_and_gives_the_same_bytes() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let arguments = ["--include=hello", "fake", "-", &url];
    let first = context.run(arguments).ok().stdout;
    let mut debs = context.mirror.debs();
    let fetched = debs.len();
    debs.sort();
    debs.dedup();
    assert_eq!(debs.len(), fetched, "a package was fetched twice");
    context.mirror.clear_log();
    let second = context.run(arguments).ok().stdout;
    context.assert_no_deb_requested();
    assert_same_bytes(&first, &second);
}

#[test]
#[ignore = "needs root, dpkg"]
fn derived_files_give_the_same_bytes_and_are_checked() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let make = |options: &[&str]| {
        context.mirror.clear_log();
        context
            .run([&["--include=hello"], options, &["fake", "-", &url]].concat())
            .ok()
            .stdout
    };
    let derived = || tree::files(&context.path("cache/derived"));
    let slow = make(&["--no-cache", "--jobs=1"]);
    assert!(make(&[]) == slow);
    assert!(
        derived().len() > ESSENTIAL.len(),
        "packages, the index and the plan: {:?}",
        derived()
    );
    assert!(make(&[]) == slow);
    assert!(
        context
            .mirror
            .paths()
            .iter()
            .all(|path| path.ends_with("/InRelease")),
        "{:?}",
        context.mirror.paths()
    );
    // Damaged ones are made again from the downloads.
    for file in derived() {
        let mut content = fs::read(&file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&file, content).unwrap();
    }
    assert!(make(&[]) == slow);
    // Those of a host with another key do not count.
    fs::remove_dir_all(context.path("state")).unwrap();
    assert!(make(&[]) == slow);
    context.assert_no_deb_requested();
}

#[test]
#[ignore = "needs root"]
fn runs_at_once_share_a_cold_cache() {
    let context = TestContext::new([]);
    let mut runs = Vec::new();
    for number in 0..8 {
        let mut command = context.command();
        command.args(["--quiet", "--variant=extract", "fake"]);
        command.arg(context.path(&format!("tmp/{number}.tar")));
        command.arg(context.mirror.url());
        command.stderr(Stdio::piped());
        runs.push(command.spawn().unwrap());
    }
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
    }
    let first = fs::read(context.path("tmp/0.tar")).unwrap();
    for number in 1..8 {
        let tar = fs::read(context.path(&format!("tmp/{number}.tar"))).unwrap();
        assert_same_bytes(&first, &tar);
    }
}

#[test]
fn an_unchanged_archive_is_planned_without_its_index() {
    let context = TestContext::bare();
    let shape = |version: &str| suite([DebBuilder::new("one", version).field("Essential", "yes")]);
    context.archive.publish(&shape("1"));
    let plan = |options: &[&str]| {
        context.mirror.clear_log();
        context
            .make(&[&["--variant=essential", "--print-debs"], options].concat())
            .ok()
            .text()
    };
    let first = plan(&[]);
    fs::remove_dir_all(context.path("cache/SHA256")).unwrap();
    fs::remove_dir_all(context.path("cache/derived/index")).unwrap();
    assert_eq!(plan(&[]), first);
    assert!(
        context
            .mirror
            .paths()
            .iter()
            .all(|path| path.ends_with("/InRelease")),
        "{:?}",
        context.mirror.paths()
    );
    // Other options or a changed archive make it read the index again.
    assert_eq!(plan(&["--exclude=two"]), first);
    assert!(
        context
            .mirror
            .paths()
            .iter()
            .any(|path| path.contains("Packages") || path.contains("by-hash")),
        "{:?}",
        context.mirror.paths()
    );
    context.archive.publish(&shape("2"));
    assert_eq!(plan(&[]), first.replace("=1:", "=2:"));
    assert_eq!(plan(&[]), first.replace("=1:", "=2:"));
}

#[test]
fn the_cache_keeps_within_its_bound() {
    let context = TestContext::new([]);
    context
        .download(&["--cache-max-size=1K", "-v"])
        .ok()
        .names(&["the cache has", "were freed"]);
    let mut left = 0;
    tree::walk(&context.path("cache"), &mut |_, metadata| {
        left += if metadata.is_file() {
            metadata.len()
        } else {
            0
        }
    });
    assert!(left <= 1024, "{left} bytes");
    context
        .run(["--cache-max-size=many", "fake", "x"])
        .fails(2)
        .names(&["many", "not a size"]);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let context = TestContext::new([]);
    // The option overrides the environment, where the context sets a cache.
    context
        .print_debs(&["--variant=essential", "--no-cache"])
        .ok();
    assert!(!context.path("cache").exists());
    context.assert_nothing_besides_target();
}
