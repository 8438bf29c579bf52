"""Serves a directory on loopback with nginx, which takes less of the machine than a server in
Python.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from makers import Failed, need

CONFIGURATION = """\
daemon off;
user root;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/nginx.log error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    open_file_cache max=8192;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
STARTS_WITHIN = 10.0
"""Seconds."""


class WebServer:
    """Use it with `with`; `url` is where it answers."""

    def __init__(self, root: Path, work: Path) -> None:
        if not program():
            need("nginx-light")
        self._work = work
        work.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (work / "nginx.conf").write_text(CONFIGURATION.format(work=work, root=root, port=self.port))

    def __enter__(self) -> WebServer:
        self._process = subprocess.Popen(
            [need_program(), "-p", str(self._work), "-c", str(self._work / "nginx.conf")],
            stdin=subprocess.DEVNULL,
        )
        until = time.monotonic() + STARTS_WITHIN
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise Failed("nginx does not answer")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def program() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def need_program() -> str:
    found = program()
    assert found, "nginx is not installed"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
