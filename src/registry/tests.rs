//! The client against registries on loopback, with logins and faults.

#![expect(clippy::disallowed_methods, reason = "tests make files of their own")]

mod faults;
mod logins;
mod look_up;
mod mounts;
mod push;
mod secure;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::session::{Repository, Rights};
use super::{Access, Client, Destination, Error, LoginPath, Options, Pushed, RemoteImage};
use crate::failure::with_causes;
use crate::interrupt::Interrupt;
use crate::pack::oci::Reference;
use crate::report::Report;
use crate::store::{Proxies, TransferLimits};
use crate::testing::registry::{FakeRegistry, Manifest, digest};

/// A client with its credentials file.
struct TestClient {
    client: Arc<Client>,
    directory: TempDir,
    interrupt: Interrupt,
}

impl TestClient {
    /// A client with this text as its credentials file.
    fn with_logins(text: &str) -> TestClient {
        TestClient::with(text, Duration::from_secs(20))
    }

    fn new() -> TestClient {
        TestClient::with_logins("{}")
    }

    fn with(logins: &str, timeout: Duration) -> TestClient {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        fs::write(&path, logins).unwrap();
        let interrupt = Interrupt::default();
        let options = Options {
            access: Access {
                logins: vec![LoginPath {
                    path,
                    is_named: true,
                }],
                plain: Vec::new(),
            },
            limits: TransferLimits {
                timeout,
                lowest_rate: 0,
            },
            tries: 3,
            proxies: Proxies::default(),
        };
        let client = Client::open(options, &interrupt, &Report::silent()).unwrap();
        let mut client = Arc::into_inner(client).unwrap();
        client.first_pause = Duration::from_millis(5);
        TestClient {
            client: Arc::new(client),
            directory,
            interrupt,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn look_up(&self, name: &str) -> Result<Option<RemoteImage>, Error> {
        self.client.look_up(&Reference::parse(name).unwrap())
    }
}

/// `"auths"` with the login that registries here know.
fn logins(host: &str) -> String {
    let login = crate::testing::registry::LOGIN;
    format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{login}\"}}}}}}")
}

fn shown(error: &Error) -> String {
    with_causes(error)
}

/// Puts a manifest with an annotation `key`=`value` into the registry, as `team/debian:1`.
fn put_annotated(registry: &FakeRegistry) -> String {
    let content = br#"{"schemaVersion":2,"annotations":{"key":"value"}}"#.to_vec();
    let digest = digest(&content);
    let manifest = Manifest {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        content,
    };
    let mut stored = registry.stored();
    stored
        .manifests
        .insert("team/debian:1".to_owned(), manifest);
    digest
}
