//! Certificates and proxies.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::testing::tls::{CERTIFICATE, KEY};

#[test]
fn proxies_of_the_environment_are_used() {
    const CHILD: &str = "RBOOTSTRAP_TEST_PROXY_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            cache: None,
            state: None,
            temporary: directory.path().to_owned(),
            limits: limits(Duration::from_secs(30)),
            tries: 1,
            proxies: Proxies::default(),
            credentials: std::sync::Arc::default(),
        };
        let store = Store::open(options, Report::silent()).unwrap();
        let content = store
            .read(&["http://mirror.invalid/g++".to_owned()], 100)
            .unwrap()
            .content;
        assert_eq!(content, b"http://mirror.invalid/g%2b%2b");
        return;
    }
    let proxy = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::secure::proxies_of_the_environment_are_used",
        ])
        .env(CHILD, "1")
        .env(
            "http_proxy",
            proxy.url("").replace("http://", "http://me:word@"),
        )
        .env_remove("HTTP_PROXY")
        .env_remove("REQUEST_METHOD")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert_eq!(
        proxy.asked()[0].header("proxy-authorization"),
        "Basic bWU6d29yZA=="
    );

    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        cache: None,
        state: None,
        temporary: directory.path().to_owned(),
        limits: limits(Duration::from_secs(30)),
        tries: 1,
        proxies: Proxies::default(),
        credentials: std::sync::Arc::default(),
    };
    let store = Store::open_through(&proxy.url(""), options.clone(), Report::silent()).unwrap();
    assert_eq!(
        store
            .read(&["http://other.invalid/".to_owned()], 100)
            .unwrap()
            .content,
        b"http://other.invalid/"
    );
    assert!(matches!(
        Store::open_through("ftp://h", options, Report::silent()),
        Err(Error::BadUrl { .. })
    ));
}

#[test]
fn certificates_are_checked_and_https_never_becomes_http() {
    const CHILD: &str = "RBOOTSTRAP_TEST_TLS_CHILD";
    let plain = Server::start(|_| Reply::of(b"x"));
    let secure = Secure::start(plain.url("a"));
    let strange = TestStore::uncached().store;
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(
            strange.read(&[plain.url("a")], 1).unwrap().content,
            b"x",
            "plain HTTP needs no certificates"
        );
        let error = strange.read(&[secure.url("good")], 9).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Refused {
                    obstacle: Obstacle::NoRoots,
                    ..
                }
            ),
            "{error:?}"
        );
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::secure::certificates_are_checked_and_https_never_becomes_http",
        ])
        .env(CHILD, "1")
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );

    let error = strange.read(&[secure.url("good")], 9).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Refused {
                obstacle: Obstacle::Tls | Obstacle::NoRoots,
                ..
            }
        ),
        "{error:?}"
    );

    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        cache: None,
        state: None,
        temporary: directory.path().to_owned(),
        limits: limits(Duration::from_secs(30)),
        tries: 1,
        proxies: Proxies::default(),
        credentials: std::sync::Arc::default(),
    };
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap())
        .unwrap();
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = client::builder()
        .unwrap()
        .no_proxy()
        .tls_backend_preconfigured(tls);
    let trusting = Store::with(options, Report::silent(), client, FIRST_PAUSE).unwrap();
    assert_eq!(
        trusting.read(&[secure.url("good")], 9).unwrap().content,
        b"secure"
    );
    let before = plain.asked().len();
    let error = trusting.read(&[secure.url("down")], 9).unwrap_err();
    assert!(
        with_causes(&error).contains("it leads from https to http://127.0.0.1:"),
        "{}",
        with_causes(&error)
    );
    assert_eq!(plain.asked().len(), before);
}

/// An HTTPS server on loopback that answers `/good` and redirects the rest to `elsewhere`.
struct Secure {
    address: SocketAddr,
}

impl Secure {
    fn start(elsewhere: String) -> Secure {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // The thread ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                // Most clients here close the connection when they see the certificate.
                let _ = stream.and_then(|s| Secure::serve(s, &config, &elsewhere));
            }
        });
        Secure { address }
    }

    fn serve(
        stream: TcpStream,
        config: &Arc<rustls::ServerConfig>,
        elsewhere: &str,
    ) -> std::io::Result<()> {
        let connection =
            rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
        let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
        let mut first = String::new();
        let mut line = String::new();
        stream.read_line(&mut first)?;
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line)?;
        }
        let stream = stream.get_mut();
        if first.contains("/good") {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecure",
            )?;
        } else {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            )?;
        }
        stream.conn.send_close_notify();
        stream.flush()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }
}
