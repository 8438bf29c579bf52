//! Several URLs of one file, of which some fail or redirect.

use super::*;

#[test]
fn the_next_url_is_tried() {
    let whole = bytes(10_000);
    let served = whole.clone();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/wrong" => Reply::of(&vec![1; served.len()]),
        "/short" => Reply::of(b""),
        "/good" => Reply::of(&served),
        _ => Reply::status(404),
    });
    let urls = |paths: &[&str]| paths.iter().map(|p| server.url(p)).collect::<Vec<_>>();
    let test = TestStore::uncached();
    assert!(
        test.file(&wanted(&urls(&["none", "wrong", "short", "good"]), &whole))
            .unwrap()
            == whole
    );
    // The most telling failure is reported, whichever URL it is of.
    for paths in [["wrong", "none"], ["none", "wrong"]] {
        let error = test.file(&wanted(&urls(&paths), &whole)).unwrap_err();
        assert!(
            matches!(&error, Error::DigestMismatch { url, .. } if url.ends_with("wrong")),
            "{error}"
        );
    }
    assert!(matches!(
        test.file(&wanted(&[], &whole)),
        Err(Error::NoUrl { .. })
    ));
    let mixed = ["ftp://h/x".to_owned(), server.url("good")];
    assert!(test.file(&wanted(&mixed, &whole)).unwrap() == whole);
}

#[test]
fn unreachable_hosts_differ_from_unknown_ones() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://user:secret@{}/a", closed.local_addr().unwrap());
    drop(closed);
    let test = TestStore::uncached();
    let error = test.file(&wanted(&[refused], b"x")).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Refused {
                obstacle: Obstacle::Refused,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        with_causes(&error).contains("user:***@127.0.0.1")
            && !with_causes(&error).contains("secret"),
        "{}",
        with_causes(&error)
    );
    assert_eq!(
        test.events
            .lock()
            .unwrap()
            .iter()
            .filter(|s| s.contains("trying again"))
            .count(),
        2
    );
    let error = test
        .file(&wanted(&["http://no-such-host.invalid/a".to_owned()], b"x"))
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Refused {
                obstacle: Obstacle::Name | Obstacle::NameForNow,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn redirects_are_followed() {
    let whole = bytes(10_000);
    let served = whole.clone();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/old" => Reply::status(302).with("Location", "/new"),
        "/new" => Reply::of(&served),
        "/away" => Reply::status(301).with("Location", "ftp://h/x"),
        _ => Reply::status(302).with("Location", "/round"),
    });
    let test = TestStore::uncached();
    assert!(test.file(&wanted(&[server.url("old")], &whole)).unwrap() == whole);
    let error = test
        .file(&wanted(&[server.url("round")], &whole))
        .unwrap_err();
    assert!(
        with_causes(&error).ends_with("a redirect is not followed: there are too many"),
        "{}",
        with_causes(&error)
    );
    let error = test.file(&wanted(&[server.url("away")], &whole));
    assert!(matches!(error, Err(Error::Redirect { .. })), "{error:?}");
}

#[test]
fn a_failing_server_is_tried_last() {
    let whole = bytes(1000);
    let served = whole.clone();
    let dead = Server::start(|_| Reply::status(503));
    let alive = Server::start(move |_| Reply::of(&served));
    let test = TestStore::uncached();
    for name in ["a", "b", "c"] {
        assert!(
            test.file(&wanted(&[dead.url(name), alive.url(name)], &whole))
                .unwrap()
                == whole
        );
    }
    assert_eq!((dead.asked().len(), alive.asked().len()), (1, 3));
    let error = test.file(&wanted(&[dead.url("d")], &whole));
    assert!(
        matches!(error, Err(Error::Status { status: 503, .. })),
        "{error:?}"
    );
    assert_eq!(dead.asked().len(), 4);
}

#[test]
fn progress_is_reported_once_over_all_mirrors() {
    let whole = bytes(10_000);
    let served = whole.clone();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/wrong" => Reply::of(&vec![1; served.len()]),
        _ => Reply::of(&served),
    });
    let heard = Cell::new(0);
    TestStore::uncached()
        .store
        .file(
            &wanted(&[server.url("wrong"), server.url("good")], &whole),
            &|by| heard.set(heard.get() + by),
        )
        .unwrap();
    assert_eq!(heard.get(), 10_000);
}
