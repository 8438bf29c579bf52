//! `rbootstrap pack` on a tree with every kind of file, read back with GNU tar.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::sample;
use rbootstrap::testing::tree::{self, Times};

use crate::context::{Outcome, TestContext, outcome};

fn pack(context: &TestContext, arguments: &[&str]) -> Outcome {
    let mut command = context.program();
    outcome(command.arg("pack").args(arguments))
}

/// A context whose root is the sample tree.
fn sampled() -> TestContext {
    let context = TestContext::bare();
    fs::create_dir(context.root()).unwrap();
    sample::make(&context.root(), 1_700_000_000, true);
    context
}

/// The lines of the paths that an archive has: not what is below `dev`, `proc` and `sys`, nor the
/// socket.
fn archived(root: &Path) -> Vec<String> {
    let mut lines = tree::dump(root, Times::Shown);
    lines.retain(|line| {
        ![" /dev/", " /proc/", " /sys/", " /srv/socket"]
            .iter()
            .any(|left_out| line.contains(left_out))
    });
    lines
}

#[test]
#[ignore = "needs root"]
fn gnu_tar_reads_back_what_was_packed() {
    let context = sampled();
    pack(&context, &["root", "archive/sample.tar"]).ok();
    let back = context.path("back");
    fs::create_dir(&back).unwrap();
    let mut extract = Command::new("tar");
    extract
        .args([
            "-xp",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "-f",
        ])
        .arg(context.path("archive/sample.tar"))
        .arg("-C")
        .arg(&back);
    outcome(&mut extract).ok();
    assert_eq!(
        tree::difference(&archived(&context.root()), &archived(&back)),
        ""
    );
    for directory in ["dev", "proc", "sys"] {
        assert_eq!(
            rbootstrap::testing::tree::names(&back.join(directory)),
            Vec::<String>::new(),
            "{directory}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn the_same_tree_gives_the_same_bytes() {
    let context = sampled();
    let first = pack(&context, &["root"]).ok().stdout;
    let second = pack(&context, &["--jobs=1", "root", "-"]).ok().stdout;
    assert!(first == second);
    // The names are sorted; on disk they were made backwards.
    let mut archive = ::tar::Archive::new(&first[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let path = entry.unwrap().path_bytes().into_owned();
        let path = path.strip_suffix(b"/").unwrap_or(&path);
        let parts: Vec<Vec<u8>> = path.split(|&byte| byte == b'/').map(Vec::from).collect();
        names.push(parts);
    }
    assert!(names.is_sorted());
    for compressed in ["sample.tar.xz", "sample.tar.zst", "sample.tar.gz"] {
        let images = ["1", "2", "8"].map(|jobs| {
            pack(&context, &["--jobs", jobs, "root", compressed]).ok();
            fs::read(context.path(compressed)).unwrap()
        });
        assert!(
            images[0] == images[1] && images[1] == images[2],
            "{compressed}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn the_tree_stays_as_it_was() {
    let context = sampled();
    let before = tree::dump(&context.root(), Times::Shown);
    pack(&context, &["root", "archive/sample.tar.zst"]).ok();
    assert_eq!(
        tree::difference(&before, &tree::dump(&context.root(), Times::Shown)),
        ""
    );
    context.assert_nothing_besides_target();
}

#[test]
fn what_is_no_tree_is_refused() {
    let context = TestContext::bare();
    pack(&context, &["no-such-tree"])
        .fails(6)
        .names(&["no-such-tree"]);
    pack(&context, &["keyring.gpg"])
        .fails(6)
        .names(&["keyring.gpg"]);
    fs::create_dir(context.root()).unwrap();
    pack(&context, &["root", "no/such/place.tar"])
        .fails(6)
        .names(&["no/such/place.tar"]);
    assert_eq!(fs::metadata(context.root()).unwrap().nlink(), 2);
    context.assert_nothing_besides_target();
}
