//! Statuses, redirects and interim responses.

use rbootstrap::testing::server::{Reply, Then};

use super::{Deb, Fault, Index, Release, bad, good, with};
use crate::table;

/// Fails once with this status, then succeeds.
macro_rules! once {
    ($status:expr) => {
        |asked, content| match asked.before {
            0 => Reply::status($status),
            _ => Reply::of(content),
        }
    };
}

macro_rules! always {
    ($status:expr) => {
        |_, _| Reply::status($status)
    };
}

/// Leads to this place, from where the file is served.
macro_rules! redirect {
    ($status:expr, $to:expr) => {
        |asked, content| match asked.target.starts_with("/moved/") {
            true => Reply::of(content),
            false => Reply::status($status).with("Location", $to),
        }
    };
}

const MOVED: &str = "/moved/dists/fake/InRelease";

fn statuses() -> Vec<Fault> {
    vec![
        good("served", Release, |_, content| Reply::of(content)),
        good("404, but Release is there", Release, always!(404)),
        good("410, but Release is there", Release, always!(410)),
        bad("401", Release, (5, "401"), always!(401)),
        bad("403", Release, (5, "403"), always!(403)),
        bad("407", Release, (5, "407"), always!(407)),
        bad("451", Release, (5, "451"), always!(451)),
        bad("500", Release, (5, "500"), always!(500)),
        bad("501", Release, (5, "501"), always!(501)),
        bad("503", Release, (5, "503"), always!(503)),
        bad("599", Release, (5, "599"), always!(599)),
        bad("204", Release, (5, "204"), always!(204)),
        bad("205", Release, (5, "205"), always!(205)),
        bad("304", Release, (5, "304"), always!(304)),
        bad("300", Release, (5, "300"), always!(300)),
        bad(
            "206 that was not requested",
            Release,
            (5, "206"),
            always!(206),
        ),
        good("408 once", Release, once!(408)),
        good("425 once", Release, once!(425)),
        good("500 once", Release, once!(500)),
        good("502 once", Index, once!(502)),
        good("503 once", Deb, once!(503)),
        good("504 once", Deb, once!(504)),
        good("429 that asks to wait", Deb, |asked, content| {
            match asked.before {
                0 => Reply::status(429).with("Retry-After", "0"),
                _ => Reply::of(content),
            }
        }),
        good(
            "503 that asks to wait until a day",
            Deb,
            |asked, content| match asked.before {
                0 => Reply::status(503).with("Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"),
                _ => Reply::of(content),
            },
        ),
        bad("404", Index, (5, "404"), always!(404)),
        bad("404", Deb, (5, "404"), always!(404)),
        bad("403", Deb, (5, "403"), always!(403)),
    ]
}

fn redirects() -> Vec<Fault> {
    let refused = "a redirect is not followed";
    vec![
        good("301", Release, redirect!(301, MOVED)),
        good("302", Release, redirect!(302, MOVED)),
        good("303", Release, redirect!(303, MOVED)),
        good("307", Release, redirect!(307, MOVED)),
        good("308", Release, redirect!(308, MOVED)),
        good("a redirect to nowhere", Release, |_, _| {
            Reply::status(302).with("Location", "/no/such/file")
        }),
        bad(
            "a redirect without a place",
            Release,
            (5, "302"),
            always!(302),
        ),
        bad(
            "a redirect to an empty place",
            Release,
            (5, "too many"),
            |_, _| Reply::status(302).with("Location", ""),
        ),
        bad(
            "a redirect to itself",
            Release,
            (5, "too many"),
            |asked, _| Reply::status(302).with("Location", asked.target.clone()),
        ),
        bad(
            "redirects without end",
            Release,
            (5, "too many"),
            |asked, _| Reply::status(302).with("Location", format!("/moved{}", asked.target)),
        ),
        bad(
            "a redirect to file:",
            Release,
            (5, "a redirect is not followed"),
            |_, _| Reply::status(302).with("Location", "file:///etc/passwd"),
        ),
        bad("a redirect to ftp:", Deb, (5, refused), |_, _| {
            Reply::status(302).with("Location", "ftp://127.0.0.1/x")
        }),
        bad(
            "a redirect to a closed port",
            Deb,
            (5, "connection refused"),
            |_, _| Reply::status(302).with("Location", "http://127.0.0.1:1/x.deb"),
        ),
        bad("a redirect to no URL", Release, (5, "302"), |_, _| {
            Reply::status(302).with("Location", "http://[")
        }),
    ]
}

fn interim() -> Vec<Fault> {
    const HEAD: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    vec![
        good("100 before the answer", Release, |_, content| {
            let length = content.len();
            let head = format!("{HEAD}{HEAD}HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            Reply::raw(head, content)
        }),
        good("103 before the answer", Deb, |_, content| {
            let length = content.len();
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
            let head = format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            Reply::raw(head, content)
        }),
        bad("101", Release, (5, "101"), |_, _| {
            Reply::raw(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                b"",
            )
        }),
        with(
            &["--tries=1"],
            bad("100 without end", Release, (5, "no data"), |_, _| Reply {
                then: Then::Drip(HEAD.len()),
                ..Reply::raw("", HEAD.as_bytes())
            }),
        ),
        with(
            &["--tries=1"],
            bad("100 and nothing more", Release, (5, "no data"), |_, _| {
                Reply {
                    then: Then::Hang,
                    ..Reply::raw(HEAD, b"")
                }
            }),
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn statuses_and_redirects() {
    let mut rows = statuses();
    rows.extend(redirects());
    rows.extend(interim());
    table::run("faults: statuses", 46, &rows);
}
