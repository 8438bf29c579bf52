//! What the end of a run waited for: the chain of steps of which each had to end before the next could.
//!
//! A step waits for the one before it of its own package, and for who held what it needs: a thread that decodes, the one that lays
//! files, dpkg. Of those, the one that ended last is what it waited for.

use crate::report::Stage;

use super::Timed;

/// The numbers of the steps in the order of time, and from when on each was what the end waited for, in milliseconds.
pub(super) fn critical(steps: &[Timed]) -> Vec<(usize, f64)> {
    let mut path = Vec::new();
    let mut current = (0..steps.len()).max_by(|&a, &b| steps[a].to.total_cmp(&steps[b].to));
    while let Some(number) = current {
        let step = &steps[number];
        let before =
            (0..steps.len()).filter(|&other| other != number && precedes(&steps[other], step));
        current = before.max_by(|&a, &b| steps[a].to.total_cmp(&steps[b].to));
        path.push((
            number,
            current.map_or(step.from, |before| step.from.max(steps[before].to)),
        ));
    }
    path.reverse();
    path
}

/// Whether `after` may have waited for `before`. Only a step of the same package may end while the later one is under way: a package
/// that is decoded as it comes in.
fn precedes(before: &Timed, after: &Timed) -> bool {
    use Stage::{Configure, Decode, Download, Indexes, Pack, Plan, Unpack};
    let same = before.row == after.row;
    let is_wanted = match after.stage {
        Indexes => before.stage == Indexes && is_release_of(&before.item, &after.item),
        Plan => before.stage == Indexes,
        Download => matches!(before.stage, Indexes | Plan | Download),
        Decode => {
            (before.stage == Download && same) || matches!(before.stage, Decode | Indexes | Plan)
        }
        Unpack => (before.stage == Decode && same) || matches!(before.stage, Unpack | Configure),
        Configure => matches!(before.stage, Unpack | Configure),
        Pack => matches!(before.stage, Unpack | Configure),
    };
    let is_earlier_step =
        same && before.stage < after.stage && before.to < after.to && before.from <= after.from;
    is_wanted && (before.to <= after.from || is_earlier_step)
}

/// Whether one item is `trixie InRelease`, and the other an index that it vouches for: `trixie main/binary-amd64/Packages.xz`.
fn is_release_of(release: &str, index: &str) -> bool {
    release
        .strip_suffix("InRelease")
        .is_some_and(|suite| suite.ends_with(' ') && index.starts_with(suite) && index != release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(lines: &str) -> Vec<Timed> {
        let stage = |word: &str| match word {
            "index" => Stage::Indexes,
            "plan" => Stage::Plan,
            "download" => Stage::Download,
            "decode" => Stage::Decode,
            "unpack" => Stage::Unpack,
            "configure" => Stage::Configure,
            _ => Stage::Pack,
        };
        let step = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [word, row, from, to] = words[..] else {
                panic!("{line}")
            };
            Timed {
                stage: stage(word),
                item: row.replace('_', " "),
                row: row.into(),
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
            }
        };
        lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(step)
            .collect()
    }

    #[test]
    fn the_chain_is_what_the_end_waited_for() {
        let table = [
            (
                "its own package's steps",
                "download big 0 50\n download small 0 10\n decode small 10 20\n decode big 50 90\n configure big 96 100\n unpack big 90 95",
                "big 0, big 50, big 90, big 96",
            ),
            (
                "a free thread",
                "download a 0 5\n download b 0 6\n decode a 5 40\n decode b 40 60",
                "a 0, a 5, b 40",
            ),
            (
                "not what another package downloads",
                "download a 0 5\n decode a 5 10\n download z 0 9\n unpack a 10 20",
                "a 0, a 5, a 10",
            ),
            (
                "dpkg's turn",
                "unpack a 0 5\n configure a 5 9\n unpack b 9 12\n configure b 13 20",
                "a 0, a 5, b 9, b 13",
            ),
            (
                "a package that is decoded as it comes in",
                "download a 0 50\n decode a 10 60\n unpack a 60 61",
                "a 0, a 50, a 60",
            ),
            (
                "its release before an index",
                "index t_InRelease 0 3\n index u_InRelease 0 4\n index t_main 4 7\n plan p 7 9",
                "t_InRelease 0, t_main 4, p 7",
            ),
            (
                "the index first",
                "index i 0 7\n plan p 7 9\n download a 9 12",
                "i 0, p 7, a 9",
            ),
            (
                "the image last",
                "unpack a 0 5\n configure a 5 9\n pack t 9 30",
                "a 0, a 5, t 9",
            ),
            ("nothing", "", ""),
        ];
        for (what, lines, expected) in table {
            let steps = steps(lines);
            let path: Vec<String> = critical(&steps)
                .into_iter()
                .map(|(n, from)| format!("{} {from}", steps[n].row))
                .collect();
            assert_eq!(path.join(", "), expected, "{what}");
        }
    }
}
