//! Mounting blobs from another repository of a registry, and what follows where that fails.

use super::push::{count, image};
use super::*;
use crate::testing::registry::{Asks, parameter, refusal};
use crate::testing::server::{Asked, Reply};

/// What a registry does about a mount that has a token, and what a push does then.
struct MountCase {
    name: &'static str,
    answer: fn(&Asked) -> Option<Reply>,
    /// Uploaded blobs, manifests.
    changes: [usize; 2],
    /// How many mounts are asked for with a token.
    mounts: usize,
}

const MOUNTS: [MountCase; 5] = [
    MountCase {
        name: "permitted",
        answer: |_| None,
        changes: [0, 1],
        mounts: 2,
    },
    MountCase {
        name: "denied, which counts for all blobs",
        answer: |_| Some(refusal(403, "DENIED", "no access to the source")),
        changes: [2, 1],
        mounts: 1,
    },
    MountCase {
        name: "unsupported",
        answer: |_| Some(refusal(405, "UNSUPPORTED", "no mounts")),
        changes: [2, 1],
        mounts: 2,
    },
    MountCase {
        // The first request of all has no token.
        name: "overloaded for a moment",
        answer: |asked| (asked.before == 1).then(|| Reply::status(503)),
        changes: [0, 1],
        mounts: 3,
    },
    MountCase {
        name: "too many requests for a moment",
        answer: |asked| {
            let slow_down = || refusal(429, "TOOMANYREQUESTS", "x").with("Retry-After", "0");
            (asked.before == 1).then(slow_down)
        },
        changes: [0, 1],
        mounts: 3,
    },
];

#[test]
fn blobs_are_mounted_from_the_destination_before() {
    for case in &MOUNTS {
        let name = case.name;
        let is_mount = |asked: &Asked| {
            !asked.header("authorization").is_empty() && parameter(asked, "mount").is_some()
        };
        let registry = FakeRegistry::start(Asks::Bearer, move |asked, _| {
            if is_mount(asked) {
                return (case.answer)(asked);
            }
            None
        });
        let host = registry.host();
        let client = TestClient::with_logins(&logins(&host));
        let image = image(&[b"layer", b"config"]);
        let first = client.destination(&format!("{host}/team/debian:1"));
        first.push(&image, None).unwrap();
        registry.server.clear_log();
        let second = client.destination(&format!("{host}/other/debian:1"));
        let pushed = second.push(&image, Some(&first)).unwrap();
        let found = [
            count(&registry, "PUT", "/blobs/"),
            count(&registry, "PUT", "/manifests/"),
        ];
        assert_eq!(found, case.changes, "{name}");
        let size = if case.changes[0] == 0 { 0 } else { 11 };
        assert_eq!(pushed.sent, size, "{name}");
        let asked = registry.server.asked();
        let mounts = asked.iter().filter(|asked| is_mount(asked)).count();
        assert_eq!(mounts, case.mounts, "{name}");
        let scope = "scope=repository%3Aother%2Fdebian%3Apull%2Cpush\
                     &scope=repository%3Ateam%2Fdebian%3Apull";
        assert!(
            asked.iter().any(|asked| asked.target.contains(scope)),
            "{name}"
        );
    }
}
