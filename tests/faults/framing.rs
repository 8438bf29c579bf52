//! Lengths, chunks and headers.

use rbootstrap::testing::server::{Reply, Then};

use super::{Deb, Fault, Index, Release, bad, good};
use crate::table;

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A head with these lines, and then the file.
fn lines(lines: &str, content: &[u8]) -> Reply {
    Reply::raw(format!("{OK}{lines}\r\n"), content)
}

/// A head with the right length and these lines, and then the file.
fn sized(more: &str, content: &[u8]) -> Reply {
    let length = content.len();
    lines(&format!("Content-Length: {length}\r\n{more}"), content)
}

fn lengths() -> Vec<Fault> {
    let lost = "the connection was lost";
    vec![
        good("no length", Release, |_, content| lines("", content)),
        good("no length", Deb, |_, content| lines("", content)),
        bad(
            "a length beyond the end",
            Release,
            (5, lost),
            |_, content| {
                lines(
                    &format!("Content-Length: {}\r\n", content.len() + 9),
                    content,
                )
            },
        ),
        bad(
            "a length before the end",
            Release,
            (3, "does not end"),
            |_, content| {
                lines(
                    &format!("Content-Length: {}\r\n", content.len() - 99),
                    content,
                )
            },
        ),
        bad(
            "the length 0",
            Release,
            (3, "no signature"),
            |_, content| lines("Content-Length: 0\r\n", content),
        ),
        bad(
            "a length of 10 GB",
            Release,
            (5, "more than"),
            |_, content| lines("Content-Length: 10000000000\r\n", content),
        ),
        bad(
            "a length of 10 GB",
            Deb,
            (3, "should have"),
            |_, content| lines("Content-Length: 10000000000\r\n", content),
        ),
        bad(
            "a length beyond 64 bits",
            Release,
            (5, lost),
            |_, content| lines("Content-Length: 99999999999999999999\r\n", content),
        ),
    ]
}

fn bad_lengths() -> Vec<Fault> {
    let lost = "the connection was lost";
    vec![
        bad("a length below 0", Release, (5, lost), |_, content| {
            lines("Content-Length: -1\r\n", content)
        }),
        bad("a length in words", Release, (5, lost), |_, content| {
            lines("Content-Length: many\r\n", content)
        }),
        bad(
            "two lengths that differ",
            Release,
            (5, lost),
            |_, content| sized("Content-Length: 5\r\n", content),
        ),
        good("two equal lengths", Release, |_, content| {
            sized(&format!("Content-Length: {}\r\n", content.len()), content)
        }),
    ]
}

fn wrong_lengths() -> Vec<Fault> {
    vec![
        bad("a byte less", Deb, (3, "should have"), |_, content| {
            Reply::of(&content[1..])
        }),
        bad("a byte more", Deb, (3, "should have"), |_, content| {
            Reply::of(&[content, b"x"].concat())
        }),
        bad("a byte less", Index, (3, "does not match"), |_, content| {
            Reply::of(&content[1..])
        }),
        bad(
            "without a length, a byte less",
            Deb,
            (5, "ended after"),
            |_, content| lines("", &content[1..]),
        ),
        bad(
            "without a length, a byte more",
            Deb,
            (3, "or more"),
            |_, content| lines("", &[content, b"x"].concat()),
        ),
        bad(
            "without a length, without end",
            Release,
            (5, "more than"),
            |_, _| Reply {
                length: None,
                then: Then::Flood,
                ..Reply::of(b"")
            },
        ),
        bad(
            "without a length, without end",
            Deb,
            (3, "or more"),
            |_, _| Reply {
                length: None,
                then: Then::Flood,
                ..Reply::of(b"")
            },
        ),
    ]
}

fn chunks() -> Vec<Fault> {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let lost = "the connection was lost";
    vec![
        good("chunks", Release, |_, content| Reply::chunked(content, 100)),
        good("chunks", Deb, |_, content| Reply::chunked(content, 4096)),
        good("chunks of one byte", Release, |_, content| {
            Reply::chunked(content, 1)
        }),
        bad("chunks that end early", Release, (5, lost), |_, content| {
            let whole = Reply::chunked(content, 100);
            let half = whole.body.len() / 2;
            whole.cut(half, Then::Close)
        }),
        bad("chunks that end early", Deb, (5, lost), |_, content| {
            let whole = Reply::chunked(content, 4096);
            let half = whole.body.len() / 2;
            whole.cut(half, Then::Close)
        }),
        bad("no last chunk", Release, (5, lost), |_, content| {
            let whole = Reply::chunked(content, 100);
            let length = whole.body.len() - 5;
            whole.cut(length, Then::Close)
        }),
        bad("a chunk's size in words", Release, (5, lost), |_, _| {
            lines(CHUNKED, b"many\r\nabc\r\n0\r\n\r\n")
        }),
        bad(
            "a chunk's size beyond 64 bits",
            Release,
            (5, lost),
            |_, _| lines(CHUNKED, b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ),
        bad("a chunk's size below 0", Release, (5, lost), |_, _| {
            lines(CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n")
        }),
        bad(
            "chunks that are not separated",
            Release,
            (5, lost),
            |_, _| lines(CHUNKED, b"3\r\nabcdef0\r\n\r\n"),
        ),
        bad("a page in place of chunks", Release, (5, lost), |_, _| {
            lines(CHUNKED, b"<html>log in first</html>")
        }),
        bad("a chunk of 8 EB", Release, (5, lost), |_, content| {
            lines(CHUNKED, &[b"7fffffffffffffff\r\n", content].concat())
        }),
    ]
}

fn headers() -> Vec<Fault> {
    let lost = "the connection was lost";
    vec![
        good("HTTP/1.0", Release, |_, content| {
            Reply::raw("HTTP/1.0 200 OK\r\n\r\n", content)
        }),
        good("no reason", Release, |_, content| {
            let length = content.len();
            Reply::raw(
                format!("HTTP/1.1 200\r\nContent-Length: {length}\r\n\r\n"),
                content,
            )
        }),
        good("a header of another alphabet", Release, |_, content| {
            sized("X-Name: \u{e4}\u{f6}\r\n", content)
        }),
        good("a hundred headers less two", Release, |_, content| {
            sized(&"X-Header: value\r\n".repeat(90), content)
        }),
        bad("a thousand headers", Release, (5, lost), |_, content| {
            sized(&"X-Header: value\r\n".repeat(1000), content)
        }),
        bad("a header of 1 MB", Release, (5, lost), |_, content| {
            sized(&format!("X-Header: {}\r\n", "x".repeat(1 << 20)), content)
        }),
        bad("a NUL in a header", Release, (5, lost), |_, content| {
            sized("X-Header: a\0b\r\n", content)
        }),
        bad(
            "a header without a colon",
            Release,
            (5, lost),
            |_, content| sized("no colon here\r\n", content),
        ),
    ]
}

fn heads() -> Vec<Fault> {
    let lost = "the connection was lost";
    vec![
        bad("no head", Release, (5, lost), |_, content| {
            Reply::raw("", content)
        }),
        bad("a head that does not end", Release, (5, lost), |_, _| {
            Reply::raw(OK, b"")
        }),
        bad("half a status line", Release, (5, lost), |_, _| {
            Reply::raw("HTTP/1.", b"")
        }),
        bad("HTTP/3.0", Release, (5, lost), |_, content| {
            Reply::raw("HTTP/3.0 200 OK\r\n\r\n", content)
        }),
        bad("the status 20", Release, (5, lost), |_, content| {
            Reply::raw("HTTP/1.1 20 OK\r\n\r\n", content)
        }),
        bad("the status 2000", Release, (5, lost), |_, content| {
            Reply::raw("HTTP/1.1 2000 OK\r\n\r\n", content)
        }),
        bad("a status in words", Release, (5, lost), |_, content| {
            Reply::raw("HTTP/1.1 fine\r\n\r\n", content)
        }),
        bad("another protocol", Release, (5, lost), |_, _| {
            Reply::raw("220 mail.example.org ESMTP\r\n", b"")
        }),
        good(
            "an encoding that was not asked for",
            Release,
            |_, content| sized("Content-Encoding: gzip\r\n", content),
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn lengths_chunks_and_headers() {
    let mut rows = lengths();
    rows.extend(bad_lengths());
    rows.extend(wrong_lengths());
    rows.extend(chunks());
    rows.extend(headers());
    rows.extend(heads());
    table::run("faults: framing", 48, &rows);
}
