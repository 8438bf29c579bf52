"""A TLS server and clients in one container: `make` makes an authority's certificate and the
server's, `trust` adds the authority to the certificates of the image, `connect` says for each
client whether it trusts the server."""

import http.server
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
AUTHORITY = Path("/authority.pem")
SERVER = Path("/server.pem")
CONFIGURATION = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def make() -> None:
    Path("/configuration").write_text(CONFIGURATION)
    certificate("authority", AUTHORITY)
    certificate("server", SERVER, "-CA", str(AUTHORITY), "-CAkey", "/authority.key")
    # nonroot starts the server.
    Path("/server.key").chmod(0o644)


def certificate(kind: str, file: Path, *options: str) -> None:
    command = ["openssl", "req", "-x509", "-config", "/configuration", "-extensions", kind]
    command += ["-newkey", "rsa:2048", "-nodes", "-keyout", f"/{kind}.key", "-out", str(file)]
    subprocess.run([*command, "-subj", f"/CN={kind}", *options], check=True)


def trust() -> None:
    BUNDLE.write_text(BUNDLE.read_text() + AUTHORITY.read_text())


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


def connect() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SERVER, "/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"localhost:{server.server_port}"
    print("python:", by_python(name))
    print("curl:", by_program("curl", "-sS", f"https://{name}/"))
    options = ["-connect", name, "-verify_return_error", "-verify_hostname", "localhost"]
    print("openssl:", by_program("openssl", "s_client", "-brief", *options))


def by_python(name: str) -> str:
    try:
        with urllib.request.urlopen(f"https://{name}/") as answer:
            return answer.read().decode()
    except urllib.error.URLError as error:
        return said(str(error))


def by_program(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        return said(done.stdout + done.stderr)
    return done.stdout or "hello"


def said(text: str) -> str:
    """Why a client does not trust the server, as OpenSSL says it to each."""
    reason = "unable to get local issuer certificate"
    return reason if reason in text else f"another failure: {text}"


{"make": make, "trust": trust, "connect": connect}[sys.argv[1]]()
