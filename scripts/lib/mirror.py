"""A mirror on loopback that fetches each file once and stores it.

It fetches `/debian/…` and `/ubuntu/…` from the host's main mirror and `/debian-security/…` from its
security mirror, as apt is configured, or from the archive's own server. `--upstream NAME=URL` sets
the source of any other first component. It never requests again what is stored or was missing: two
tools that use the same directory see the same archive, and with `offline` nothing is requested.
"""

from __future__ import annotations

import argparse
import email.utils
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

ATTEMPTS = 3
TIMEOUT = 60.0
"""Seconds without a byte from upstream."""


def host_upstreams() -> dict[str, str]:
    """The mirrors in the host's apt configuration, else the archives' own servers."""
    found = {
        "debian-security": "http://security.debian.org/debian-security",
        "debian": "http://ftp.debian.org/debian",
        "ubuntu": "http://archive.ubuntu.com/ubuntu",
    }
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(
        file.read_text(errors="replace")
        for file in files
        if file.suffix in (".list", ".sources") and file.is_file()
    )
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for url in reversed(re.findall(r"https?://[^\s\]]+", text)):
        url = url.rstrip("/")
        name = url.rsplit("/", 1)[-1]
        if name in found:
            found[name] = url
    return found


class Missing(Exception):
    """Upstream does not have it."""


class Unreachable(Exception):
    """Upstream did not answer, or not with the file."""


class Store:
    """The directory, and what it takes to get a file into it."""

    def __init__(
        self, directory: Path, upstreams: dict[str, str] | None = None, offline: bool = False
    ) -> None:
        self.directory = directory.resolve()
        self.upstreams = host_upstreams() | (upstreams or {})
        self.offline = offline
        self._guard = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}
        (self.directory / ".missing").mkdir(parents=True, exist_ok=True)

    def file(self, path: str) -> Path:
        """The stored file of a path such as `debian/dists/trixie/InRelease`, fetched if missing."""
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or parts[0].startswith("."):
            raise Missing(path)
        stored = self.directory / path
        if stored.is_file():
            return stored
        with self._alone(path):
            if stored.is_file():
                return stored
            marker = self.directory / ".missing" / path.replace("/", "%2F")[-250:]
            if self.offline or marker.exists() or parts[0] not in self.upstreams:
                raise Missing(path)
            try:
                self._fetch(path, stored)
            except Missing:
                marker.touch()
                raise
        return stored

    def forget(self, pattern: str) -> None:
        """Drops what matches, so that it is fetched afresh; and everything that was missing."""
        for found in self.directory.glob(pattern):
            shutil.rmtree(found) if found.is_dir() else found.unlink()
        for marker in (self.directory / ".missing").iterdir():
            marker.unlink()

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        """One thread a path; the locks are few and small enough to be kept."""
        with self._guard:
            lock = self._fetching.setdefault(path, threading.Lock())
        with lock:
            yield

    def _fetch(self, path: str, stored: Path) -> None:
        name, _, rest = path.partition("/")
        url = f"{self.upstreams[name]}/{urllib.parse.quote(rest, safe='/~+:')}"
        stored.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._download(url, stored)
            except urllib.error.HTTPError as error:
                if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                    raise Missing(path) from error
                failure: Exception = error
            except (OSError, EOFError) as error:
                failure = error
            if attempt < ATTEMPTS:
                time.sleep(attempt)
        raise Unreachable(f"{url}: {failure}") from failure

    def _download(self, url: str, stored: Path) -> None:
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix=".part-", delete=False) as part:
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                    shutil.copyfileobj(response, part, 1 << 20)
                    expected, modified = (
                        response.headers.get("Content-Length"),
                        response.headers.get("Last-Modified"),
                    )
                part.flush()
                if expected is not None and int(expected) != os.fstat(part.fileno()).st_size:
                    raise EOFError("the answer was cut short")
                if modified:
                    seconds = email.utils.parsedate_to_datetime(modified).timestamp()
                    os.utime(part.name, (seconds, seconds))
                Path(part.name).chmod(0o644)
                Path(part.name).replace(stored)
            except BaseException:
                Path(part.name).unlink()
                raise


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, whole or in part."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Mirror

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        try:
            file = self.server.store.file(path)
        except Missing:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        except Unreachable as error:
            self.log_error("%s", error)
            self._refuse(HTTPStatus.BAD_GATEWAY)
            return
        with file.open("rb") as content:
            self._send(content, with_body)

    def _send(self, content: IO[bytes], with_body: bool) -> None:
        found = os.fstat(content.fileno())
        modified = email.utils.formatdate(found.st_mtime, usegmt=True)
        if self.headers.get("If-Modified-Since") == modified and "Range" not in self.headers:
            self._refuse(HTTPStatus.NOT_MODIFIED)
            return
        part = self._range(found.st_size, modified)
        if part is None:
            self._refuse(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                {"Content-Range": f"bytes */{found.st_size}"},
            )
            return
        start, end = part
        whole = (start, end) == (0, found.st_size)
        self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Last-Modified", modified)
        self.send_header("Accept-Ranges", "bytes")
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{found.st_size}")
        self.end_headers()
        if with_body and end > start:
            self.connection.sendfile(content, start, end - start)

    def _range(self, size: int, modified: str) -> tuple[int, int] | None:
        """Which bytes are wanted, the end excluded; `None` when the file has none of them."""
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if (
            not asked
            or asked.group(0) == "bytes=-"
            or self.headers.get("If-Range", modified) != modified
        ):
            return 0, size
        first, last = asked.groups()
        if not first:
            return max(0, size - int(last)), size
        end = min(int(last) + 1, size) if last else size
        return (int(first), end) if int(first) < end else None

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        if self.server.verbose:
            super().log_message(format, *arguments)

    def log_error(self, format: str, *arguments: object) -> None:
        super().log_message(format, *arguments)


class Mirror(ThreadingHTTPServer):
    """The server. Use it with `with`, which runs it in a thread, or call `serve_forever`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: Store, port: int = 0, verbose: bool = False) -> None:
        self.store = store
        self.verbose = verbose
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Mirror:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores a client that hangs up; prints every other error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="mirror", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="where to store what is fetched")
    parser.add_argument("port", type=int, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--offline", action="store_true", help="serve only what is stored")
    parser.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="fetch /NAME/… from URL/…",
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    arguments = parser.parse_args()
    upstreams = dict(pair.split("=", 1) for pair in arguments.upstream)
    upstreams = {name: url.rstrip("/") for name, url in upstreams.items()}
    server = Mirror(
        Store(arguments.directory, upstreams, arguments.offline), arguments.port, arguments.verbose
    )
    print(server.url, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
