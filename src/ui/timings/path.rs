//! The critical path of a run: the chain of spans of which each had to end before the next could
//! begin.
//!
//! A span waits for the span before it of its own package, and for the last user of what it needs:
//! a thread that decodes, the thread that unpacks, dpkg. The one of these that ended last is its
//! predecessor on the path.

use serde::Serialize;

use crate::report::Stage;

use super::PageSpan;

/// A part of the critical path: a span, from the moment on which the end of the run waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct PathPart {
    /// The span's place in the list of all.
    pub(super) span: usize,
    /// In milliseconds since the run began.
    pub(super) from: f64,
}

/// The path through `spans`, in the order of time.
pub(super) fn critical(spans: &[PageSpan]) -> Vec<PathPart> {
    let mut path = Vec::new();
    let mut current = last_of(spans, |_| true);
    while let Some(number) = current {
        let span = &spans[number];
        current = last_of(spans, |other| precedes(&spans[other], span));
        let from = match current {
            Some(before) => span.from.max(spans[before].to),
            None => span.from,
        };
        path.push(PathPart { span: number, from });
    }
    path.reverse();
    path
}

/// The span that ended last among those that `is_candidate` accepts.
fn last_of(spans: &[PageSpan], is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
    let mut last: Option<usize> = None;
    for number in 0..spans.len() {
        if is_candidate(number) && last.is_none_or(|last| spans[last].to <= spans[number].to) {
            last = Some(number);
        }
    }
    last
}

/// Whether `after` may have waited for `before`. Of two spans of the same package, the earlier one
/// may end while the later one is in progress: a package is decoded while it is downloaded.
fn precedes(before: &PageSpan, after: &PageSpan) -> bool {
    use Stage::{Configure, Decode, Download, Indexes, Pack, Plan, Push, Unpack};
    let same = before.row == after.row;
    let is_needed = match after.stage {
        Indexes => before.stage == Indexes && is_release_of(&before.item, &after.item),
        Plan => before.stage == Indexes,
        Download => matches!(before.stage, Indexes | Plan | Download),
        Decode => {
            (before.stage == Download && same) || matches!(before.stage, Decode | Indexes | Plan)
        }
        Unpack => (before.stage == Decode && same) || matches!(before.stage, Unpack | Configure),
        Configure => matches!(before.stage, Unpack | Configure),
        Pack => matches!(before.stage, Unpack | Configure),
        Push => matches!(before.stage, Pack | Push),
    };
    let is_earlier_span =
        same && before.stage < after.stage && before.to < after.to && before.from <= after.from;
    is_needed && (before.to <= after.from || is_earlier_span)
}

/// Whether `release` is the release file (`trixie InRelease`) that lists `index`
/// (`trixie main/binary-amd64/Packages.xz`).
fn is_release_of(release: &str, index: &str) -> bool {
    release
        .strip_suffix("InRelease")
        .is_some_and(|suite| suite.ends_with(' ') && index.starts_with(suite) && index != release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(lines: &str) -> Vec<PageSpan> {
        let stage = |word: &str| match word {
            "index" => Stage::Indexes,
            "plan" => Stage::Plan,
            "download" => Stage::Download,
            "decode" => Stage::Decode,
            "unpack" => Stage::Unpack,
            "configure" => Stage::Configure,
            _ => Stage::Pack,
        };
        let span = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [word, row, from, to] = words[..] else {
                panic!("{line}")
            };
            PageSpan {
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
            .map(span)
            .collect()
    }

    #[test]
    fn the_path_is_what_the_end_of_the_run_waited_for() {
        let table = [
            (
                "the spans of one package",
                "download big 0 50\n download small 0 10\n decode small 10 20\n decode big 50 90\n \
                 configure big 96 100\n unpack big 90 95",
                "big 0, big 50, big 90, big 96",
            ),
            (
                "the last user of a thread",
                "download a 0 5\n download b 0 6\n decode a 5 40\n decode b 40 60",
                "a 0, a 5, b 40",
            ),
            (
                "not the download of another package",
                "download a 0 5\n decode a 5 10\n download z 0 9\n unpack a 10 20",
                "a 0, a 5, a 10",
            ),
            (
                "one dpkg at a time",
                "unpack a 0 5\n configure a 5 9\n unpack b 9 12\n configure b 13 20",
                "a 0, a 5, b 9, b 13",
            ),
            (
                "a package that is decoded while it is downloaded",
                "download a 0 50\n decode a 10 60\n unpack a 60 61",
                "a 0, a 50, a 60",
            ),
            (
                "the release file before an index",
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
            let spans = spans(lines);
            let path: Vec<String> = critical(&spans)
                .into_iter()
                .map(|part| format!("{} {}", spans[part.span].row, part.from))
                .collect();
            assert_eq!(path.join(", "), expected, "{what}");
        }
    }
}
