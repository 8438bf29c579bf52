//! The fake archive itself, held against the tools that real archives are held against: apt and dpkg.

use std::process::Command;

use crate::world::archive::Suite;
use crate::world::reference::{self, apt};
use crate::world::{World, outcome, suite};

#[test]
fn apt_takes_it() {
    let shapes = [
        suite([]),
        Suite {
            inline: false,
            ..suite([])
        },
        Suite {
            all_apart: true,
            ..suite([])
        },
    ];
    for shape in shapes {
        let Some(world) = World::of(&shape) else {
            return;
        };
        let update = apt(&world, &world.root(), &["update", "--error-on=any"]).ok();
        assert!(!update.stderr.contains("W:"), "{}", update.stderr);
        let plan = apt(&world, &world.root(), &["install", "-s", "hello", "apt"])
            .ok()
            .text();
        for name in ["hello", "libhello1", "libc6", "apt"] {
            assert!(plan.contains(&format!("Inst {name} ")), "{name}: {plan}");
        }
    }
}

#[test]
fn dpkg_and_apt_can_install_from_it() {
    let Some(world) = World::new([]) else { return };
    reference::tree(&world, &world.root(), &["hello"]);
    let installed = world.installed();
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
                .arg(world.root())
                .arg("/usr/bin/hello")
        )
        .ok()
        .text(),
        "hello\n"
    );
    assert_eq!(world.line("bin"), "l 0777 0:0 ->usr/bin /bin");
    assert_eq!(
        world.line("etc/alternatives/awk"),
        "l 0777 0:0 ->/usr/bin/mawk /etc/alternatives/awk"
    );
}

#[test]
fn the_same_course_gives_the_same_tree() {
    let Some(world) = World::new([]) else { return };
    let (first, second) = (world.path("first"), world.path("second"));
    reference::tree(&world, &first, &["hello"]);
    reference::tree(&world, &second, &["hello"]);
    assert_eq!(reference::difference(&first, &second), "");
}
