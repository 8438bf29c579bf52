//! Packages that cost far more than they weigh, beside those of `compression`; and a signal while a
//! large one is decoded.

use rbootstrap::testing::tar::{directory, entry, file, tar};
use rbootstrap::testing::{Compression, DebBuilder, TarEntry};
use rustix::process::Signal;

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};
use crate::context::TestContext;
use crate::interrupt::{interrupted, start, within_a_minute};

fn packed(case: Case, entries: &[TarEntry]) -> Case {
    let data = rbootstrap::testing::tar::compress(Compression::Zstd, &tar(entries));
    case.data_member("data.tar.zst", &data)
}

fn of_many_entries() -> Vec<Case> {
    let mut directories = Vec::new();
    for number in 0..170_000 {
        directories.push(directory(format!("./{number}/")));
    }
    let mut headers = Vec::new();
    for _ in 0..170_000 {
        headers.push(entry("x", b'L', 0o644));
    }
    headers.push(file("./a", "x"));
    let mut names = Vec::new();
    for number in 0..5000 {
        names.push(file(format!("./{number}/{}", "d/".repeat(1900)), ""));
    }
    let mut owners = Vec::new();
    for number in 0..3000 {
        owners.push(file(format!("./{number}"), ""));
    }
    vec![
        packed(
            refused("of-170000-entries", "more entries than"),
            &directories,
        ),
        packed(refused("of-170000-headers", "more entries than"), &headers),
        packed(
            refused("of-19-megabytes-of-names", "more bytes of names than"),
            &names,
        ),
        packed(accepted("of-3000-files"), &owners),
    ]
}

#[test]
#[ignore = "needs root"]
fn packages_of_many_entries() {
    let canary = Canary::new();
    run("bombs", &["--variant=extract"], &canary, &of_many_entries());
}

/// A package that is as large as it says.
fn large() -> DebBuilder {
    DebBuilder::new("large", "1")
        .field("Installed-Size", "393216")
        .compressed(Compression::Gzip, Compression::Zstd)
        .file("usr/share/large", vec![0; 384 << 20])
}

#[test]
#[ignore = "needs root"]
fn a_signal_while_a_package_is_decoded() {
    let context = TestContext::new([large()]);
    let child = start(context.command().args([
        "--variant=extract",
        "--include=large",
        "fake",
        "root",
        &context.mirror.url(),
    ]));
    let staging = context.root().join("var/lib/dpkg/rbootstrap.tmp");
    let is_staging = || {
        let packages = std::fs::read_dir(&staging).into_iter().flatten().flatten();
        packages.count() > 0
    };
    assert!(within_a_minute(is_staging), "nothing was ever staged");
    interrupted(child, Signal::INT);
    context.assert_nothing_left();
}
