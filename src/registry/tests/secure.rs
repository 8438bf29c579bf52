//! Certificates, and redirects that would give up encryption.

use super::*;
use crate::testing::registry::Asks;
use crate::testing::server::Reply;
use crate::testing::tls::{CERTIFICATE, TlsFault, TlsServer};

/// Runs itself with the test's certificate as the only one that is trusted, and with none.
#[test]
fn a_registry_with_a_certificate_is_trusted_by_it_alone() {
    const CHILD: &str = "RBOOTSTRAP_TEST_REGISTRY_CHILD";
    let registry = FakeRegistry::start(Asks::Nothing, |asked, _| {
        let plain = "http://r.example/elsewhere";
        (asked.target.ends_with("/manifests/leads-astray"))
            .then(|| Reply::status(307).with("Location", plain))
    });
    put_annotated(&registry);
    let secure = TlsServer::start(&registry.server.origin(), TlsFault::None);
    let host = secure.origin().replace("https://", "");
    let client = TestClient::new();
    let found = |tag: &str| client.look_up(&format!("{host}/team/debian:{tag}"));
    match std::env::var(CHILD).as_deref() {
        Ok("trusting") => {
            assert_eq!(found("1").unwrap().unwrap().annotations["key"], "value");
            let shown = shown(&found("leads-astray").unwrap_err());
            let expected = "a redirect is not followed: it leads to http://r.example/elsewhere";
            assert!(shown.contains(expected), "{shown}");
        }
        Ok(_) => {
            let error = found("1").unwrap_err();
            let shown = shown(&error);
            assert!(shown.contains("no secure connection"), "{shown}");
        }
        Err(_) => {
            let certificate = client.path("certificate.pem");
            fs::write(&certificate, CERTIFICATE).unwrap();
            let test =
                "registry::tests::secure::a_registry_with_a_certificate_is_trusted_by_it_alone";
            for (case, file) in [
                ("trusting", certificate),
                ("distrusting", "/dev/null".into()),
            ] {
                let child = std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", test])
                    .env("SSL_CERT_FILE", file)
                    .env("SSL_CERT_DIR", "/nonexistent")
                    .env(CHILD, case)
                    .output()
                    .unwrap();
                let output = String::from_utf8_lossy(&child.stdout).into_owned();
                assert!(child.status.success(), "{case}: {output}");
                assert!(output.contains("1 passed"), "{case}: {output}");
            }
        }
    }
}
