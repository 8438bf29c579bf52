//! Pushing images to registries with faults: what is sent, and what is said.

use std::io::Write;

use super::*;
use crate::pack::oci::{FilePart, StoredBlob, StoredDocument, StoredImage};
use crate::testing::registry::{Asks, parameter, refusal};
use crate::testing::server::{Asked, Reply, Server, Then};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn blob(content: &[u8]) -> StoredBlob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    file.write_all(content).unwrap();
    StoredBlob {
        digest: digest(content),
        content: FilePart {
            file: Arc::new(file),
            offset: 6,
            size: content.len() as u64,
        },
    }
}

/// A manifest of these blobs, the last of which is the configuration.
fn manifest(contents: &[&[u8]]) -> StoredDocument {
    let mut blobs = Vec::new();
    for content in contents {
        blobs.push(blob(content));
    }
    let named = |blob: &StoredBlob| serde_json::json!({ "digest": blob.digest });
    let (config, layers) = blobs.split_last().unwrap();
    let layers: Vec<serde_json::Value> = layers.iter().map(named).collect();
    let document = serde_json::json!({ "config": named(config), "layers": layers });
    let bytes = serde_json::to_vec(&document).unwrap();
    StoredDocument {
        media_type: MANIFEST.to_owned(),
        digest: digest(&bytes),
        bytes,
        blobs,
    }
}

pub(super) fn image(contents: &[&[u8]]) -> StoredImage {
    StoredImage {
        name: None,
        parts: Vec::new(),
        top: manifest(contents),
    }
}

/// An index of two images.
fn index() -> StoredImage {
    let parts = vec![
        manifest(&[b"layer", b"amd64"]),
        manifest(&[b"layer", b"arm64"]),
    ];
    let named = |part: &StoredDocument| serde_json::json!({ "digest": part.digest });
    let manifests: Vec<serde_json::Value> = parts.iter().map(named).collect();
    let bytes = serde_json::to_vec(&serde_json::json!({ "manifests": manifests })).unwrap();
    StoredImage {
        name: None,
        parts,
        top: StoredDocument {
            media_type: INDEX.to_owned(),
            digest: digest(&bytes),
            bytes,
            blobs: Vec::new(),
        },
    }
}

impl TestClient {
    pub(super) fn destination(&self, name: &str) -> Destination {
        self.client.destination(&Reference::parse(name).unwrap())
    }

    pub(super) fn push(&self, image: &StoredImage, name: &str) -> Result<Pushed, Error> {
        self.destination(name).push(image, None)
    }
}

pub(super) fn is_upload(asked: &Asked, method: &str) -> bool {
    asked.method == method && asked.target.contains("/blobs/uploads/")
}

/// How many requests of a kind there were: `PUT /blobs/`.
pub(super) fn count(registry: &FakeRegistry, method: &str, part: &str) -> usize {
    let asked = registry.server.asked();
    let is_such = |asked: &&Asked| asked.method == method && asked.target.contains(part);
    asked.iter().filter(is_such).count()
}

#[test]
fn a_registry_gets_what_it_lacks() {
    let registry = FakeRegistry::open();
    let host = registry.host();
    let client = TestClient::new();
    let first = image(&[b"layer", b"config"]);
    let name = |name: &str| format!("{host}/{name}");
    // Each push with its changes: uploaded blobs, manifests.
    let table: [(&str, StoredImage, &str, [usize; 2]); 8] = [
        ("the first", first, "team/debian:1", [2, 1]),
        (
            "again",
            image(&[b"layer", b"config"]),
            "team/debian:1",
            [0, 0],
        ),
        (
            "another tag",
            image(&[b"layer", b"config"]),
            "team/debian:2",
            [0, 1],
        ),
        (
            "another image",
            image(&[b"layer", b"other"]),
            "team/debian:1",
            [1, 1],
        ),
        (
            "another repository",
            image(&[b"layer", b"config"]),
            "team/copy:1",
            [2, 1],
        ),
        // Both have one layer, which is there.
        ("an index", index(), "team/debian:index", [2, 3]),
        ("the index again", index(), "team/debian:index", [0, 0]),
        (
            "the index under another tag",
            index(),
            "team/debian:latest",
            [0, 1],
        ),
    ];
    for (case, image, to, changes) in table {
        registry.server.clear_log();
        let pushed = client.push(&image, &name(to)).unwrap();
        let found = [
            count(&registry, "PUT", "/blobs/"),
            count(&registry, "PUT", "/manifests/"),
        ];
        assert_eq!(found, changes, "{case}");
        assert_eq!(count(&registry, "POST", ""), changes[0], "{case}");
        assert_eq!(pushed.is_unchanged, changes == [0, 0], "{case}");
        assert_eq!(pushed.digest, image.top.digest, "{case}");
        let key = to.to_owned();
        let stored = registry.stored().manifests[&key].clone();
        assert_eq!(stored.content, image.top.bytes, "{case}");
        assert_eq!(stored.media_type, image.top.media_type, "{case}");
        let repository = to.rsplit_once(':').unwrap().0;
        assert_eq!(
            pushed.by_digest(),
            format!("{host}/{repository}@{}", pushed.digest)
        );
        for part in image.parts.iter().chain([&image.top]) {
            for blob in &part.blobs {
                let key = format!("{repository}@{}", blob.digest);
                assert!(registry.stored().blobs.contains_key(&key), "{case}");
            }
        }
    }
}

/// A registry can lose a part and keep the manifest or the index that names it.
#[test]
fn what_a_registry_has_lost_is_sent_again() {
    let table = [
        ("a layer", image(&[b"layer", b"config"])),
        ("a part of an index", index()),
    ];
    for (name, image) in table {
        let registry = FakeRegistry::open();
        let host = registry.host();
        let client = TestClient::new();
        client
            .push(&image, &format!("{host}/team/debian:1"))
            .unwrap();
        let lost = match image.parts.first() {
            Some(part) => format!("team/debian:{}", part.digest),
            None => format!("team/debian@{}", image.top.blobs[0].digest),
        };
        let mut stored = registry.stored();
        let is_lost = stored.manifests.remove(&lost).is_some();
        assert!(is_lost || stored.blobs.remove(&lost).is_some(), "{name}");
        drop(stored);
        let pushed = client.push(&image, &format!("{host}/team/debian:2"));
        assert!(!pushed.unwrap().is_unchanged, "{name}");
        let stored = registry.stored();
        let is_there = stored.manifests.contains_key(&lost) || stored.blobs.contains_key(&lost);
        assert!(is_there, "{name}");
        let top = &stored.manifests["team/debian:2"].content;
        assert_eq!(*top, image.top.bytes, "{name}");
    }
}

#[test]
fn hints_say_what_helps() {
    let table = [
        ("no login", "{}", 403, "DENIED", "there is no login for "),
        (
            "a login",
            "LOGINS",
            403,
            "DENIED",
            "is wrong, or may not push there",
        ),
        (
            "no repository",
            "LOGINS",
            404,
            "NAME_UNKNOWN",
            "the repository to be created",
        ),
        ("too often", "LOGINS", 429, "TOOMANYREQUESTS", "--tries"),
    ];
    for (name, text, status, code, expected) in table {
        let asks = if text == "{}" {
            Asks::Nothing
        } else {
            Asks::Basic
        };
        let registry = FakeRegistry::start(asks, move |asked, _| {
            let is_let_in = asks == Asks::Nothing || !asked.header("authorization").is_empty();
            (is_upload(asked, "POST") && is_let_in)
                .then(|| refusal(status, code, "x").with("Retry-After", "0"))
        });
        let host = registry.host();
        let client = TestClient::with_logins(&text.replace("LOGINS", &logins(&host)));
        let destination = client.destination(&format!("{host}/team/debian:1"));
        let error = destination.try_out().unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(expected), "{name}: {hint}");
    }
}

#[test]
fn testing_for_upload_rights_leaves_nothing() {
    let registry = FakeRegistry::start(Asks::Bearer, |_, _| None);
    let host = registry.host();
    let client = TestClient::with_logins(&logins(&host));
    client
        .destination(&format!("{host}/team/debian:1"))
        .try_out()
        .unwrap();
    // The first is answered with the challenge.
    let path = "/v2/team/debian/blobs/uploads/";
    let expected = [
        format!("POST {path}"),
        format!("POST {path}"),
        format!("DELETE {path}1"),
    ];
    assert_eq!(registry.changes(), expected);
}

#[test]
fn a_registry_that_names_no_digest_is_asked_for_the_manifest() {
    let image = image(&[b"layer", b"config"]);
    let content = image.top.bytes.clone();
    let registry = FakeRegistry::start(Asks::Nothing, move |asked, _| {
        asked
            .target
            .ends_with("/manifests/1")
            .then(|| Reply::of(&content))
    });
    let client = TestClient::new();
    let pushed = client.push(&image, &format!("{}/team/debian:1", registry.host()));
    assert!(pushed.unwrap().is_unchanged);
    assert_eq!(registry.changes(), Vec::<String>::new());
}

/// Some registries have their clients upload to another server.
#[test]
fn an_upload_to_another_host_carries_no_login() {
    let elsewhere = Server::start(|_| Reply::status(201));
    let place = elsewhere
        .url("upload?signature=s3cret")
        .replace("127.0.0.1", "localhost");
    let registry = FakeRegistry::start(Asks::Basic, move |asked, stored| {
        let is_let_in = !asked.header("authorization").is_empty();
        if is_let_in && asked.method == "PUT" && asked.target.contains("/manifests/") {
            for content in [b"layer".as_slice(), b"config"] {
                let key = format!("team/debian@{}", digest(content));
                stored.blobs.insert(key, content.to_vec());
            }
        }
        (is_let_in && is_upload(asked, "POST"))
            .then(|| Reply::status(202).with("Location", place.clone()))
    });
    let host = registry.host();
    let client = TestClient::with_logins(&logins(&host));
    let image = image(&[b"layer", b"config"]);
    client
        .push(&image, &format!("{host}/team/debian:1"))
        .unwrap();
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2);
    for (asked, content) in asked.iter().zip([b"layer".as_slice(), b"config"]) {
        assert_eq!(asked.header("authorization"), "");
        assert_eq!(asked.body, content);
        assert_eq!(asked.header("content-length"), content.len().to_string());
        assert_eq!(parameter(asked, "signature").as_deref(), Some("s3cret"));
    }
}

#[test]
#[ignore = "needs time"]
fn a_large_blob_arrives_whole_and_an_interrupt_ends_it() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let image = image(&[&content, b"config"]);
    let registry = FakeRegistry::open();
    let client = TestClient::new();
    let pushed = client.push(&image, &format!("{}/big:1", registry.host()));
    assert_eq!(pushed.unwrap().sent, 3_000_006);
    let key = format!("big@{}", digest(&content));
    assert!(registry.stored().blobs[&key] == content);

    let silent = FakeRegistry::start(Asks::Nothing, |asked, _| {
        is_upload(asked, "PUT").then(|| Reply::raw("HTTP/1.1 2", b"").cut(0, Then::Hang))
    });
    let to = format!("{}/big:1", silent.host());
    let hasty = TestClient::with("{}", Duration::from_millis(100));
    let shown = shown(&hasty.push(&image, &to).unwrap_err());
    assert!(shown.contains("no data for 0.1 s"), "{shown}");
    let client = TestClient::new();
    let interrupt = client.interrupt.clone();
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| client.push(&image, &to).unwrap_err());
        std::thread::sleep(Duration::from_millis(200));
        interrupt.raise(2);
        assert!(super::shown(&pushing.join().unwrap()).ends_with("cancelled"));
    });
}
