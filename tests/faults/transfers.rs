//! Transfers that break, stall, drip or resume, and files that are wrong at first.

use rbootstrap::testing::server::{Reply, Then};

use super::{Deb, Fault, Index, Release, bad, good, with};
use crate::table;

const ONE_TRY: &[&str] = &["--tries=1"];

/// The connection is lost at first, in this way.
macro_rules! lost_once {
    ($bytes:expr, $then:expr) => {
        |asked, content| match asked.before {
            0 => Reply::of(content).cut($bytes, $then),
            _ => Reply::of(content),
        }
    };
}

fn connections() -> Vec<Fault> {
    let lost = "the connection was lost";
    vec![
        good(
            "closed before an answer once",
            Release,
            |asked, content| match asked.before {
                0 => Reply::none(),
                _ => Reply::of(content),
            },
        ),
        good(
            "closed in the middle once",
            Release,
            lost_once!(99, Then::Close),
        ),
        good(
            "closed in the middle once",
            Index,
            lost_once!(9, Then::Close),
        ),
        good(
            "closed in the middle once",
            Deb,
            lost_once!(9999, Then::Close),
        ),
        good(
            "reset in the middle once",
            Deb,
            lost_once!(9999, Then::Reset),
        ),
        good("reset at once, once", Release, lost_once!(0, Then::Reset)),
        good("closed after each answer", Release, |_, content| {
            Reply::of(content).cut(content.len(), Then::Close)
        }),
        bad("closed before an answer", Release, (5, lost), |_, _| {
            Reply::none()
        }),
        bad("closed before an answer", Deb, (5, lost), |_, _| {
            Reply::none()
        }),
        bad("closed in the middle", Release, (5, lost), |_, content| {
            Reply::of(content).cut(99, Then::Close)
        }),
        bad("closed in the middle", Index, (5, lost), |_, content| {
            Reply::of(content).cut(9, Then::Close)
        }),
        bad("closed in the middle", Deb, (5, lost), |_, content| {
            Reply::of(content).cut(9999, Then::Close)
        }),
        bad("reset in the middle", Deb, (5, lost), |_, content| {
            Reply::of(content).cut(9999, Then::Reset)
        }),
    ]
}

fn slowness() -> Vec<Fault> {
    let silent = "no data for";
    vec![
        with(
            ONE_TRY,
            bad("no answer", Release, (5, silent), |_, content| Reply {
                raw_head: Some(Vec::new()),
                ..Reply::of(content).cut(0, Then::Hang)
            }),
        ),
        with(
            ONE_TRY,
            bad(
                "silent after its head",
                Release,
                (5, silent),
                |_, content| Reply::of(content).cut(0, Then::Hang),
            ),
        ),
        with(
            ONE_TRY,
            bad("silent in the middle", Index, (5, silent), |_, content| {
                Reply::of(content).cut(9, Then::Hang)
            }),
        ),
        with(
            ONE_TRY,
            bad("silent in the middle", Deb, (5, silent), |_, content| {
                Reply::of(content).cut(9999, Then::Hang)
            }),
        ),
        with(
            ONE_TRY,
            bad("silent before its end", Deb, (5, silent), |_, content| {
                Reply::of(content).cut(content.len() - 1, Then::Hang)
            }),
        ),
    ]
}

fn drips() -> Vec<Fault> {
    let silent = "no data for";
    let slow = "slower than 4096 bytes/s";
    let drip: super::Script = |_, _| Reply {
        length: Some(1_000_000),
        then: Then::Drip(50),
        ..Reply::of(b"-")
    };
    let drip_unsized: super::Script = |_, _| Reply {
        length: None,
        then: Then::Drip(50),
        ..Reply::of(b"-")
    };
    vec![
        good("silent once", Deb, lost_once!(9999, Then::Hang)),
        // 1,000 bytes a second, for ever.
        with(ONE_TRY, bad("a drip", Release, (5, slow), drip)),
        with(
            ONE_TRY,
            bad("a drip without a length", Release, (5, slow), drip_unsized),
        ),
        with(
            ONE_TRY,
            bad("a drip", Deb, (5, slow), |_, content| Reply {
                length: Some(content.len()),
                then: Then::Drip(50),
                ..Reply::of(b"-")
            }),
        ),
        with(
            &["--tries=1", "--min-speed=0"],
            bad(
                "a drip that is allowed",
                Release,
                (5, "not complete after 6 s"),
                drip_unsized,
            ),
        ),
        with(
            ONE_TRY,
            bad("a drip of headers", Release, (5, silent), |_, _| Reply {
                then: Then::Drip(13),
                ..Reply::raw("HTTP/1.1 200 OK\r\n", b"X-Header: a\r\n")
            }),
        ),
    ]
}

fn resumption() -> Vec<Fault> {
    vec![
        good("resumed by a tag", Deb, |asked, content| {
            match asked.before {
                0 => Reply::ranged(asked, content, "\"1\"").cut(9999, Then::Close),
                _ => Reply::ranged(asked, content, "\"1\""),
            }
        }),
        good("resumed by a time", Deb, |asked, content| {
            let reply = Reply::range(asked, content);
            let dated = reply.with("Last-Modified", "Sun, 01 Jun 2025 00:00:00 GMT");
            match asked.before {
                0 => dated.cut(9999, Then::Close),
                _ => dated,
            }
        }),
        good("a weak tag", Deb, |asked, content| match asked.before {
            0 => Reply::ranged(asked, content, "W/\"1\"").cut(9999, Then::Close),
            _ => Reply::of(content),
        }),
        good(
            "another version meanwhile",
            Deb,
            |asked, content| match asked.before {
                0 => Reply::ranged(asked, &vec![7; content.len()], "\"1\"").cut(9999, Then::Close),
                _ => Reply::ranged(asked, content, "\"2\""),
            },
        ),
    ]
}

fn wrong_parts() -> Vec<Fault> {
    vec![
        with(
            &["--tries=3"],
            good(
                "spliced from two versions",
                Deb,
                |asked, content| match asked.before {
                    0 => Reply::ranged(asked, &vec![7; content.len()], "\"1\"")
                        .cut(9999, Then::Close),
                    _ => Reply::ranged(asked, content, "\"1\""),
                },
            ),
        ),
        with(
            &["--tries=3"],
            good("416 for the rest", Deb, |asked, content| {
                match asked.before {
                    0 => Reply::ranged(asked, content, "\"1\"").cut(9999, Then::Close),
                    1 => Reply::status(416),
                    _ => Reply::of(content),
                }
            }),
        ),
        with(
            &["--tries=3"],
            good(
                "another part than requested",
                Deb,
                |asked, content| match asked.before {
                    0 => Reply::ranged(asked, content, "\"1\"").cut(9999, Then::Close),
                    1 => other_part(content, "bytes 5-9/10"),
                    _ => Reply::of(content),
                },
            ),
        ),
        with(
            &["--tries=3"],
            good(
                "a part that does not say which",
                Deb,
                |asked, content| match asked.before {
                    0 => Reply::ranged(asked, content, "\"1\"").cut(9999, Then::Close),
                    1 => other_part(content, "nonsense"),
                    _ => Reply::of(content),
                },
            ),
        ),
    ]
}

fn other_part(content: &[u8], range: &str) -> Reply {
    let reply = Reply {
        status: 206,
        ..Reply::of(&content[5..])
    };
    reply.with("Content-Range", range)
}

fn wrong_files() -> Vec<Fault> {
    const PAGE: &[u8] = b"<html>log in first</html>\n";
    let page_once: super::Script = |asked, content| match asked.before {
        0 => Reply::of(PAGE),
        _ => Reply::of(content),
    };
    let page: super::Script = |_, _| Reply::of(PAGE);
    let wrong_once: super::Script = |asked, content| match asked.before {
        0 => Reply::of(&vec![7; content.len()]),
        _ => Reply::of(content),
    };
    let wrong: super::Script = |_, content| Reply::of(&vec![7; content.len()]);
    vec![
        good("a login page once", Release, page_once),
        good("a login page once", Index, page_once),
        good("a login page once", Deb, page_once),
        bad("a login page", Release, (3, "no signature"), page),
        bad("a login page", Index, (3, "does not match"), page),
        bad("a login page", Deb, (3, "should have"), page),
        good("wrong bytes once", Index, wrong_once),
        good("wrong bytes once", Deb, wrong_once),
        bad("wrong bytes", Index, (3, "does not match"), wrong),
        bad("wrong bytes", Deb, (3, "should have"), wrong),
        good("nothing once", Release, |asked, content| {
            match asked.before {
                0 => Reply::of(b""),
                _ => Reply::of(content),
            }
        }),
        good("half of it once", Release, |asked, content| {
            match asked.before {
                0 => Reply::of(&content[..content.len() / 2]),
                _ => Reply::of(content),
            }
        }),
        with(
            ONE_TRY,
            bad("a page, one try", Release, (3, "no signature"), page_once),
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn broken_connections() {
    table::run("faults: connections", 13, &connections());
}

#[test]
#[ignore = "needs time"]
fn slow_transfers() {
    let mut rows = slowness();
    rows.extend(drips());
    table::run("faults: slow transfers", 11, &rows);
}

#[test]
#[ignore = "needs time"]
fn wrong_content() {
    let mut rows = resumption();
    rows.extend(wrong_parts());
    rows.extend(wrong_files());
    table::run("faults: wrong content", 21, &rows);
}
