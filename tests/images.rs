//! Images: a tar on standard output, in a file, beside a directory; the same bytes in every run.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::tree::{self, Times};
use rbootstrap::testing::{Compression, Integrity, decoder};

use crate::context::{TestContext, outcome};

/// The tar's paths in their order, with type, mode, owner and size.
fn listing(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let line = |entry: tar::Entry<'_, &[u8]>| {
        let header = entry.header();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = header.entry_type().as_byte() as char;
        format!(
            "{path} {kind} {:o} {}:{} {}",
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            entry.size()
        )
    };
    archive
        .entries()
        .unwrap()
        .map(|entry| line(entry.unwrap()))
        .collect()
}

#[test]
#[ignore = "needs root, dpkg"]
fn standard_output_gets_the_same_tree_as_a_tar() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let dash = context.run(["--variant=essential", "fake", "-", &url]).ok();
    let paths = listing(&dash.stdout);
    assert!(paths.len() > 100, "{paths:#?}");
    assert!(
        paths
            .iter()
            .all(|line| !line.starts_with('/') && !line.contains("..")),
        "{paths:#?}"
    );
    assert!(
        paths
            .iter()
            .all(|line| !line.contains("proc/") || line.contains("proc/ ")),
        "{paths:#?}"
    );
    context.assert_nothing_left();

    context.make(&["--variant=essential"]).ok();
    let unpacked = context.path("unpacked");
    fs::create_dir(&unpacked).unwrap();
    fs::write(context.path("image.tar"), &dash.stdout).unwrap();
    let mut extract = Command::new("tar");
    extract
        .args([
            "-xp",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "-f",
        ])
        .arg(context.path("image.tar"))
        .arg("-C")
        .arg(&unpacked);
    outcome(&mut extract).ok();
    let lines = |root: &Path| {
        tree::dump(root, Times::Left)
            .into_iter()
            .filter(|line| !line.contains(" /dev/"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tree::difference(&lines(&context.root()), &lines(&unpacked)),
        ""
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn no_target_is_standard_output() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let mut command = context.command();
    command
        .env("RBOOTSTRAP_MIRROR", &url)
        .args(["--variant=essential", "fake"]);
    let none = outcome(&mut command).ok();
    let dash = context.run(["--variant=essential", "fake", "-", &url]).ok();
    assert!(
        none.stdout == dash.stdout,
        "{} and {} bytes",
        none.stdout.len(),
        dash.stdout.len()
    );
}

#[test]
#[ignore = "needs root"]
fn the_ending_decides_the_compression() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    // A small tree: xz is slow on a large one.
    let small = [
        "--variant=extract",
        "--include=netbase,manual-pages",
        "fake",
    ];
    let plain = context
        .run(small.into_iter().chain(["-", &url]))
        .ok()
        .stdout;
    let rows = [
        ("a.tar", Compression::None),
        ("a.tar.gz", Compression::Gzip),
        ("a.tgz", Compression::Gzip),
        ("a.tar.xz", Compression::Xz),
        ("a.txz", Compression::Xz),
        ("a.tar.zst", Compression::Zstd),
    ];
    for (name, compression) in rows {
        let made = context.run(small.into_iter().chain([name, &url])).ok();
        assert!(made.stdout.is_empty(), "{name}");
        let bytes = fs::read(context.path(name)).unwrap();
        let mut decoded = Vec::new();
        decoder(compression, &bytes[..], Integrity::Unknown)
            .unwrap()
            .read_to_end(&mut decoded)
            .unwrap();
        assert!(decoded == plain, "{name} holds another tar");
        outcome(Command::new("tar").arg("-tf").arg(context.path(name))).ok();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tar_beside_the_directory_is_the_same_tar() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let alone = context
        .run(["--variant=essential", "fake", "-", &url])
        .ok()
        .stdout;
    let beside = context
        .make(&["--variant=essential", "--tar", "-"])
        .ok()
        .stdout;
    assert!(
        alone == beside,
        "{} and {} bytes",
        alone.len(),
        beside.len()
    );
    fs::remove_dir_all(context.root()).unwrap();
    let file = context.path("beside.tar");
    let quiet = context
        .make(&["--variant=essential", "--tar", file.to_str().unwrap()])
        .ok();
    assert!(quiet.stdout.is_empty());
    assert!(fs::read(file).unwrap() == alone);
    assert!(context.root().join("usr/bin/dpkg").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn format_overrides_the_ending() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    context
        .run([
            "--variant=essential",
            "--format=dir",
            "fake",
            "tree.tar",
            &url,
        ])
        .ok();
    assert!(context.path("tree.tar/usr/bin/dpkg").exists());
    context
        .run(["--variant=essential", "--format=tar", "fake", "image", &url])
        .ok();
    assert!(context.path("image").is_file());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_directory_alone_leaves_standard_output_empty() {
    let context = TestContext::new([]);
    let made = context.make(&["--variant=essential"]).ok();
    assert!(made.stdout.is_empty(), "{} bytes", made.stdout.len());
    assert!(made.stderr.contains("--tar -"), "{}", made.stderr);
}

#[test]
#[ignore = "needs root, dpkg"]
fn one_thread_and_eight_give_the_same_bytes() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    // xz is slow, so its tree is small.
    for (name, variant) in [
        ("-", "important"),
        ("image.tar.zst", "important"),
        ("image.tar.xz", "extract"),
    ] {
        let images = ["1", "3", "8"].map(|jobs| {
            let made = context
                .run([
                    "--jobs",
                    jobs,
                    "--downloads",
                    jobs,
                    "--variant",
                    variant,
                    "--include=hello",
                    "fake",
                    name,
                    &url,
                ])
                .ok();
            if name == "-" {
                made.stdout
            } else {
                fs::read(context.path(name)).unwrap()
            }
        });
        assert!(
            images[0] == images[1] && images[1] == images[2],
            "{name}: {:?}",
            images.map(|image| image.len())
        );
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_can_be_packed_later() {
    let context = TestContext::new([]);
    let root = context.root();
    let at_once = context
        .make(&["--variant=essential", "--tar", "-"])
        .ok()
        .stdout;
    let pack = context.command();
    // `pack` reads no archive, so it takes no keyring.
    let pack = |arguments: &[&str]| {
        let mut command = Command::new(pack.get_program());
        command
            .env("PATH", "/usr/bin:/bin")
            .arg("pack")
            .arg(&root)
            .args(arguments);
        outcome(
            command
                .current_dir(context.directory.path())
                .stdin(std::process::Stdio::null()),
        )
        .ok()
    };
    let later = pack(&[]).stdout;
    assert!(
        later == at_once,
        "{} and {} bytes",
        later.len(),
        at_once.len()
    );
    assert!(pack(&["-"]).stdout == at_once);
    pack(&["packed.tar.gz"]);
    let mut decoded = Vec::new();
    let bytes = fs::read(context.path("packed.tar.gz")).unwrap();
    decoder(Compression::Gzip, &bytes[..], Integrity::Unknown)
        .unwrap()
        .read_to_end(&mut decoded)
        .unwrap();
    assert!(decoded == at_once);
}
