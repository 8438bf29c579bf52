//! HTTPS: certificates, names, handshakes and redirects to it.

use std::fs;
use std::process::Command;

use rbootstrap::testing::server::{Reply, Server};
use rbootstrap::testing::tls::{CERTIFICATE, EXPIRED_CERTIFICATE, TlsFault, TlsServer};

use super::{Deb, Release, archive, serve};
use crate::context::{TestContext, outcome};
use crate::table::{self, Row};

/// The certificates that the program trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusted {
    Server,
    Expired,
    Nothing,
}

/// How the server is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    /// By a name that the certificate does not have.
    WrongName,
    /// By a redirect from plain HTTP.
    FromHttp,
    /// The server redirects the .deb to plain HTTP.
    ToHttp,
    /// The port of the plain HTTP server.
    PlainPort,
    /// A faulty server, before a plain mirror that is good.
    Failover,
}

struct Secure {
    name: &'static str,
    fault: TlsFault,
    trusted: Trusted,
    way: Way,
    code: i32,
    says: &'static str,
}

impl Row for Secure {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let context = archive();
        let root = context.archive.root.clone();
        let plain = serve(root.clone(), Release, |_, content| Reply::of(content));
        let behind = match self.way {
            Way::ToHttp => serve(root, Deb, |_, _| {
                Reply::status(302).with("Location", "http://127.0.0.1:1/x.deb")
            }),
            _ => serve(root, Release, |_, content| Reply::of(content)),
        };
        let secure = TlsServer::start(&behind.origin(), self.fault);
        let origin = secure.origin();
        let redirecting = Server::start(move |asked| {
            Reply::status(302).with("Location", format!("{origin}{}", asked.target))
        });
        let mirror = match self.way {
            Way::Direct | Way::ToHttp | Way::Failover => secure.origin(),
            Way::WrongName => secure.wrong_origin(),
            Way::FromHttp => redirecting.origin(),
            Way::PlainPort => plain.origin().replace("http:", "https:"),
        };
        let mut command = self.command(&context);
        if self.way == Way::Failover {
            command.args(["--mirror", &plain.origin()]);
        }
        command.args(["fake", "root", &mirror]);
        outcome(&mut command).fails(self.code).names(&[self.says]);
        context.assert_nothing_besides_target();
    }
}

impl Secure {
    fn command(&self, context: &TestContext) -> Command {
        let roots = context.path("home/roots.pem");
        let certificates = match self.trusted {
            Trusted::Server => CERTIFICATE,
            Trusted::Expired => EXPIRED_CERTIFICATE,
            Trusted::Nothing => "",
        };
        fs::write(&roots, certificates).unwrap();
        let mut command = context.command();
        command
            .env("SSL_CERT_FILE", roots)
            .env("SSL_CERT_DIR", "/nonexistent")
            .args(["--download-only", "--variant=essential"])
            .args(["--tries=1", "--timeout=0.6", "--mirror-wait=0"]);
        command
    }
}

const INSECURE: &str = "no secure connection";

/// Name, fault, trusted certificates, way, exit code, words.
const CASES: [(&str, TlsFault, Trusted, Way, i32, &str); 15] = [
    (
        "a good server",
        TlsFault::None,
        Trusted::Server,
        Way::Direct,
        0,
        "",
    ),
    (
        "a redirect from plain HTTP",
        TlsFault::None,
        Trusted::Server,
        Way::FromHttp,
        0,
        "",
    ),
    (
        "no end of TLS",
        TlsFault::NoCloseNotify,
        Trusted::Server,
        Way::Direct,
        0,
        "",
    ),
    (
        "an unknown certificate",
        TlsFault::None,
        Trusted::Expired,
        Way::Direct,
        5,
        INSECURE,
    ),
    (
        "no certificates on the host",
        TlsFault::None,
        Trusted::Nothing,
        Way::Direct,
        5,
        INSECURE,
    ),
    (
        "another name",
        TlsFault::None,
        Trusted::Server,
        Way::WrongName,
        5,
        INSECURE,
    ),
    (
        "an expired certificate",
        TlsFault::ExpiredCertificate,
        Trusted::Expired,
        Way::Direct,
        5,
        INSECURE,
    ),
    (
        "an answer that is not TLS",
        TlsFault::Garbage,
        Trusted::Server,
        Way::Direct,
        5,
        INSECURE,
    ),
    (
        "plain HTTP on its port",
        TlsFault::None,
        Trusted::Server,
        Way::PlainPort,
        5,
        "no connection",
    ),
    (
        "closed after the greeting",
        TlsFault::CloseAfterHello,
        Trusted::Server,
        Way::Direct,
        5,
        "connection",
    ),
    (
        "no answer to the greeting",
        TlsFault::Silence,
        Trusted::Server,
        Way::Direct,
        5,
        "timed out",
    ),
    (
        "a redirect to plain HTTP",
        TlsFault::None,
        Trusted::Server,
        Way::ToHttp,
        5,
        "from https to http",
    ),
    (
        "garbage, then a good mirror",
        TlsFault::Garbage,
        Trusted::Server,
        Way::Failover,
        0,
        "",
    ),
    (
        "unknown, then a good mirror",
        TlsFault::None,
        Trusted::Expired,
        Way::Failover,
        0,
        "",
    ),
    (
        "silence, then a good mirror",
        TlsFault::Silence,
        Trusted::Server,
        Way::Failover,
        0,
        "",
    ),
];

#[test]
#[ignore = "needs time"]
fn tls() {
    let mut cases = Vec::new();
    for (name, fault, trusted, way, code, says) in CASES {
        cases.push(Secure {
            name,
            fault,
            trusted,
            way,
            code,
            says,
        });
    }
    table::run("faults: TLS", 15, &cases);
}
