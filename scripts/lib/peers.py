"""The tools that are measured: how to install and run each, and how to give it a cold or a warm
start.

All use the same mirror and the same SOURCE_DATE_EPOCH and check the archive's signature;
`Peer.signatures` says where a tool cannot.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmirror import Mirrors
from makers import (
    KEYRINGS,
    Cell,
    Failed,
    Unsupported,
    installed_version,
    need,
    packages,
    read_matrix,
    remove,
    run,
)
from references import CONFINED, REFERENCES

KEYRING = KEYRINGS["debian"]
RDEBOOTSTRAP = "0.4.0"
ALL = "rbootstrap", "rdebootstrap", "mmdebstrap", "cdebootstrap", "debootstrap"
OURS = "rbootstrap"
FLAVOURS = {"minbase": "minimal", "buildd": "build", "important": "standard"}


@dataclass(frozen=True)
class Series:
    """What is run many times, and compared with others of the same round."""

    peer: str
    cell: Cell
    form: str = "directory"
    """directory, tar (to a pipe), tar.zst, or images: a directory for each package that the cell
    names, one after the other.
    """
    start: str = "cold"
    """cold: without a cache. first: fills a cache. warm: with that cache filled, without snapshots
    of installations. snapshot: with that of the finished system. base: with those that are kept by
    default; where packages are named, that is the one of the essential packages. new-base: the
    same, but the run has to make it.
    """
    jobs: int = 0
    """0 leaves it to the tool."""
    medium: str = "tmpfs"

    @property
    def key(self) -> str:
        return "/".join(
            (self.cell.name, self.form, self.start, self.medium, str(self.jobs), self.peer)
        )


@dataclass(frozen=True)
class Place:
    """Where a run works, and with which variables: all that it writes is below `root`."""

    root: Path
    mirror: str
    variables: dict[str, str] = field(default_factory=dict)
    """Snapshots depend on them, so a cache is filled with the same ones."""

    @property
    def target(self) -> Path:
        return self.root / "target"

    def cache(self, series: Series) -> Path:
        return self.root / "caches" / f"{series.peer}-{series.cell.name}-{series.start}"

    def output(self, series: Series) -> str:
        return {
            "directory": str(self.target),
            "images": str(self.target),
            "tar": "-",
            "tar.zst": f"{self.target}.tar.zst",
        }[series.form]


class Peer:
    """A tool that makes a tree; what all have in common."""

    name = ""
    version = ""
    signatures = "checked"
    forms: tuple[str, ...] = ("directory",)
    starts: tuple[str, ...] = ("cold",)

    def check(self, series: Series) -> None:
        """Raises `Unsupported` where the tool has nothing of the kind."""
        if series.form not in self.forms or series.start not in self.starts:
            raise Unsupported(f"{self.name} has no {series.form}, {series.start}")

    def prepare(self, series: Series, place: Place) -> None:
        """Prepares a run before the clock starts; by default removes the target."""
        remove(place.target)
        Path(f"{place.target}.tar.zst").unlink(missing_ok=True)

    def command(self, series: Series, place: Place) -> list[str]:
        raise NotImplementedError


class Referenced(Peer):
    """mmdebstrap and debootstrap, in the versions that rbootstrap's trees are compared with."""

    def __init__(self, name: str, state: Path, mirror: str) -> None:
        self.name = name
        self.reference = REFERENCES[name](state, mirror)
        self.version = self.reference.version
        if name == "mmdebstrap":
            need("zstd")
            self.forms = "directory", "tar", "tar.zst"

    def check(self, series: Series) -> None:
        super().check(series)
        self.reference.command(series.cell)

    def command(self, series: Series, place: Place) -> list[str]:
        # Without the namespaces that a comparison runs it in, which are not its own.
        whole = self.reference.command(series.cell)[len(CONFINED) :]
        options = [
            option
            for option in whole
            if series.form == "directory" or option != "--format=directory"
        ]
        if series.form != "directory":
            options.append("--format=tar")
        return [*options, series.cell.suite, place.output(series), place.mirror]


class Cdebootstrap(Peer):
    name = "cdebootstrap"

    def __init__(self, state: Path, dists: Path) -> None:
        need("cdebootstrap", "gpgv", "debian-archive-keyring")
        self.version = installed_version("cdebootstrap")
        self.options = ["--quiet", f"--keyring={KEYRING}"]
        self.trusting = state / "tools" / f"cdebootstrap-{self.version}-trusting"
        self._trust(dists)

    def _trust(self, dists: Path) -> None:
        """Sets up its keyring. It reads only Release and Release.gpg; if those of the mirror do
        not belong together, it runs unchecked, and the report says so.
        """
        signed = ["gpgv", "--keyring", KEYRING, str(dists / "Release.gpg"), str(dists / "Release")]
        if subprocess.run(signed, capture_output=True, check=False).returncode == 0:
            return
        self.signatures = "not checked: the mirror's Release.gpg is not of its Release"
        if not self.trusting.exists():
            self._make_trusting()
        self.options += ["--allow-unauthenticated", f"--helperdir={self.trusting}"]

    def _make_trusting(self) -> None:
        """Copies its helpers, and marks the indexes as trusted in the one that has apt read
        them.
        """
        part = self.trusting.with_suffix(".part")
        remove(part)
        shutil.copytree("/usr/share/cdebootstrap", part)
        helper = part / "cdebootstrap-helper-apt.deb"
        run(["dpkg-deb", "--raw-extract", str(helper), str(part / "helper")])
        script = part / "helper/DEBIAN/postinst"
        script.write_text(
            script.read_text().replace("deb bootstrap:", "deb [trusted=yes] bootstrap:")
        )
        run(["dpkg-deb", "--root-owner-group", "--build", str(part / "helper"), str(helper)])
        part.rename(self.trusting)

    def check(self, series: Series) -> None:
        super().check(series)
        if series.cell.variant not in FLAVOURS or series.cell.include:
            raise Unsupported(f"cdebootstrap has no {series.cell.name}")

    def command(self, series: Series, place: Place) -> list[str]:
        flavour = f"--flavour={FLAVOURS[series.cell.variant]}"
        return [
            "cdebootstrap",
            *self.options,
            flavour,
            f"Debian/{series.cell.suite}",
            str(place.target),
            place.mirror,
        ]


class Rdebootstrap(Peer):
    """Cold is `update` (indexes, lock) and `build` with an empty cache; warm is `build` with the
    lock and every package in the cache.
    """

    name = "rdebootstrap"
    version = RDEBOOTSTRAP
    starts = "cold", "warm"

    def __init__(self, state: Path, ours: Ours) -> None:
        self.ours = ours
        root = state / "tools" / f"rdebootstrap-{RDEBOOTSTRAP}"
        self.program = root / "bin/rdebootstrap"
        if not self.program.exists():
            need("libgpgme-dev", "libcurl4-openssl-dev", "pkg-config", "gcc", "libc6-dev")
            run(
                [
                    "cargo",
                    "install",
                    "--quiet",
                    "--locked",
                    "--root",
                    str(root),
                    f"rdebootstrap@{RDEBOOTSTRAP}",
                ]
            )

    def prepare(self, series: Series, place: Place) -> None:
        super().prepare(series, place)
        cache = place.cache(series)
        if series.start == "warm" and cache.exists():
            return
        remove(cache)
        cache.mkdir(parents=True)
        include = ", ".join(f'"{name}"' for name in self.ours.plan(series.cell, place))
        archive = (
            f'url = "{place.mirror}"\nsuites = ["{series.cell.suite}"]\n'
            f'components = ["main"]\nsigned-by = "{KEYRING}"'
        )
        (cache / "Manifest.toml").write_text(
            f"[[archive]]\n{archive}\n\n[spec]\ninclude = [{include}]\n"
        )
        if series.start == "warm":
            run(["sh", "-c", f"{self._update(cache)} && {self._build(cache, place)}"])
            remove(place.target)

    def command(self, series: Series, place: Place) -> list[str]:
        cache = place.cache(series)
        if series.start == "warm":
            return ["sh", "-c", f"exec {self._build(cache, place)}"]
        return ["sh", "-c", f"{self._update(cache)} && {self._build(cache, place)}"]

    def _update(self, cache: Path) -> str:
        return f"{self._program(cache)} update"

    def _build(self, cache: Path, place: Place) -> str:
        return f"{self._program(cache)} build --path {place.target}"

    def _program(self, cache: Path) -> str:
        return f"{self.program} --quiet --cache-dir {cache}/files --manifest {cache}/Manifest.toml"


class Ours(Peer):
    name = OURS
    forms = "directory", "tar", "tar.zst", "images"
    starts = "cold", "first", "warm", "base", "new-base", "snapshot"

    def __init__(self, program: Path) -> None:
        self.program = program
        self.version = run([str(program), "--version"]).split()[-1]

    def plan(self, cell: Cell, place: Place) -> list[str]:
        """The packages of a set by name."""
        found = run(
            [
                *self._options(cell),
                "--no-cache",
                "--print-debs",
                cell.suite,
                str(place.root / "none"),
                place.mirror,
            ]
        )
        return sorted(
            {line.partition("=")[0].partition(":")[0] for line in found.splitlines() if "=" in line}
        )

    def warm(self, cell: Cell, place: Place) -> None:
        """Has the mirror asked for all that a run asks for."""
        cache = place.root / "caches/warming"
        run(
            [
                *self._options(cell),
                f"--cache-dir={cache}",
                "--download-only",
                cell.suite,
                str(place.root / "none"),
                place.mirror,
            ]
        )
        remove(cache)

    def prepare(self, series: Series, place: Place) -> None:
        super().prepare(series, place)
        cache = place.cache(series)
        is_filled = series.start in ("warm", "base", "new-base", "snapshot")
        if series.form == "images":
            place.target.mkdir(parents=True)
        if series.start == "first" or (is_filled and not cache.exists()):
            remove(cache)
            cache.mkdir(parents=True)
        if is_filled and not any(cache.iterdir()):
            # What a tar needs is what a directory needs.
            filling = series if series.form == "images" else replace(series, form="directory")
            run(self.command(filling, place), {**os.environ, **place.variables})
            super().prepare(series, place)
            if series.form == "images":
                place.target.mkdir(parents=True)
        if series.start == "new-base":
            remove(cache / "derived/snapshot")

    def command(self, series: Series, place: Place) -> list[str]:
        if series.form != "images":
            return self._one(series, series.cell, place.output(series), place)
        images = [
            shlex.join(
                self._one(
                    series, replace(series.cell, include=(name,)), f"{place.target}/{name}", place
                )
            )
            for name in series.cell.include
        ]
        return ["sh", "-c", " && ".join(images)]

    def _one(self, series: Series, cell: Cell, output: str, place: Place) -> list[str]:
        jobs = [f"--jobs={series.jobs}"] if series.jobs else []
        return [
            *self._options(cell),
            *self._cache(series, place),
            *jobs,
            cell.suite,
            output,
            place.mirror,
        ]

    def _cache(self, series: Series, place: Place) -> list[str]:
        if series.start == "cold":
            return ["--no-cache"]
        # All that is finished, where packages are named.
        which = {"warm": "none", "snapshot": "all"}.get(series.start, "base")
        return [f"--cache-dir={place.cache(series)}", f"--snapshots={which}"]

    def _options(self, cell: Cell) -> list[str]:
        return [
            str(self.program),
            "--quiet",
            "--progress=none",
            f"--variant={cell.variant}",
            *packages(cell),
        ]


def read_sets(file: Path) -> dict[str, Cell]:
    """The sets by their names: lines as in a matrix, of one suite each."""
    sets = [
        replace(cell, name=cell.name.removeprefix(f"{cell.suite}-")) for cell in read_matrix(file)
    ]
    return {cell.name: cell for cell in sets}


def scaling(sets: dict[str, Cell]) -> list[Cell]:
    """The sets that show how the cost grows with the number of packages."""
    return [cell for name, cell in sets.items() if name == "minbase" or name.isdigit()]


def set_up(
    names: list[str], program: Path, state: Path, mirrors: Mirrors
) -> tuple[dict[str, Peer], dict[str, str]]:
    """The tools that could be installed, and why the others could not."""
    ours = Ours(program)
    mirror = f"{mirrors.filling_url}/debian"
    makers: dict[str, Callable[[], Peer]] = {
        OURS: lambda: ours,
        "rdebootstrap": lambda: Rdebootstrap(state, ours),
        "mmdebstrap": lambda: Referenced("mmdebstrap", state, mirror),
        "cdebootstrap": lambda: Cdebootstrap(state, mirrors.dists),
        "debootstrap": lambda: Referenced("debootstrap", state, mirror),
    }
    peers, missing = {}, {}
    for name in names:
        try:
            peers[name] = makers[name]()
        except (Failed, Unsupported, OSError) as error:
            missing[name] = str(error).splitlines()[0]
    return peers, missing
