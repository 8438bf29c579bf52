//! HTTPS on loopback: passes what it decrypts to a [`Server`](super::server), with faults of TLS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What goes wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    None,
    /// The connection ends without TLS's own end, as if it was cut.
    NoCloseNotify,
    /// The answer to the client's greeting is not TLS.
    Garbage,
    /// The connection is closed after the client's greeting.
    CloseAfterHello,
    /// There is no answer to the client's greeting.
    Silence,
    /// The certificate has expired.
    ExpiredCertificate,
}

/// A running HTTPS server, whose thread ends with the process.
pub struct TlsServer {
    address: SocketAddr,
}

struct Connections {
    config: Arc<rustls::ServerConfig>,
    fault: TlsFault,
    /// The HTTP server behind it.
    behind: SocketAddr,
}

impl TlsServer {
    /// Serves what the HTTP server at `origin` (`http://127.0.0.1:PORT`) serves.
    pub fn start(origin: &str, fault: TlsFault) -> TlsServer {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (certificate, key) = match fault {
            TlsFault::ExpiredCertificate => (EXPIRED_CERTIFICATE, EXPIRED_KEY),
            _ => (CERTIFICATE, KEY),
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let connections = Arc::new(Connections {
            config: Arc::new(config),
            fault,
            behind: origin.trim_start_matches("http://").parse().unwrap(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connections = Arc::clone(&connections);
                // Most clients of a faulty server close the connection.
                thread::spawn(move || drop(connections.serve(stream)));
            }
        });
        TlsServer { address }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The same server under a name that is not in its certificate.
    pub fn wrong_origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

impl Connections {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        match self.fault {
            TlsFault::Garbage => return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"),
            TlsFault::CloseAfterHello => return stream.read(&mut [0; 512]).map(drop),
            TlsFault::Silence => return io::copy(&mut stream, &mut io::sink()).map(drop),
            TlsFault::None | TlsFault::NoCloseNotify | TlsFault::ExpiredCertificate => {}
        }
        let connection = rustls::ServerConnection::new(Arc::clone(&self.config));
        let connection = connection.map_err(io::Error::other)?;
        let mut client = BufReader::new(rustls::StreamOwned::new(connection, stream));
        let mut behind = TcpStream::connect(self.behind)?;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if client.read_line(&mut line)? == 0 {
                return Ok(());
            }
            behind.write_all(line.as_bytes())?;
        }
        // One request a connection: the end of the answer is the end of the connection.
        behind.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        behind.read_to_end(&mut answer)?;
        let client = client.get_mut();
        client.write_all(&answer)?;
        if self.fault != TlsFault::NoCloseNotify {
            client.conn.send_close_notify();
        }
        client.flush()
    }
}

/// A self-signed certificate for 127.0.0.1. The key is public, so only tests trust it.
pub const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBizCCATGgAwIBAgIURbKAjp8qmisTGjOHjt1LLpUE07MwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIbG9vcGJhY2swIBcNMjYxMTIyMTg0MzU1WhgPMjEyNjEwMjkx
ODQzNTVaMBMxETAPBgNVBAMMCGxvb3BiYWNrMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAELTMhs5L9QXj/Efq3DIKXJRugblNqiYsD2eNy8flkOC345xAD6tYHR2Zd
5PpNQd+LDN03vQaQBBrhiTswzewptKNhMF8wHQYDVR0OBBYEFCMWDti9/TqeGIEL
CE1svV6ItOgCMB8GA1UdIwQYMBaAFCMWDti9/TqeGIELCE1svV6ItOgCMA8GA1Ud
EQQIMAaHBH8AAAEwDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNIADBFAiAqJR2X
Ps1KyoNXiM1wUebbcXta/GqFx9kC8qfKFva0aAIhAL1WwdcPTqoMlxTWO/6dET02
iB96BzaEmsYRw22Esz2L
-----END CERTIFICATE-----
";

pub const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgw9P3HwNLpMH+6Z/E
hkjHmjxoDT9jLC6q/xCOTGQO/dehRANCAAQtMyGzkv1BeP8R+rcMgpclG6BuU2qJ
iwPZ43Lx+WQ4LfjnEAPq1gdHZl3k+k1B34sM3Te9BpAEGuGJOzDN7Cm0
-----END PRIVATE KEY-----
";

/// As [`CERTIFICATE`], until the end of 2020.
pub const EXPIRED_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBVDCB+6ADAgECAgEBMAoGCCqGSM49BAMCMBMxETAPBgNVBAMMCGxvb3BiYWNr
MB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowEzERMA8GA1UEAwwIbG9v
cGJhY2swWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQPnQ7S6En+2QJeze9uGFBx
azeeDctdwXztc/RyQsRV5x9Mu5rPfdAcf+45n0IaPGbOvi0dQGS5OpmqkcHUlvQP
o0AwPjAPBgNVHREECDAGhwR/AAABMAwGA1UdEwEB/wQCMAAwHQYDVR0OBBYEFEDG
JSkzku9vpV+sH4yPafqASba6MAoGCCqGSM49BAMCA0gAMEUCIBv97OMEE+26CTy4
r663Iz+fcaLL1xvFfT9zr437Rc8TAiEAonaSybv2FG92mvxZfAzoeuzkzAVctaW2
gVILQk9Txdw=
-----END CERTIFICATE-----
";

const EXPIRED_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGKl3ilqw4lsjjJ1a
Lua1Mem+4/vcFUZQvg58BwEoogehRANCAAQPnQ7S6En+2QJeze9uGFBxazeeDctd
wXztc/RyQsRV5x9Mu5rPfdAcf+45n0IaPGbOvi0dQGS5OpmqkcHUlvQP
-----END PRIVATE KEY-----
";
