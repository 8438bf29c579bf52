//! What a registry has under a name: logins, redirects, faults.

use std::time::Instant;

use super::*;
use crate::failure::Class;
use crate::testing::registry::{Asks, IDENTITY, LOGIN, refusal};
use crate::testing::server::{Asked, Reply, Server, Then};

fn is_manifest(asked: &Asked) -> bool {
    asked.target.contains("/manifests/")
}

#[test]
fn annotations_and_digest_are_read() {
    let registry = FakeRegistry::open();
    let digest = put_annotated(&registry);
    let client = TestClient::new();
    let host = registry.host();
    let found = client.look_up(&format!("{host}/team/debian:1"));
    let found = found.unwrap().unwrap();
    assert_eq!(found.digest, digest);
    assert_eq!(found.annotations["key"], "value");
    for absent in ["team/debian:2", "team/other:1"] {
        let found = client.look_up(&format!("{host}/{absent}"));
        assert_eq!(found.unwrap(), None, "{absent}");
    }
    for asked in registry.server.asked() {
        assert_eq!(asked.header("authorization"), "");
        if is_manifest(&asked) {
            assert!(asked.header("accept").contains("oci.image.index.v1+json"));
        }
    }
}

#[test]
fn logins_are_sent_as_the_registry_asks() {
    let table = [
        ("no login needed", Asks::Nothing, "{}".to_owned(), None),
        ("basic", Asks::Basic, "AUTH".to_owned(), None),
        ("bearer", Asks::Bearer, "AUTH".to_owned(), None),
        (
            "an identity token",
            Asks::Bearer,
            format!("{{\"auths\":{{\"HOST\":{{\"identitytoken\":\"{IDENTITY}\"}}}}}}"),
            None,
        ),
        (
            "basic without a login",
            Asks::Basic,
            "{}".to_owned(),
            Some("denies access (401): UNAUTHORIZED: authentication required"),
        ),
        (
            "bearer without a login",
            Asks::Bearer,
            "{}".to_owned(),
            Some("denies access (401): incorrect username or password"),
        ),
        (
            "a wrong login",
            Asks::Bearer,
            r#"{"auths":{"HOST":{"auth":"bWU6d3Jvbmc="}}}"#.to_owned(),
            Some("denies access (401): incorrect username or password"),
        ),
        (
            "another registry's login",
            Asks::Basic,
            format!("{{\"auths\":{{\"r.example\":{{\"auth\":\"{LOGIN}\"}}}}}}"),
            Some("denies access (401)"),
        ),
    ];
    for (name, asks, text, refused) in &table {
        let registry = FakeRegistry::start(*asks, |_, _| None);
        put_annotated(&registry);
        let host = registry.host();
        let text = text.replace("AUTH", &logins(&host)).replace("HOST", &host);
        let client = TestClient::with_logins(&text);
        match (client.look_up(&format!("{host}/team/debian:1")), refused) {
            (Ok(found), None) => assert!(found.is_some(), "{name}"),
            (Err(error), Some(refused)) => {
                let shown = shown(&error);
                assert!(shown.contains(refused), "{name}: {shown}");
                assert!(shown.contains(&format!("cannot look up {host}/team/debian:1: ")));
                assert!(!shown.contains("wrong"), "{name}: {shown}");
                assert_eq!(error.class(), Class::Network, "{name}");
                let hint = error.hint().unwrap();
                let is_without = text == "{}" || text.contains("r.example");
                let expected = match is_without {
                    true => format!("there is no login for {host}: "),
                    false => "it is wrong, or may not read there".to_owned(),
                };
                assert!(hint.contains(&expected), "{name}: {hint}");
            }
            (found, refused) => panic!("{name}: {found:?}, {refused:?}"),
        }
        // The token service gets the login in its own way, the registry the token.
        for asked in registry.server.asked() {
            if *asks == Asks::Bearer && is_manifest(&asked) {
                let given = asked.header("authorization");
                assert!(
                    given.is_empty() || given.starts_with("Bearer token-"),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn tokens_name_the_rights_and_expire() {
    let registry = FakeRegistry::start(Asks::Bearer, |asked, stored| {
        if is_manifest(asked) && asked.before == 3 {
            stored.expire_tokens();
        }
        None
    });
    put_annotated(&registry);
    let host = registry.host();
    let client = TestClient::with_logins(&logins(&host));
    let repository = Repository::new(
        &client.client,
        &Reference::parse(&format!("{host}/team/debian:1")).unwrap(),
        Rights::Read,
    );
    for _ in 0..3 {
        assert!(repository.image("1").unwrap().is_some());
    }
    let mut tokens = Vec::new();
    for asked in registry.server.asked() {
        if asked.target.starts_with("/token") {
            tokens.push(asked.target);
        }
    }
    let expected = "/token?service=test&scope=repository%3Ateam%2Fdebian%3Apull\
                    &scope=repository%3Ax%3Apull";
    assert_eq!(tokens, [expected; 2]);
}

#[test]
fn redirects_carry_no_login_to_another_host() {
    let table = [
        ("found", 302),
        ("temporary", 307),
        ("permanent", 308),
        ("moved", 301),
    ];
    for (name, status) in table {
        let elsewhere = Server::start(|_| Reply::of(br#"{"annotations":{"at":"elsewhere"}}"#));
        let location = elsewhere
            .url("blob?signature=x")
            .replace("127.0.0.1", "localhost");
        let registry = FakeRegistry::start(Asks::Basic, move |asked, _| {
            let is_let_in = asked.header("authorization") == format!("Basic {LOGIN}");
            (is_manifest(asked) && is_let_in)
                .then(|| Reply::status(status).with("Location", location.clone()))
        });
        let host = registry.host();
        let client = TestClient::with_logins(&logins(&host));
        let found = client.look_up(&format!("{host}/team/debian:1"));
        assert_eq!(found.unwrap().unwrap().annotations["at"], "elsewhere");
        let asked = elsewhere.asked();
        assert_eq!(asked.len(), 1, "{name}");
        assert_eq!(asked[0].header("authorization"), "", "{name}");
    }
}

#[test]
fn redirects_that_lead_astray_are_refused() {
    let table = [
        (
            "a file",
            "file:///etc/passwd",
            "it leads to file:///etc/passwd",
        ),
        (
            "round and round",
            "/v2/team/debian/manifests/1",
            "there are too many",
        ),
    ];
    for (name, location, expected) in table {
        let registry = FakeRegistry::start(Asks::Nothing, move |asked, _| {
            is_manifest(asked).then(|| Reply::status(307).with("Location", location))
        });
        let client = TestClient::new();
        let found = client.look_up(&format!("{}/team/debian:1", registry.host()));
        let shown = shown(&found.unwrap_err());
        assert!(shown.contains(expected), "{name}: {shown}");
    }
}

/// The token service of a registry gets a login; which may be it?
#[test]
fn logins_are_not_sent_to_unencrypted_token_services() {
    let table = [
        (
            "http",
            "http://auth.example/token",
            "which is not encrypted",
            true,
        ),
        ("no URL", "auth", "which is no URL", false),
        (
            "a file",
            "file:///token",
            "which is no URL of a web server",
            false,
        ),
    ];
    for (name, realm, expected, has_hint) in table {
        let registry = FakeRegistry::start(Asks::Nothing, move |asked, _| {
            let challenge = format!("Bearer realm=\"{realm}\"");
            is_manifest(asked).then(|| Reply::status(401).with("WWW-Authenticate", challenge))
        });
        let host = registry.host();
        let client = TestClient::with_logins(&logins(&host));
        let error = client
            .look_up(&format!("{host}/team/debian:1"))
            .unwrap_err();
        let shown = shown(&error);
        assert!(shown.contains(expected), "{name}: {shown}");
        let hint = error.hint().unwrap_or_default();
        assert_eq!(hint.contains("--insecure-registry"), has_hint, "{name}");
        assert_eq!(hint.is_empty(), !has_hint, "{name}: {hint}");
    }
}

/// What a token service answers to the first requests.
type TokenFault = fn(&Asked) -> Reply;

#[test]
fn faults_of_token_services_are_told_like_those_of_registries() {
    let table: [(&str, TokenFault, Option<&str>); 5] = [
        (
            "too many requests",
            |_| refusal(429, "TOOMANYREQUESTS", "slow down").with("Retry-After", "0"),
            None,
        ),
        ("503", |_| Reply::status(503), None),
        (
            "a long text",
            |_| Reply {
                length: None,
                ..Reply::status(400).cut(0, Then::Flood)
            },
            Some("/token: the registry answered 400 Bad Request"),
        ),
        (
            "no token",
            |_| Reply::of(b"{}"),
            Some("the registry's answer has no token"),
        ),
        (
            "a line break",
            |_| Reply::of(b"{\"token\":\"s3cret\\n\"}"),
            Some(
                "the registry's answer has a token with characters that HTTP headers do not allow",
            ),
        ),
    ];
    for (name, fault, expected) in table {
        let registry = FakeRegistry::start(Asks::Bearer, move |asked, _| {
            let is_first = asked.target.starts_with("/token") && asked.before < 2;
            is_first.then(|| fault(asked))
        });
        put_annotated(&registry);
        let host = registry.host();
        let client = TestClient::with_logins(&logins(&host));
        match (client.look_up(&format!("{host}/team/debian:1")), expected) {
            (Ok(found), None) => assert!(found.is_some(), "{name}"),
            (Err(error), Some(expected)) => {
                let shown = shown(&error);
                assert!(shown.contains(expected), "{name}: {shown}");
                assert!(!shown.contains("s3cret"), "{name}: {shown}");
            }
            (found, expected) => panic!("{name}: {found:?}, {expected:?}"),
        }
    }
}

#[test]
fn transient_failures_are_retried() {
    let table = [
        ("429", 429, true),
        ("500", 500, true),
        ("502", 502, true),
        ("503", 503, true),
        ("400", 400, false),
        ("418", 418, false),
    ];
    for (name, status, passes) in table {
        let registry = FakeRegistry::start(Asks::Nothing, move |asked, _| {
            (is_manifest(asked) && asked.before < 2)
                .then(|| refusal(status, "TOOMANYREQUESTS", "slow down").with("Retry-After", "0"))
        });
        put_annotated(&registry);
        let found = TestClient::new().look_up(&format!("{}/team/debian:1", registry.host()));
        match found {
            Ok(found) => assert!(passes && found.is_some(), "{name}"),
            Err(error) => {
                assert!(!passes, "{name}: {error}");
                let shown = shown(&error);
                assert!(shown.ends_with(": TOOMANYREQUESTS: slow down"), "{shown}");
            }
        }
    }
}

#[test]
fn lost_connections_are_tried_again_and_silent_ones_end() {
    let registry = FakeRegistry::start(Asks::Nothing, |asked, _| {
        (is_manifest(asked) && asked.before < 2).then(|| match asked.before {
            0 => Reply::none(),
            _ => Reply::of(b"{\"annotations\"").cut(5, Then::Reset),
        })
    });
    put_annotated(&registry);
    let name = format!("{}/team/debian:1", registry.host());
    assert!(TestClient::new().look_up(&name).unwrap().is_some());

    let silent = FakeRegistry::start(Asks::Nothing, |asked, _| {
        is_manifest(asked).then(|| Reply::of(b"{").cut(0, Then::Hang))
    });
    let name = format!("{}/team/debian:1", silent.host());
    let client = TestClient::with("{}", Duration::from_millis(200));
    let shown = shown(&client.look_up(&name).unwrap_err());
    assert!(shown.contains("no data for 0.2 s"), "{shown}");

    let client = TestClient::new();
    let interrupt = client.interrupt.clone();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| client.look_up(&name).unwrap_err());
        std::thread::sleep(Duration::from_millis(100));
        interrupt.raise(2);
        let error = looking.join().unwrap();
        assert!(super::shown(&error).ends_with("cancelled"));
    });
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn answers_without_a_manifest_are_refused() {
    let table = [
        (
            "nothing",
            Reply::of(b""),
            "the registry's answer has no manifest",
        ),
        (
            "a page",
            Reply::of(b"<html>"),
            "the registry's answer has no manifest",
        ),
        (
            "too much",
            Reply::of(b"{}").cut(2, Then::Flood),
            "the registry's answer has more than 4194304 bytes",
        ),
    ];
    for (name, mut reply, expected) in table {
        if reply.then == Then::Flood {
            reply.length = None;
        }
        let registry = FakeRegistry::start(Asks::Nothing, move |asked, _| {
            is_manifest(asked).then(|| reply.clone())
        });
        let found = TestClient::new().look_up(&format!("{}/team/debian:1", registry.host()));
        let shown = shown(&found.unwrap_err());
        assert!(shown.contains(expected), "{name}: {shown}");
    }
}
