//! Two sources: which of them gives the package, as their Release files say.

use rbootstrap::testing::{DebBuilder, FakeSuite};

use super::makers::{edit, plain, suite, without};
use super::odd::with_lines;
use super::{Shape, World};

const BOTH: &str = "deb [signed-by={key}] {uri} own main\ndeb [signed-by={key}] {uri} older main";

pub fn shapes() -> Vec<Shape> {
    let mut shapes = flags();
    shapes.extend(releases());
    shapes
}

/// Publishes `own`, whose Release gets these fields, and `older` with an older version.
fn beside_older(world: &World, fields: &str, fields_of_older: &str) {
    let deb = DebBuilder::new("extra", "0.9").architecture("all");
    world.other.publish(&FakeSuite {
        packages: vec![("main".to_owned(), deb.into())],
        extra: fields_of_older.to_owned(),
        ..suite("older")
    });
    edit(world, |release| {
        format!("{}{fields}", without(release, "Version:"))
    });
}

fn flags() -> Vec<Shape> {
    vec![
        Shape::new("no flags", |w| beside_older(w, "", "")).from(BOTH),
        Shape::new("NotAutomatic: yes", |w| {
            beside_older(w, "NotAutomatic: yes\n", "")
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("NotAutomatic: TRUE", |w| {
            beside_older(w, "NotAutomatic: TRUE\n", "")
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("NotAutomatic: 1", |w| {
            beside_older(w, "NotAutomatic: 1\n", "")
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("NotAutomatic: with", |w| {
            beside_older(w, "NotAutomatic: with\n", "")
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("NotAutomatic: off", |w| {
            beside_older(w, "NotAutomatic: off\n", "")
        })
        .from(BOTH),
        Shape::new("ButAutomaticUpgrades alone", |w| {
            beside_older(w, "ButAutomaticUpgrades: yes\n", "")
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("1 and 100", |w| {
            let older = "NotAutomatic: yes\nButAutomaticUpgrades: on\n";
            beside_older(w, "NotAutomatic: yes\n", older);
        })
        .from(BOTH)
        .takes("0.9"),
        Shape::new("a phased update", |w| {
            with_lines(w, "Size:", "Size: VALUE\nPhased-Update-Percentage: 0\n")
        }),
    ]
}

fn releases() -> Vec<Shape> {
    fn versioned(world: &World) {
        beside_older(world, "NotAutomatic: yes\nVersion: 13.1\n", "");
    }
    vec![
        Shape::new("by version of the release", versioned)
            .from(BOTH)
            .asks("extra/13.1"),
        Shape::new("by the version's start", versioned)
            .from(BOTH)
            .asks("extra/13*"),
        Shape::new("by a part of the version", versioned)
            .from(BOTH)
            .asks("extra/13")
            .refused(),
        Shape::new("by suite", versioned)
            .from(BOTH)
            .asks("extra/own"),
        Shape::new("by label", plain).asks("extra/Fake").refused(),
    ]
}
