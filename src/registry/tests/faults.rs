//! What a push does about the faults of a registry.

use super::push::{count, image, is_upload};
use super::*;
use crate::failure::Class;
use crate::testing::registry::{Asks, LOGIN, PASSWORD, Stored, refusal};
use crate::testing::server::{Asked, Reply, Then};

/// A fault, and what a push does about it.
struct Fault {
    name: &'static str,
    answer: fn(&Asked, &mut Stored) -> Option<Reply>,
    /// A part of the error, unless the push succeeds in spite of it.
    error: Option<&'static str>,
    class: Class,
    /// How many blobs are uploaded, with those that fail, where it is always the same number.
    uploads: Option<usize>,
}

/// Whether it is the first request of this kind for its target.
fn first_upload(asked: &Asked, method: &str) -> bool {
    // The fake registry counts uploads from 1.
    is_upload(asked, method)
        && (method == "POST" && asked.before == 0 || asked.target.contains("/1?"))
}

fn is_manifest(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.target.contains("/manifests/")
}

const FAULTS: [Fault; 25] = [
    Fault {
        name: "202 for a blob that is not stored",
        answer: |asked, _| is_upload(asked, "PUT").then(|| Reply::status(202)),
        error: Some("the registry answered 202 and has not stored sha256:"),
        class: Class::Network,
        uploads: Some(1),
    },
    Fault {
        name: "200 for blobs that are stored elsewhere",
        answer: |asked, stored| {
            is_upload(asked, "PUT").then(|| {
                let key = format!("team/debian@{}", digest(&asked.body));
                stored.blobs.insert(key, asked.body.clone());
                Reply::status(200)
            })
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "202 for a manifest that is not stored",
        answer: |asked, _| is_manifest(asked).then(|| Reply::status(202)),
        error: Some("the registry answered 202 and has not stored sha256:"),
        class: Class::Network,
        uploads: Some(2),
    },
    Fault {
        name: "202 for a manifest that is stored",
        answer: |asked, stored| {
            is_manifest(asked).then(|| {
                let manifest = Manifest {
                    media_type: asked.header("content-type").to_owned(),
                    content: asked.body.clone(),
                };
                stored
                    .manifests
                    .insert("team/debian:1".to_owned(), manifest);
                Reply::status(202)
            })
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "an upload is cut",
        answer: |asked, _| first_upload(asked, "PUT").then(Reply::none),
        error: None,
        class: Class::Other,
        uploads: Some(3),
    },
    Fault {
        name: "an upload is reset",
        answer: |asked, _| {
            first_upload(asked, "PUT").then(|| Reply::status(201).cut(0, Then::Reset))
        },
        error: None,
        class: Class::Other,
        // The answer may arrive before the reset.
        uploads: None,
    },
    Fault {
        name: "no upload ends",
        answer: |asked, _| is_upload(asked, "PUT").then(Reply::none),
        error: Some("the connection was lost"),
        class: Class::Network,
        uploads: Some(3),
    },
    Fault {
        name: "an upload is forgotten",
        answer: |asked, _| {
            first_upload(asked, "PUT")
                .then(|| refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown"))
        },
        error: None,
        class: Class::Other,
        uploads: Some(3),
    },
    Fault {
        name: "all uploads are forgotten",
        answer: |asked, _| {
            is_upload(asked, "PUT")
                .then(|| refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown"))
        },
        error: Some("does not know the upload: BLOB_UPLOAD_UNKNOWN: blob upload unknown"),
        class: Class::Network,
        uploads: Some(3),
    },
    Fault {
        name: "too many requests",
        answer: |asked, _| {
            first_upload(asked, "POST")
                .then(|| refusal(429, "TOOMANYREQUESTS", "slow down").with("Retry-After", "0"))
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "503 for a blob",
        answer: |asked, _| first_upload(asked, "PUT").then(|| Reply::status(503)),
        error: None,
        class: Class::Other,
        uploads: Some(3),
    },
    Fault {
        name: "always 500",
        answer: |asked, _| is_upload(asked, "POST").then(|| Reply::status(500)),
        error: Some("the registry answered 500 Internal Server Error"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "507, a full disk",
        answer: |asked, _| is_upload(asked, "PUT").then(|| Reply::status(507)),
        error: Some("the registry answered 507 Insufficient Storage"),
        class: Class::Network,
        uploads: Some(3),
    },
    Fault {
        name: "another digest for a blob",
        answer: |asked, _| {
            is_upload(asked, "PUT")
                .then(|| Reply::status(201).with("Docker-Content-Digest", digest(b"other")))
        },
        error: Some(" in place of sha256:"),
        class: Class::Trust,
        uploads: Some(1),
    },
    Fault {
        name: "another digest for the manifest",
        answer: |asked, _| {
            (asked.method == "PUT" && asked.target.contains("/manifests/"))
                .then(|| Reply::status(201).with("Docker-Content-Digest", digest(b"other")))
        },
        error: Some(" in place of sha256:"),
        class: Class::Trust,
        uploads: Some(2),
    },
    Fault {
        name: "no Location for the upload",
        answer: |asked, _| is_upload(asked, "POST").then(|| Reply::status(202)),
        error: Some("the registry's answer has no Location for the upload"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "a place that is no web server's",
        answer: |asked, _| {
            is_upload(asked, "POST").then(|| Reply::status(202).with("Location", "ftp://h/x"))
        },
        error: Some("an upload Location without encryption"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "blobs that are claimed and are not there",
        answer: |asked, _| {
            (asked.method == "HEAD" && asked.target.contains("/blobs/")).then(|| Reply::of(b"x"))
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "no HEAD of blobs",
        answer: |asked, _| {
            (asked.method == "HEAD" && asked.target.contains("/blobs/")).then(|| Reply::status(405))
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "a manifest that is not taken",
        answer: |asked, _| {
            (asked.method == "PUT" && asked.target.contains("/manifests/"))
                .then(|| refusal(400, "MANIFEST_INVALID", "manifest invalid\\u001b[31m"))
        },
        error: Some("400 Bad Request: MANIFEST_INVALID: manifest invalid"),
        class: Class::Network,
        uploads: Some(2),
    },
    Fault {
        name: "a repository that must be created",
        answer: |asked, _| {
            is_upload(asked, "POST").then(|| refusal(404, "NAME_UNKNOWN", "no such repository"))
        },
        error: Some("404 Not Found: NAME_UNKNOWN: no such repository"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "no right to push",
        answer: |asked, _| {
            is_upload(asked, "POST").then(|| refusal(403, "DENIED", "requested access is denied"))
        },
        error: Some("the registry denies access (403): DENIED: requested access is denied"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "manifests that may be written and not read",
        answer: |asked, _| {
            (asked.method == "HEAD" && asked.target.contains("/manifests/"))
                .then(|| Reply::status(403))
        },
        error: None,
        class: Class::Other,
        uploads: Some(2),
    },
    Fault {
        name: "a login that is not asked for",
        answer: |asked, _| is_upload(asked, "POST").then(|| Reply::status(401)),
        error: Some("an unsupported kind of login: it has no WWW-Authenticate"),
        class: Class::Network,
        uploads: Some(0),
    },
    Fault {
        name: "tokens expire",
        answer: |asked, stored| {
            if asked.before == 0 && !asked.target.contains("/token") {
                stored.expire_tokens();
            }
            None
        },
        error: None,
        class: Class::Other,
        // An upload whose token has expired is sent again to the same place.
        uploads: Some(4),
    },
];

#[test]
fn pushes_survive_transient_faults_and_report_others() {
    for fault in &FAULTS {
        let name = fault.name;
        let registry = FakeRegistry::start(Asks::Bearer, fault.answer);
        let host = registry.host();
        let client = TestClient::with_logins(&logins(&host));
        let to = format!("{host}/team/debian:1");
        let image = image(&[b"layer", b"config"]);
        match (client.push(&image, &to), fault.error) {
            (Ok(_), None) => {
                let stored = registry.stored().manifests["team/debian:1"].clone();
                assert_eq!(stored.content, image.top.bytes, "{name}");
            }
            (Err(error), Some(expected)) => {
                let shown = shown(&error);
                assert!(
                    shown.starts_with(&format!("cannot push {to}: http://{host}/")),
                    "{shown}"
                );
                assert!(shown.contains(expected), "{name}: {shown}");
                for secret in [PASSWORD, LOGIN, "token-", "_state"] {
                    assert!(!shown.contains(secret), "{name}: {shown}");
                }
                assert!(!shown.contains(char::is_control), "{name}: {shown:?}");
                assert_eq!(error.class(), fault.class, "{name}");
            }
            (pushed, _) => panic!("{name}: {pushed:?}"),
        }
        if let Some(expected) = fault.uploads {
            let uploads = count(&registry, "PUT", "/blobs/");
            assert_eq!(uploads, expected, "{name}");
        }
    }
}
