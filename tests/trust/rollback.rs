//! A release that is older than one of an earlier run with the same cache.

mod sequence;

use crate::table;
use sequence::Sequence;
use sequence::Step::{
    self, ForgetKey, Publish, PublishOtherSuite, PublishSecond, PublishUndated, Refused,
    SpoilIndexes, SpoilMemory, Succeeds, Warned,
};

pub(super) use sequence::publish;

const ALLOWED: &[&str] = &["--allow-rollback"];
const UNCHECKED: &[&str] = &["--no-check-gpg"];
pub(super) const HINT: &str = "--allow-rollback";

fn one_mirror() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "newer",
            vec![Publish(0), Succeeds(&[]), Publish(1), Succeeds(&[])],
        ),
        (
            "the same",
            vec![Publish(0), Succeeds(&[]), Publish(0), Succeeds(&[])],
        ),
        (
            "older",
            vec![Publish(300), Succeeds(&[]), Publish(0), Refused(&[], HINT)],
        ),
        (
            "1970 first, then newer",
            vec![Publish(-20_240), Succeeds(&[]), Publish(0), Succeeds(&[])],
        ),
        (
            "1970 later",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(-20_240),
                Refused(&[], HINT),
            ],
        ),
        (
            "older, then again",
            vec![
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Refused(&[], HINT),
                Refused(&[], HINT),
                Publish(2),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn more_of_one_mirror() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "a step back from the newest of three",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Refused(&[], HINT),
            ],
        ),
        (
            "another suite's date does not count",
            vec![
                Publish(0),
                Succeeds(&[]),
                PublishOtherSuite(9),
                Warned(&[], "is of suite other"),
                Publish(1),
                Succeeds(&[]),
            ],
        ),
        (
            "older, allowed for one run",
            vec![
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Warned(ALLOWED, "an earlier run has used one dated"),
                Refused(&[], HINT),
            ],
        ),
        (
            "older, with a plan in the cache",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(1),
                Succeeds(&[]),
                Succeeds(&[]),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
        (
            "the same mirror with a slash",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Refused(&["MIRROR=URL/"], HINT),
            ],
        ),
    ]
}

fn what_else_changes() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "expiry does not matter",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Refused(&["--no-check-valid-until"], HINT),
            ],
        ),
        (
            "a cache that keeps nothing else",
            vec![
                Publish(1),
                Succeeds(&["--cache-max-size=0"]),
                Publish(0),
                Refused(&["--cache-max-size=0"], HINT),
            ],
        ),
        (
            "the newer one was of no use",
            vec![
                Publish(1),
                SpoilIndexes,
                Refused(&[], "does not match"),
                Publish(0),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn undated() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "no date, then a date",
            vec![PublishUndated(1), Succeeds(&[]), Publish(0), Succeeds(&[])],
        ),
        (
            "a date, then none",
            vec![
                Publish(0),
                Succeeds(&[]),
                PublishUndated(1),
                Refused(&[], "it has no date; an earlier run used a release dated"),
                Refused(&[], HINT),
            ],
        ),
        (
            "a date, then none, allowed for one run",
            vec![
                Publish(0),
                Succeeds(&[]),
                PublishUndated(1),
                Warned(ALLOWED, "has no date; an earlier run has used one dated"),
                Refused(&[], HINT),
            ],
        ),
    ]
}

fn what_is_the_same_source() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "another URL",
            vec![
                Publish(1),
                Succeeds(&[]),
                PublishSecond(0),
                Succeeds(&["MIRROR=SECOND"]),
            ],
        ),
        (
            "each URL for itself",
            vec![
                Publish(1),
                PublishSecond(3),
                Succeeds(&[]),
                Succeeds(&["MIRROR=SECOND"]),
                PublishSecond(2),
                Refused(&["MIRROR=SECOND"], HINT),
                Succeeds(&[]),
            ],
        ),
        (
            "another cache",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(&["--cache-dir=cache-2"]),
            ],
        ),
        (
            "no cache",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(&["--no-cache"]),
            ],
        ),
        (
            "a run without a cache is not remembered",
            vec![
                Publish(1),
                Succeeds(&["--no-cache"]),
                Publish(0),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn what_is_remembered() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "another host's key",
            vec![
                Publish(1),
                Succeeds(&[]),
                ForgetKey,
                Publish(0),
                Succeeds(&[]),
            ],
        ),
        (
            "a damaged memory",
            vec![
                Publish(1),
                Succeeds(&[]),
                SpoilMemory,
                Publish(0),
                Succeeds(&[]),
            ],
        ),
        (
            "a damaged memory is replaced",
            vec![
                Publish(1),
                Succeeds(&[]),
                SpoilMemory,
                Succeeds(&[]),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
    ]
}

fn mirrors_and_unsigned() -> Vec<(&'static str, Vec<Step>)> {
    let both: &[&str] = &["--mirror=SECOND"];
    vec![
        (
            "a lagging mirror before a good one",
            vec![
                Publish(1),
                PublishSecond(1),
                Succeeds(both),
                Publish(0),
                Succeeds(both),
            ],
        ),
        (
            "a lagging mirror behind a good one",
            vec![Publish(1), PublishSecond(0), Succeeds(both), Succeeds(both)],
        ),
        (
            "two lagging mirrors",
            vec![
                Publish(1),
                PublishSecond(1),
                Succeeds(both),
                Publish(0),
                PublishSecond(0),
                Refused(both, HINT),
            ],
        ),
        (
            "the second mirror's newer state counts for the source",
            vec![
                Publish(0),
                PublishSecond(1),
                SpoilIndexes,
                Succeeds(both),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
        (
            "an unchecked run is not remembered",
            vec![Publish(1), Succeeds(UNCHECKED), Publish(0), Succeeds(&[])],
        ),
        (
            "an unchecked run does not compare",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(UNCHECKED),
                Refused(&[], HINT),
            ],
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn older_releases() {
    let mut rows = one_mirror();
    rows.extend(more_of_one_mirror());
    rows.extend(what_else_changes());
    rows.extend(undated());
    rows.extend(what_is_the_same_source());
    rows.extend(what_is_remembered());
    rows.extend(mirrors_and_unsigned());
    let mut cases = Vec::new();
    for (name, steps) in rows {
        cases.push(Sequence { name, steps });
    }
    table::run("trust: rollback", 31, &cases);
}
