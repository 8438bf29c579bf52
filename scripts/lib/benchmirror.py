"""The mirror of the benchmark: a fetching mirror fills a directory once, then nginx serves it from
tmpfs.
"""

from __future__ import annotations

import hashlib
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from makers import Cell, release_date
from mirror import Mirror, Store
from webserver import WebServer

SUITE = "trixie"


class Mirrors:
    """Use it with `with`. `filling_url` answers at once and fetches what is missing; `url`
    answers after `serve`.
    """

    def __init__(self, kept: Path, work: Path, fresh: bool) -> None:
        self.directory = work / "mirror"
        self._work = work
        self._kept = Store(kept)
        self._warm = work / "warm"
        if fresh:
            self._kept.forget("*/dists")
            Store(self.directory).forget("*/dists")
        self._stack = ExitStack()
        self.url = ""

    def __enter__(self) -> Mirrors:
        self._warm.mkdir(parents=True, exist_ok=True)
        kept = self._stack.enter_context(Mirror(self._kept))
        upstreams = {name: f"{kept.url}/{name}" for name in self._kept.upstreams}
        self.filling_url = self._stack.enter_context(Mirror(Store(self.directory, upstreams))).url
        self._release, *_ = map(self._fetch, ("InRelease", "Release", "Release.gpg"))
        self.epoch = release_date(self._release)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self) -> None:
        """From now on nothing is fetched."""
        self.url = self._stack.enter_context(WebServer(self.directory, self._work / "nginx")).url

    @property
    def dists(self) -> Path:
        return self.directory / "debian/dists" / SUITE

    def is_warm(self, tool: str, cell: Cell) -> bool:
        return self._mark(tool, cell).exists()

    def note_warm(self, tool: str, cell: Cell) -> None:
        self._mark(tool, cell).touch()

    def _mark(self, tool: str, cell: Cell) -> Path:
        """The file that marks the mirror as warm for a tool's version, a set and a state of the
        archive. Form, cache and medium do not change what a tool requests.
        """
        of = repr((tool, cell, self._release))
        return self._warm / hashlib.sha256(of.encode()).hexdigest()[:24]

    def _fetch(self, name: str) -> str:
        with urllib.request.urlopen(f"{self.filling_url}/debian/dists/{SUITE}/{name}") as response:
            content: bytes = response.read()
        return content.decode("utf-8", "replace")
