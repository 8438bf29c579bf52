//! Each link of the chain of trust, damaged in turn: nothing after the damaged link is used, and
//! nothing is left.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rbootstrap::testing::archive::now;
use rbootstrap::testing::{
    ArchiveKey, DebBuilder, FakeSuite, MirrorFault, host_architecture, tree,
};

use crate::context::{Outcome, TestContext, outcome};

mod change;
mod framing;
mod indexes;
mod keyrings;
mod keys;
mod memory;
mod releases;
mod rollback;
mod several;
mod switches;

/// A context with this suite, and its directory `dists/fake`.
fn published(shape: &FakeSuite) -> (TestContext, PathBuf) {
    let context = TestContext::bare();
    context.archive.publish(shape);
    let directory = context.archive.root.join("dists/fake");
    (context, directory)
}

/// A suite with one essential package.
fn small() -> FakeSuite {
    FakeSuite::new("fake").with([DebBuilder::new("one", "1")
        .field("Essential", "yes")
        .field("Priority", "required")])
}

/// Plans the essential packages.
fn plan(context: &TestContext, options: &[&str]) -> Outcome {
    context.print_debs(&[&["--variant=essential"], options].concat())
}

/// As [`plan`], without a second try of anything.
fn quick_plan(context: &TestContext, options: &[&str]) -> Outcome {
    quick_plan_of(context, "fake", options)
}

/// As [`quick_plan`], of another suite.
fn quick_plan_of(context: &TestContext, suite: &str, options: &[&str]) -> Outcome {
    let mut command = context.command();
    command
        .args(["--print-debs", "--variant=essential"])
        .args(["--tries=1", "--mirror-wait=0"])
        .args(options)
        .arg(suite)
        .arg(context.root());
    outcome(command.arg(context.mirror.url()))
}

/// Asserts that a run fails for lack of trust, names these words and fetches no package.
#[track_caller]
fn refuses(context: &TestContext, options: &[&str], words: &[&str]) {
    quick_plan(context, options).fails(3).names(words);
    context.assert_no_deb_requested();
    context.assert_nothing_left();
}

#[test]
fn the_right_key_is_enough() {
    let (context, _) = published(&small());
    for name in ["keyring.gpg", "again.pgp", "again.asc"] {
        context.archive.keyring(&context.path(name));
        plan(&context, &["--keyring", name]).ok();
    }
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let stranger = Arc::new(ArchiveKey::new("A stranger <stranger@example.org>"));
    let (context, _) = published(&small());
    let signers = Some(vec![stranger, context.archive.key.clone()]);
    context.archive.publish(&FakeSuite {
        signers,
        inline: false,
        ..small()
    });
    plan(&context, &[]).ok();
}

#[test]
fn an_expired_key_is_not_enough() {
    let expired = Arc::new(ArchiveKey::expired("Gone <gone@example.org>"));
    let (context, _) = published(&FakeSuite {
        signers: Some(vec![expired.clone()]),
        ..small()
    });
    fs::write(context.path("keyring.gpg"), expired.binary()).unwrap();
    refuses(&context, &[], &["InRelease"]);
}

#[test]
fn no_signature_is_not_enough() {
    let (context, _) = published(&FakeSuite {
        signers: Some(vec![]),
        ..small()
    });
    quick_plan(&context, &[])
        .fails(3)
        .names(&["Release", "no signature"]);
    context.assert_nothing_left();
    plan(&context, &["--no-check-gpg"])
        .ok()
        .names(&["signature"]);
}

#[test]
fn unchecked_signatures_give_a_warning_and_digests_still_count() {
    let (context, directory) = published(&small());
    fs::write(
        context.path("keyring.gpg"),
        ArchiveKey::new("A stranger <stranger@example.org>").binary(),
    )
    .unwrap();
    plan(&context, &["--no-check-gpg"]).ok().names(&["warning"]);
    let text = fs::read_to_string(directory.join("Release")).unwrap();
    fs::write(
        directory.join("InRelease"),
        text.replace("SHA256:", "MD5Sum:"),
    )
    .unwrap();
    quick_plan(&context, &["--no-check-gpg"]).fails(3);
}

#[test]
fn a_changed_index_is_refused() {
    for by_hash in [true, false] {
        let (context, directory) = published(&FakeSuite { by_hash, ..small() });
        let binary = directory.join(format!("main/binary-{}", host_architecture()));
        for path in tree::files(&binary) {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        }
        refuses(&context, &[], &["Packages"]);
    }
}

#[test]
fn a_changed_package_is_refused() {
    let context = TestContext::new([]);
    let path = format!("hello_2.10-1_{}.deb", host_architecture());
    context.mirror.fault(&path, MirrorFault::Wrong);
    let options = ["--variant=essential", "--include=hello"];
    context
        .download(&[&options[..], &["--tries=2"]].concat())
        .fails(3)
        .names(&["hello", "2.10-1"]);
    context.assert_nothing_left();
    // The wrong file is not in the cache: the next run fetches it again.
    context.mirror.heal();
    context.download(&options).ok();
}

#[test]
fn a_damaged_cache_is_repaired() {
    let context = TestContext::new([]);
    context.download(&["--variant=essential"]).ok();
    for path in tree::files(&context.path("cache")) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        fs::write(path, bytes).unwrap();
    }
    context.mirror.clear_log();
    context.download(&["--variant=essential"]).ok();
    assert_eq!(
        context.mirror.debs().len(),
        8,
        "{:?}",
        context.mirror.debs()
    );
}

#[test]
fn expiry_is_all_that_is_relaxed() {
    let (context, _) = published(&FakeSuite {
        valid_until: Some(now() - 60),
        ..small()
    });
    fs::write(
        context.path("keyring.gpg"),
        ArchiveKey::new("A stranger <stranger@example.org>").binary(),
    )
    .unwrap();
    refuses(&context, &["--no-check-valid-until"], &["InRelease"]);
}

#[test]
fn files_that_are_not_keyrings() {
    let (context, _) = published(&small());
    fs::write(context.path("junk.gpg"), "no key").unwrap();
    fs::write(context.path("empty.gpg"), "").unwrap();
    for name in ["junk.gpg", "empty.gpg", "absent.gpg"] {
        let mut command = context.program();
        command.args(["--print-debs", "--keyring", name, "fake", "root"]);
        outcome(command.arg(context.mirror.url()))
            .fails(2)
            .names(&[name]);
    }
}

/// The archive that the other tests tamper with is good as it is.
#[test]
fn an_untouched_archive_is_accepted() {
    let (context, _) = published(&small());
    assert_eq!(plan(&context, &[]).ok().text().lines().count(), 1);
}
