//! A key changes with each input, and with nothing else.

use crate::formats::digest::{Algorithm, digest};
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::formats::selections::Selections;
use crate::formats::version::Version;
use crate::tree::apt::{AptFile, Automatic};
use crate::tree::base::{Base, BaseKind};
use crate::tree::rootfs::RootPath;

use super::*;
use crate::tree::tidy::Kept;

fn package(name: &str, architecture: &str, version: &str) -> PackageKey {
    PackageKey::new(name, architecture, &Version::parse(version).unwrap())
}

fn preseed(files: &[&str]) -> Step {
    let mut known = std::collections::BTreeSet::new();
    let mut read = Vec::new();
    for text in files {
        read.push(Selections::read((*text).into(), &mut known).0);
    }
    Step::Preseed(Preseed { files: read })
}

fn steps() -> Vec<Step> {
    let packages = vec![package("a", "amd64", "1"), package("b", "all", "2")];
    vec![
        Step::Base(Base {
            architectures: vec!["amd64".into()],
            merged_usr: MergedUsr::Shipped,
            path_rules: Vec::new(),
            localtime: false,
            kind: BaseKind::Image,
        }),
        Step::Apt {
            files: vec![AptFile {
                path: RootPath::known("etc/apt/sources.list"),
                content: b"deb".to_vec(),
                mode: 0o644,
            }],
        },
        Step::Unpack {
            packages: packages.clone(),
            method: Method::Together,
        },
        Step::Configure {
            packages: packages.clone(),
            forced: true,
        },
        Step::Remove {
            packages: packages.clone(),
        },
        Step::Archives { packages },
        Step::Triggers,
        Step::Tidy {
            automatic: None,
            kept: Kept::default(),
        },
        preseed(&["a a/b string x\n"]),
    ]
}

fn circumstances() -> Circumstances {
    let mut digests = BTreeMap::new();
    for key in [package("a", "amd64", "1"), package("b", "all", "2")] {
        let digest = digest(Algorithm::Sha256, key.to_string().as_bytes());
        digests.insert(key, digest);
    }
    Circumstances {
        environment: vec![("PATH".into(), "/bin".into())],
        refused: 0,
        version: "1".into(),
        digests,
    }
}

/// The first step whose key differs; `None` where all are equal.
fn first_difference(steps: &[Step], circumstances: &Circumstances) -> Option<usize> {
    let known = keys(&self::steps(), &self::circumstances());
    let changed = keys(steps, circumstances);
    known.iter().zip(&changed).position(|(a, b)| a != b)
}

#[test]
fn equal_steps_have_equal_keys() {
    assert_eq!(first_difference(&steps(), &circumstances()), None);
    let mut more = circumstances();
    let other = package("c", "amd64", "1");
    let of_other = digest(Algorithm::Sha256, b"c");
    more.digests.insert(other, of_other);
    assert_eq!(first_difference(&steps(), &more), None, "an unused package");
}

#[test]
fn a_key_depends_on_all_steps_before_it() {
    let all = keys(&steps(), &circumstances());
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(keys(&steps()[..4], &circumstances()), all[..4]);
    let mut without_apt = steps();
    without_apt.remove(1);
    let shorter = keys(&without_apt, &circumstances());
    assert_eq!(shorter[0], all[0]);
    for (short, long) in shorter[1..].iter().zip(&all[2..]) {
        assert_ne!(short, long);
    }
}

#[test]
fn a_key_changes_with_each_field_of_its_step() {
    type Change = fn(&mut Vec<Step>);
    let table: [(usize, Change); 17] = [
        (0, |steps| {
            steps[0] = Step::Base(Base {
                architectures: vec!["amd64".into(), "i386".into()],
                merged_usr: MergedUsr::Shipped,
                path_rules: Vec::new(),
                localtime: false,
                kind: BaseKind::Image,
            });
        }),
        (0, |steps| {
            steps[0] = Step::Base(Base {
                architectures: vec!["amd64".into()],
                merged_usr: MergedUsr::No,
                path_rules: Vec::new(),
                localtime: false,
                kind: BaseKind::Image,
            });
        }),
        (0, |steps| {
            if let Step::Base(base) = &mut steps[0] {
                let rule = PathRule::new(PathRuleKind::Exclude, "/usr/share/man/*");
                base.path_rules.push(rule.unwrap());
            }
        }),
        (0, |steps| {
            if let Step::Base(base) = &mut steps[0] {
                base.localtime = true;
            }
        }),
        (1, |steps| {
            if let Step::Apt { files } = &mut steps[1] {
                files[0].content.push(b'\n');
            }
        }),
        (1, |steps| {
            if let Step::Apt { files } = &mut steps[1] {
                files[0].path = RootPath::known("etc/apt/other");
            }
        }),
        (2, |steps| {
            if let Step::Unpack { method, .. } = &mut steps[2] {
                *method = Method::InTurn;
            }
        }),
        (2, |steps| {
            if let Step::Unpack { packages, .. } = &mut steps[2] {
                packages.swap(0, 1);
            }
        }),
        (2, |steps| {
            if let Step::Unpack { packages, .. } = &mut steps[2] {
                packages[0] = package("a", "amd64", "2");
            }
        }),
        (2, |steps| {
            if let Step::Unpack { packages, .. } = &mut steps[2] {
                packages[0] = package("a", "i386", "1");
            }
        }),
        (3, |steps| {
            if let Step::Configure { forced, .. } = &mut steps[3] {
                *forced = false;
            }
        }),
        (4, |steps| {
            if let Step::Remove { packages } = &mut steps[4] {
                packages.pop();
            }
        }),
        (5, |steps| {
            steps.remove(5);
        }),
        (6, |steps| {
            steps[6] = Step::Tidy {
                kept: Kept::default(),
                automatic: Some(vec![]),
            };
        }),
        (6, |steps| {
            steps[6] = Step::Tidy {
                kept: Kept::default(),
                automatic: Some(vec![Automatic {
                    name: "a".into(),
                    architecture: "amd64".into(),
                }]),
            };
        }),
        (7, |steps| steps[7] = preseed(&["a a/b string y\n"])),
        (7, |steps| steps[7] = preseed(&["a a/b string", " x\n"])),
    ];
    for (row, (expected, change)) in table.into_iter().enumerate() {
        let mut changed = steps();
        change(&mut changed);
        let found = first_difference(&changed, &circumstances());
        assert_eq!(found, Some(expected), "row {row}");
    }
}

#[test]
fn a_key_changes_with_each_circumstance() {
    type Change = fn(&mut Circumstances);
    let table: [(usize, Change); 6] = [
        (0, |all| all.version = "2".into()),
        (0, |all| all.refused = 4),
        (0, |all| all.environment[0].1 = "/sbin".into()),
        (0, |all| all.environment[0].0 = "HOME".into()),
        (0, |all| all.environment.push(("A".into(), "".into()))),
        // A digest counts from the first step that names its package.
        (2, |all| {
            for (key, digest) in &mut all.digests {
                if key.name() == "b" {
                    *digest = crate::formats::digest::digest(Algorithm::Sha256, b"other");
                }
            }
        }),
    ];
    for (row, (expected, change)) in table.into_iter().enumerate() {
        let mut changed = circumstances();
        change(&mut changed);
        let found = first_difference(&steps(), &changed);
        assert_eq!(found, Some(expected), "row {row}");
    }
}

#[test]
fn a_key_is_shown_by_its_first_digits() {
    let hexadecimal = format!("0123456789abcd{}", "0".repeat(50));
    let digest = Digest::parse(Algorithm::Sha256, &hexadecimal).unwrap();
    assert_eq!(StepKey(digest).to_string(), "0123456789ab");
}
