//! Servers with transient and permanent faults.

mod mirrors;

use std::cell::Cell;
use std::thread;

use super::*;

#[test]
fn transient_faults_are_retried() {
    type Script = fn(&Asked, &[u8]) -> Reply;
    let whole = bytes(300_000);
    let cases: [(&str, usize, Script); 13] = [
        ("a wrong file of the right size once", 2, |a, c| {
            if a.before < 1 {
                Reply::of(&vec![7; c.len()])
            } else {
                Reply::of(c)
            }
        }),
        ("a login page once", 2, |a, c| {
            if a.before < 1 {
                Reply::of(b"<html>log in first</html>")
            } else {
                Reply::of(c)
            }
        }),
        ("at once", 1, |_, c| Reply::of(c)),
        ("busy twice", 3, |a, c| {
            if a.before < 2 {
                Reply::status(503)
            } else {
                Reply::of(c)
            }
        }),
        ("asked to wait", 2, |a, c| {
            if a.before < 1 {
                Reply::status(429).with("Retry-After", "0")
            } else {
                Reply::of(c)
            }
        }),
        ("closed midway, no validator", 2, |a, c| {
            if a.before < 1 {
                Reply::of(c).cut(9999, Then::Close)
            } else {
                Reply::of(c)
            }
        }),
        ("closed midway, then the rest", 2, |a, c| {
            if a.before < 1 {
                Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close)
            } else {
                Reply::ranged(a, c, "\"1\"")
            }
        }),
        ("reset before an answer", 2, |a, c| {
            if a.before < 1 {
                Reply::of(c).cut(0, Then::Reset)
            } else {
                Reply::of(c)
            }
        }),
        ("another version afterwards", 2, |a, c| {
            if a.before < 1 {
                Reply::ranged(a, &vec![7; c.len()], "\"1\"").cut(9999, Then::Close)
            } else {
                Reply::ranged(a, c, "\"2\"")
            }
        }),
        ("spliced from two versions", 3, |a, c| match a.before {
            0 => Reply::ranged(a, &vec![7; c.len()], "\"1\"").cut(9999, Then::Close),
            _ => Reply::ranged(a, c, "\"1\""),
        }),
        ("416", 3, |a, c| match a.before {
            0 => Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close),
            1 => Reply::status(416),
            _ => Reply::of(c),
        }),
        ("another part than asked for", 3, |a, c| match a.before {
            0 => Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close),
            1 => Reply {
                status: 206,
                ..Reply::of(&c[5..])
            }
            .with("Content-Range", "bytes 5-299999/300000"),
            _ => Reply::of(c),
        }),
        ("ended early without a length", 2, |a, c| {
            Reply {
                length: None,
                ..Reply::of(c)
            }
            .cut(if a.before < 1 { 9999 } else { c.len() }, Then::Close)
        }),
    ];
    for (name, requests, script) in cases {
        let served = whole.clone();
        let server = Server::start(move |asked| script(asked, &served));
        let test = TestStore::cached();
        let heard = std::cell::Cell::new(0);
        let wanted = wanted(&[server.url("a")], &whole);
        let verified = test
            .store
            .file(&wanted, &|by| heard.set(heard.get() + by))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(content(&verified) == whole, "{name}");
        assert_eq!(
            heard.get(),
            wanted.size,
            "{name}: each byte is heard of once"
        );
        assert_eq!(
            server.asked().len(),
            requests,
            "{name}: {:?}",
            server.asked()
        );
        assert_eq!(test.files(), [wanted.digest.hexadecimal()], "{name}");
    }
}

#[test]
fn an_interrupted_download_resumes() {
    let whole = bytes(300_000);
    let served = whole.clone();
    let server = Server::start(move |asked| {
        let reply = Reply::ranged(asked, &served, "\"v\"");
        if asked.before < 4 {
            reply.cut(50_000, Then::Close)
        } else {
            reply
        }
    });
    let test = TestStore::cached();
    let mut store = test.store;
    store.tries = 9;
    assert!(
        content(
            &store
                .file(&wanted(&[server.url("a")], &whole), &drop)
                .unwrap()
        ) == whole
    );
    let offsets: Vec<_> = server.asked().iter().map(Asked::offset).collect();
    assert_eq!(
        offsets,
        [
            None,
            Some(50_000),
            Some(100_000),
            Some(150_000),
            Some(200_000)
        ]
    );
    assert_eq!(server.asked()[1].header("if-range"), "\"v\"");
}

#[test]
fn permanent_faults_are_reported() {
    type Script = fn(&Asked, &[u8]) -> Reply;
    let whole = bytes(30_000);
    let cases: [(usize, &str, Script); 10] = [
        (1, "URL: 404 Not Found", |_, _| Reply::status(404)),
        (1, "URL: 410 Gone", |_, _| Reply::status(410)),
        (1, "URL: the server answered 403 Forbidden", |_, _| {
            Reply::status(403)
        }),
        (1, "URL: the server answered 401 Unauthorized", |_, _| {
            Reply::status(401)
        }),
        (
            3,
            "URL: the server answered 503 Service Unavailable",
            |_, _| Reply::status(503),
        ),
        (
            2,
            "URL: thing 1.0 (all) should have 30000 bytes, but has 29999",
            |_, c| Reply::of(&c[1..]),
        ),
        (
            2,
            "URL: thing 1.0 (all) should have 30000 bytes, but has 30001",
            |_, c| Reply::of(&[c, b"x"].concat()),
        ),
        (3, "URL: ended after 10 of 30000 bytes", |_, c| {
            Reply {
                length: None,
                ..Reply::of(&c[..10])
            }
            .cut(10, Then::Close)
        }),
        (3, "URL: the connection was lost: ", |_, c| {
            Reply::of(c).cut(10, Then::Close)
        }),
        (2, "URL: thing 1.0 (all) should have SHA256:", |_, c| {
            Reply::of(&vec![7; c.len()])
        }),
    ];
    for (requests, message, script) in cases {
        let served = whole.clone();
        let server = Server::start(move |asked| script(asked, &served));
        let test = TestStore::cached();
        let url = server.url("a");
        let error = test
            .file(&wanted(std::slice::from_ref(&url), &whole))
            .unwrap_err();
        let message = message.replace("URL", &url);
        assert!(
            with_causes(&error).starts_with(&message),
            "{}",
            with_causes(&error)
        );
        assert_eq!(
            error.is_trust(),
            message.contains("should have"),
            "{message}"
        );
        assert_eq!(server.asked().len(), requests, "{message}");
        assert_eq!(test.files(), Vec::<String>::new(), "{message}");
    }
}

#[test]
fn a_silent_server_is_abandoned() {
    let server = Server::start(|_| Reply::of(b"all of it").cut(1, Then::Hang));
    let directory = tempfile::tempdir().unwrap();
    let store = open(
        directory.path(),
        false,
        Duration::from_millis(100),
        Report::silent(),
    );
    let error = store
        .file(&wanted(&[server.url("a")], b"all of it"), &drop)
        .unwrap_err();
    assert!(matches!(error, Error::Stalled { .. }), "{error}");
    let error = store.read(&[server.url("b")], 9).unwrap_err();
    assert!(matches!(error, Error::Stalled { .. }), "{error}");
}

#[test]
fn an_endless_body_is_cut() {
    let whole = bytes(10_000);
    let endless = bytes(5_000_000);
    let server = Server::start(move |_| {
        Reply {
            length: None,
            ..Reply::of(&endless)
        }
        .cut(5_000_000, Then::Close)
    });
    let error = TestStore::cached()
        .file(&wanted(&[server.url("a")], &whole))
        .unwrap_err();
    assert!(
        matches!(error, Error::SizeMismatch { at_least: true, found, .. } if found < 5_000_000),
        "{error}"
    );
}

#[test]
fn connections_are_kept_and_paths_encoded() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/close" => Reply::of(b"x").cut(1, Then::Close),
        _ => Reply::of(b"x"),
    });
    let test = TestStore::uncached();
    let authority = server.url("").replace("http://", "http://me:p%40ss@");
    for url in [
        server.url("g++~1"),
        format!("{authority}b"),
        server.url("close"),
        server.url("c"),
    ] {
        assert_eq!(test.file(&wanted(&[url], b"x")).unwrap(), b"x");
    }
    let asked = server.asked();
    assert_eq!(asked[0].target, "/g%2b%2b%7e1");
    assert_eq!(
        asked[0].header("user-agent"),
        concat!("rbootstrap/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked[0].header("accept-encoding"), "");
    assert_eq!(asked[1].header("authorization"), "Basic bWU6cEBzcw==");
    assert_eq!(
        asked.iter().map(|a| a.connection).collect::<Vec<_>>(),
        [0, 0, 0, 1]
    );
}

#[test]
fn small_files_are_read_with_a_limit() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/InRelease" if asked.before == 0 => Reply::status(502),
        "/InRelease" => Reply::of(b"Origin: x"),
        "/long" => Reply::of(&[0; 100]),
        "/unsized" => Reply {
            length: None,
            ..Reply::of(&[0; 100])
        }
        .cut(100, Then::Close),
        _ => Reply::status(404),
    });
    let test = TestStore::cached();
    let urls = [server.url("none"), server.url("InRelease")];
    let found = test.store.read(&urls, 9).unwrap();
    assert_eq!(
        (found.url, found.content),
        (server.url("InRelease"), b"Origin: x".to_vec())
    );
    assert!(
        server
            .asked()
            .iter()
            .all(|a| a.header("cache-control") == "max-age=0")
    );
    for url in ["long", "unsized"] {
        assert!(matches!(
            test.store.read(&[server.url(url)], 99),
            Err(Error::TooLarge { limit: 99, .. })
        ));
        assert_eq!(
            test.store
                .read(&[server.url(url)], 100)
                .unwrap()
                .content
                .len(),
            100
        );
    }
    assert!(matches!(
        test.store.read(&[server.url("none")], 9),
        Err(Error::Missing { .. })
    ));
    assert!(matches!(test.store.read(&[], 9), Err(Error::NoUrl { .. })));
    assert_eq!(test.files(), Vec::<String>::new());
}

#[test]
fn cancelling_ends_requests_under_way() {
    let whole = bytes(10_000);
    let served = whole.clone();
    type Script = fn(&[u8]) -> Reply;
    let cases: [Script; 3] = [
        |c| Reply::of(c).cut(10, Then::Hang),
        |_| Reply::status(503).with("Retry-After", "1000"),
        |c| {
            Reply {
                length: None,
                ..Reply::of(c)
            }
            .cut(10, Then::Hang)
        },
    ];
    for script in cases {
        let served = served.clone();
        let server = Server::start(move |_| script(&served));
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), true, PATIENT, Report::silent());
        let wanted = wanted(&[server.url("a"), server.url("b")], &whole);
        thread::scope(|scope| {
            let under_way = scope.spawn(|| store.file(&wanted, &drop));
            server.answered.recv().unwrap();
            store.cancel();
            assert!(matches!(under_way.join().unwrap(), Err(Error::Cancelled)));
        });
        assert!(matches!(store.file(&wanted, &drop), Err(Error::Cancelled)));
        assert!(matches!(store.read(&wanted.urls, 1), Err(Error::Cancelled)));
        assert_eq!(files_below(directory.path()), Vec::<String>::new());
    }
}

#[test]
fn a_slow_transfer_is_given_up() {
    let mut pace = http::Throughput::default();
    let second = Duration::from_secs(1);
    let limits = limits(Duration::from_secs(30));
    assert!((0..59).all(|_| !pace.is_too_low(second, 4000, limits)));
    assert!(pace.is_too_low(second, 4000, limits));
    assert!((0..600).all(|_| !pace.is_too_low(second, 4100, limits)));
    let unlimited = TransferLimits {
        lowest_rate: 0,
        ..limits
    };
    assert!((0..600).all(|_| !pace.is_too_low(second, 1, unlimited)));
}
