//! The fake archive itself: apt and dpkg accept it as they accept a real one.

use std::process::Command;

use rbootstrap::testing::FakeSuite;

use crate::context::reference::{self, apt};
use crate::context::{TestContext, outcome, suite};

#[test]
#[ignore = "needs apt"]
fn apt_accepts_it() {
    let shapes = [
        suite([]),
        FakeSuite {
            inline: false,
            ..suite([])
        },
        FakeSuite {
            all_apart: true,
            ..suite([])
        },
    ];
    for shape in shapes {
        let context = TestContext::of(&shape);
        let update = apt(&context, &context.root(), &["update", "--error-on=any"]).ok();
        assert!(!update.stderr.contains("W:"), "{}", update.stderr);
        let plan = apt(
            &context,
            &context.root(),
            &["install", "-s", "hello", "apt"],
        )
        .ok()
        .text();
        for name in ["hello", "libhello1", "libc6", "apt"] {
            assert!(plan.contains(&format!("Inst {name} ")), "{name}: {plan}");
        }
    }
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn dpkg_and_apt_can_install_from_it() {
    let context = TestContext::new([]);
    reference::tree(&context, &context.root(), &["hello"]);
    let installed = context.installed();
    assert!(
        installed
            .iter()
            .all(|line| line.ends_with(" install ok installed")),
        "{installed:#?}"
    );
    assert_eq!(installed.len(), 10, "{installed:#?}");
    assert_eq!(
        outcome(
            Command::new("chroot")
                .arg(context.root())
                .arg("/usr/bin/hello")
        )
        .ok()
        .text(),
        "hello\n"
    );
    assert_eq!(context.line("bin"), "l 0777 0:0 ->usr/bin /bin");
    assert_eq!(
        context.line("etc/alternatives/awk"),
        "l 0777 0:0 ->/usr/bin/mawk /etc/alternatives/awk"
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn the_reference_is_reproducible() {
    let context = TestContext::new([]);
    let first = context.path("first");
    let second = context.path("second");
    reference::tree(&context, &first, &["hello"]);
    reference::tree(&context, &second, &["hello"]);
    assert_eq!(reference::difference(&first, &second), "");
}
