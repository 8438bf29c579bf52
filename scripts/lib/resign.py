"""Signs the Releases of a mirror again with a key of its own, as the archive does every day for its
updates and security suites.
"""

from __future__ import annotations

import datetime
import email.utils
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from mirror import Missing, Store

KEY_CREATED = "20200101T000000"
USER = "rbootstrap digests <digests@example.org>"


class Key:
    """A private key, made for one run. Use it with `with`; gpg's agent ends with it."""

    def __init__(self) -> None:
        # A short path: it has the agent's socket.
        self._home = tempfile.mkdtemp(prefix="resign-", dir="/tmp")
        self._guard = threading.Lock()

    def __enter__(self) -> Key:
        self._gpg("--quick-generate-key", USER, "rsa3072", "sign", "never", time=KEY_CREATED)
        return self

    def __exit__(self, *_: object) -> None:
        ended = ["gpgconf", "--homedir", self._home, "--kill", "all"]
        subprocess.run(ended, check=False, capture_output=True)
        shutil.rmtree(self._home, ignore_errors=True)

    def public(self) -> bytes:
        """The keyring that verifies its signatures."""
        return self._gpg("--export", USER)

    def sign(self, release: str) -> bytes:
        """The text as an InRelease, signed at its Date."""
        date = moment(field(release, "Date")).strftime("%Y%m%dT%H%M%S")
        return self._gpg("--clearsign", time=date, text=release)

    def _gpg(self, *words: str, time: str = "", text: str = "") -> bytes:
        faked = [f"--faked-system-time={time}"] if time else []
        options = ["--batch", "--quiet", "--yes", "--pinentry-mode=loopback", "--passphrase="]
        with self._guard:
            done = subprocess.run(
                ["gpg", "--homedir", self._home, *options, *faked, *words],
                input=text.encode(),
                capture_output=True,
                check=False,
            )
        if done.returncode != 0:
            raise OSError(f"gpg {words[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout


class LaterStore(Store):
    """Another store, whose Releases are signed a day later by a key of our own."""

    def __init__(self, store: Store, key: Key, work: Path) -> None:
        super().__init__(store.directory, store.upstreams, store.offline)
        self._store = store
        self._key = key
        self._work = work
        work.mkdir(parents=True)

    def file(self, path: str) -> Path:
        stored = self._store.file(path)
        if stored.name in ("Release", "Release.gpg"):
            raise Missing(path)
        if stored.name != "InRelease":
            return stored
        signed = self._work / path.replace("/", "%")
        if not signed.exists():
            part = signed.with_suffix(f".{threading.get_ident()}")
            part.write_bytes(self._key.sign(a_day_later(unsigned(stored.read_text()))))
            part.replace(signed)
        return signed


def unsigned(text: str) -> str:
    """The text of an InRelease without its signature."""
    body = text.split("\n\n", 1)[1].split("\n-----BEGIN PGP SIGNATURE-----", 1)[0]
    return re.sub(r"^- ", "", body, flags=re.MULTILINE) + "\n"


def a_day_later(release: str) -> str:
    """The Release with each of its dates moved by a day."""
    for name in ("Date", "Valid-Until"):
        if re.search(rf"^{name}:", release, re.MULTILINE):
            later = moment(field(release, name)) + datetime.timedelta(days=1)
            text = later.strftime("%a, %d %b %Y %H:%M:%S UTC")
            release = re.sub(rf"^{name}:.*$", f"{name}: {text}", release, flags=re.MULTILINE)
    return release


def field(release: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*)$", release, re.MULTILINE)
    if not found:
        raise ValueError(f"a Release without {name}")
    return found.group(1)


def moment(date: str) -> datetime.datetime:
    return email.utils.parsedate_to_datetime(date).astimezone(datetime.UTC)
