//! Staging: failures, and prefetched packages that the plan does not need.

use super::*;
use crate::report::{Event, Stage};

/// The first package is sound, and all others are broken.
fn one_sound(file: &PackageFile) -> Result<Deb, Error> {
    match file.deb.size {
        0 => read(&packed("a", vec![directory("./")]).bytes()),
        _ => Err(Error::Name {
            name: "broken".into(),
        }),
    }
}

/// A package whose name is its number.
fn numbered(number: usize) -> PackageFile {
    package_file(key(number), number)
}

fn key(number: usize) -> PackageKey {
    let version = crate::formats::version::Version::parse("1").unwrap();
    PackageKey::new(&number.to_string(), "all", &version)
}

fn start(world: &World, jobs: usize, report: Report) -> Staging<'_> {
    let options = staging::Options {
        source: Box::new(one_sound),
        rules: vec![],
        jobs,
    };
    Staging::start(&world.root, options, report).unwrap()
}

/// The failure that a thread reported.
#[track_caller]
fn failure(taken: Result<staging::Staged, Error>) -> String {
    match taken {
        Err(Error::InThread(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

const BROKEN: &str = "`broken` is not the name of a package and an architecture";

#[test]
#[ignore = "needs root"]
fn a_package_that_cannot_be_had_ends_it() {
    let world = World::new();
    for numbers in [[0, 1, 2], [1, 2, 0]] {
        let staging = start(&world, 1, Report::silent());
        let staged = staging.plan(numbers.map(numbered).into());
        assert_eq!(failure(staged.take(&key(2))), BROKEN);
    }
}

#[test]
#[ignore = "needs root"]
fn what_is_prefetched_and_not_needed_leaves_nothing() {
    let world = World::new();
    let (sender, staged) = std::sync::mpsc::channel();
    let report = Report::new(move |event| {
        if matches!(event, Event::Span { stage, .. } if stage == Stage::Decode) {
            sender.send(()).unwrap();
        }
    });
    let staging = start(&world, 2, report);
    let prefetcher = staging.prefetcher();
    // A sound one, and one that fails: neither is needed in the end.
    for number in 0..2 {
        prefetcher.stage(numbered(number));
    }
    for _ in 0..2 {
        staged.recv().unwrap();
    }
    staging.plan(vec![]);
    staging.finish().unwrap();
    let left = world.root.metadata(&RootPath::known(STAGING)).unwrap();
    assert_eq!(left.map(drop), None);
    assert!(world.text("a").is_none());
}

#[test]
#[ignore = "needs root"]
fn a_prefetch_that_failed_fails_for_good_when_it_is_needed() {
    let world = World::new();
    let staging = start(&world, 2, Report::silent());
    staging.prefetcher().stage(numbered(1));
    let staged = staging.plan(vec![numbered(0), numbered(1)]);
    assert_eq!(failure(staged.take(&key(1))), BROKEN);
}

#[test]
#[ignore = "needs root"]
fn another_file_of_the_same_package_replaces_a_prefetched_one() {
    let world = World::new();
    let staging = start(&world, 1, Report::silent());
    staging.prefetcher().stage(package_file(key(0), 1));
    let staged = staging.plan(vec![numbered(0)]);
    assert_eq!(staged.take(&key(0)).unwrap().key, key(0));
}

#[test]
#[ignore = "needs root"]
fn a_package_can_be_taken_once() {
    let world = World::new();
    let staging = start(&world, 1, Report::silent());
    let staged = staging.plan(vec![numbered(0)]);
    assert_eq!(staged.take(&key(0)).unwrap().key, key(0));
    for number in [0, 3] {
        let taken = staged.take(&key(number));
        assert!(matches!(taken, Err(Error::Stopped)), "{number}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_thread_that_panics_stops_staging() {
    let world = World::new();
    let options = staging::Options {
        source: Box::new(|_| panic!("a planted panic")),
        rules: vec![],
        jobs: 1,
    };
    let staging = Staging::start(&world.root, options, Report::silent()).unwrap();
    let staged = staging.plan(vec![numbered(0)]);
    assert!(matches!(staged.take(&key(0)), Err(Error::Stopped)));
}
