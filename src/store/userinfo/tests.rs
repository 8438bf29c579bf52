use super::*;

#[test]
fn passwords_are_neither_shown_nor_written() {
    for (url, seen, bare) in [
        (
            "http://u:secret@h/a@b",
            "http://u:***@h/a@b",
            "http://h/a@b",
        ),
        ("http://u:se:cr@et@h:1", "http://u:***@h:1", "http://h:1"),
        ("http://token@h/", "http://***@h/", "http://h/"),
        ("http://token:@h/", "http://***@h/", "http://h/"),
        (
            "http://u:p@[::1]:81/x",
            "http://u:***@[::1]:81/x",
            "http://[::1]:81/x",
        ),
        ("http://u:p@ss:w/rd@h/x", "http://u:***@h/x", "http://h/x"),
        ("http://u:s3/cret@h/x", "http://u:***@h/x", "http://h/x"),
        ("http://h:80/x@y", "http://h:80/x@y", "http://h:80/x@y"),
        ("file:/a:b@c", "file:/a:b@c", "file:/a:b@c"),
        ("http://h", "http://h", "http://h"),
        ("http://u:12#34@h", "http://u:***@h", "http://h"),
        ("http://u:p#w@h/x", "http://u:***@h/x", "http://h/x"),
        ("http://u:s3cret", "http://***", "http://u:s3cret"),
        ("http:/u:s3cret@h/x", "http:/u:***@h/x", "http:/h/x"),
        ("http:u:s3cret@h", "http:u:***@h", "http:h"),
        ("HTTPS:///u:s3cret@h", "HTTPS:///u:***@h", "HTTPS:///h"),
        ("http:\\\\u:s/3@h", "http:\\\\u:***@h", "http:\\\\h"),
        ("http:/\\/\\t@h", "http:/\\/\\***@h", "http:/\\/\\h"),
        ("ftp:///u:s3cret@h", "ftp:///u:***@h", "ftp:///h"),
        ("http:http:/u:p@h", "http:http:/u:***@h", "http:http:/h"),
        ("file:///a:b@c", "file:///a:b@c", "file:///a:b@c"),
        ("u:s3cret@h/debian", "u:***@h/debian", "h/debian"),
        ("u:s3/cr#et@h:80/x", "u:***@h:80/x", "h:80/x"),
        ("u:s3cret@[::1]:81", "u:***@[::1]:81", "[::1]:81"),
        ("u:p@h/http://v:q@i", "u:***@h/http://v:***@i", "h/http://i"),
        ("h:80/x@y", "h:80/x@y", "h:80/x@y"),
        ("./a:b@c", "./a:b@c", "./a:b@c"),
        ("me@h", "me@h", "me@h"),
        (
            "debian:1@sha256:00",
            "debian:1@sha256:00",
            "debian:1@sha256:00",
        ),
        ("https:h:80/a@b", "https:h:80/a@b", "https:h:80/a@b"),
        (
            "http://h/http://u:p@i/x",
            "http://h/http://u:***@i/x",
            "http://h/http://i/x",
        ),
        (
            "http://a:b@h:1/https://u:p/w@i/x://t@j",
            "http://a:***@h:1/https://u:***@j",
            "http://h:1/https://j",
        ),
        (
            "http://a@h/http://i/http://u:p@j",
            "http://***@h/http://i/http://u:***@j",
            "http://h/http://i/http://j",
        ),
    ] {
        assert_eq!(shown(url), seen);
        assert_eq!(without_login(url), bare);
    }
    assert_eq!(
        hidden("deb  http://u:p@h/ sid\tmain https://t@h"),
        "deb  http://u:***@h/ sid\tmain https://***@h"
    );
    assert_eq!(hidden("y\u{a0}x\u{a0}"), "y\u{a0}x\u{a0}");
}

#[test]
fn passwords_with_blanks_are_not_shown() {
    for (text, expected) in [
        ("deb \"http://u:p w@h/\" [x", "deb \"http://u:***@h/\" [x"),
        ("deb \"http://u:1 2@h/ sid", "deb \"http://u:***@h/ sid"),
        ("deb http://u:p w@h/ sid", "deb http://u:***@h/ sid"),
        ("deb http://u:p q w@h/ sid", "deb http://u:***@h/ sid"),
        ("deb http://u:12 34@h/ sid", "deb http://u:***@h/ sid"),
        ("deb http://u:p sid main", "deb http://***"),
        ("deb http:/u:p w@h/ sid", "deb http:/u:***@h/ sid"),
        ("deb http:u:p w@h/ sid", "deb http:u:***@h/ sid"),
        ("deb http:///u:1 2@h/ sid", "deb http:///u:***@h/ sid"),
        ("the proxy u:p@h, then", "the proxy u:***@h, then"),
        ("`u:p@h/x` is refused", "`u:***@h/x` is refused"),
        ("error: me@h", "error: me@h"),
        ("over http: it failed", "over http: it failed"),
        ("deb \"http://h:80\" sid", "deb \"http://h:80\" sid"),
        ("(http://h:80), then", "(http://h:80), then"),
        ("http://h/ a@b\n http://i", "http://h/ a@b\n http://i"),
    ] {
        assert_eq!(hidden(text), expected);
    }
}

/// What a mirror redirects to may have any length.
#[test]
#[ignore = "needs time"]
fn long_texts_are_shown() {
    const COUNT: usize = 100_000;
    let repeated = |part: &str| part.repeat(COUNT);
    for (text, seen, bare) in [
        (repeated("a://"), repeated("a://"), repeated("a://")),
        (repeated("http:"), repeated("http:"), repeated("http:")),
        (
            repeated("http:/h:"),
            repeated("http:/h:"),
            repeated("http:/h:"),
        ),
        (repeated("a://h#"), repeated("a://h#"), repeated("a://h#")),
        (
            repeated("a://t@h/"),
            repeated("a://***@h/"),
            repeated("a://h/"),
        ),
    ] {
        assert!(shown(&text) == seen, "{}", &text[..10]);
        assert!(without_login(&text) == bare, "{}", &text[..10]);
        assert!(hidden(&text) == seen, "{}", &text[..10]);
    }
    for (text, seen) in [
        (format!("http://u:p{}", repeated(" w")), "http://***"),
        (format!("http://u:p{}w@h", repeated(" ")), "http://u:***@h"),
        (format!("http://u{}w@h", repeated("  ")), "http://***@h"),
        (
            format!("\"http://u:p{}@h", repeated("w ")),
            "\"http://u:***@h",
        ),
    ] {
        assert!(hidden(&text) == seen, "{}", &text[..12]);
    }
}

#[test]
fn logins_are_decoded() {
    let url = Url::parse("http://me%40x:p%20w@h/").unwrap();
    let login = login_of(&url).unwrap();
    assert_eq!(
        (login.user.as_str(), login.password.as_str()),
        ("me@x", "p w")
    );
    assert!(login_of(&Url::parse("http://h/").unwrap()).is_none());
}
