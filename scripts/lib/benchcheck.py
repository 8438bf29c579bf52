"""Checks that the measured trees are right: the fast ones equal a slow run, and the trees of
mmdebstrap.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Protocol

from benchmirror import Mirrors
from difference import Rule, differences, differing_paths, read_rules
from makers import Cell, remove
from measure import Cost
from peers import OURS, Peer, Place, Series

from tree import Snapshot, take

EXCEPTIONS = Path(__file__).resolve().parent.parent / "compare-exceptions"
SHOWN = 20


def contents(tree: Path) -> tuple[int, int]:
    """How many packages are installed, and the bytes of all files."""
    status = tree / "var/lib/dpkg/status"
    installed = (
        status.read_text(errors="replace").count("\nStatus: install ok installed\n")
        if status.exists()
        else 0
    )
    size = 0
    for above, _, names in os.walk(tree):
        for name in names:
            found = Path(above, name).lstat()
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return installed, size


class Bench(Protocol):
    """What of scripts/bench a check uses."""

    peers: dict[str, Peer]
    mirrors: Mirrors
    failures: list[str]

    def place(self, series: Series, mirror_url: str) -> Place: ...

    def attempt(self, peer: Peer, series: Series, place: Place, confined: bool = False) -> Cost: ...


def check(bench: Bench, sets: dict[str, Cell]) -> list[str]:
    """One line for each set and comparison. Prints differences, which count as failures."""
    lines = []
    for cell in sets.values():
        print(f"checking {cell.name}", flush=True)
        slow = snapshot(bench, Series(OURS, cell, jobs=1))
        varying: set[str] = set()
        for start in ("cold", "first", "warm", "base", "snapshot"):
            fast = snapshot(bench, Series(OURS, cell, start=start))
            varying |= {difference.path for difference in differences(slow, fast, [])}
            what = f"{start} with `--jobs 1 --no-cache`"
            lines.append(compare(bench, cell, what, slow, fast, rules_for(OURS, cell)))
        if "mmdebstrap" in bench.peers:
            rules = rules_for("mmdebstrap", cell)
            reference = snapshot(bench, Series("mmdebstrap", cell))
            lines.append(
                compare(
                    bench,
                    cell,
                    "the slow run with mmdebstrap, except for what `compare-exceptions` lists",
                    reference,
                    slow,
                    rules,
                )
            )
        if varying:
            lines.append(
                f"{cell.name}: no tars compared: {len(varying)} paths vary from run to run"
            )
        else:
            lines.append(compare_tars(bench, cell))
    return lines


def rules_for(reference: str, cell: Cell) -> list[Rule]:
    """What may differ between a tree of this tool and ours."""
    name = f"{cell.suite}-{cell.name}"
    return [rule for rule in read_rules(EXCEPTIONS) if rule.holds_in(reference, name)]


def compare(
    bench: Bench, cell: Cell, what: str, reference: Snapshot, ours: Snapshot, rules: list[Rule]
) -> str:
    found = differences(reference, ours, rules)
    paths = len(reference.paths.keys() | ours.paths.keys())
    for difference in found[:SHOWN]:
        print(f"  {difference}")
    line = f"{cell.name}: {what}: {differing_paths(found)} of {paths} paths differ"
    return conclude(bench, line, bool(found))


def compare_tars(bench: Bench, cell: Cell) -> str:
    """Checks that threads and caches do not change a byte of the tar."""
    digests = set()
    for series in (
        Series(OURS, cell, "tar.zst", jobs=1),
        Series(OURS, cell, "tar.zst"),
        Series(OURS, cell, "tar.zst", "warm"),
        Series(OURS, cell, "tar.zst", "snapshot"),
    ):
        place = bench.place(series, bench.mirrors.url)
        bench.attempt(bench.peers[OURS], series, place)
        output = Path(place.output(series))
        digests.add(hashlib.sha256(output.read_bytes()).hexdigest())
        output.unlink()
    return conclude(
        bench,
        f"{cell.name}: tar.zst of one job, cold, warm, from a snapshot: "
        f"{'the same bytes' if len(digests) == 1 else 'not the same'}",
        len(digests) > 1,
    )


def conclude(bench: Bench, line: str, differs: bool) -> str:
    print(f"  {line}", flush=True)
    if differs:
        bench.failures.append(line)
    return line


def snapshot(bench: Bench, series: Series) -> Snapshot:
    place = bench.place(series, bench.mirrors.url)
    # What scripts made has the time of the run; in an image, and in rbootstrap's trees, that of the
    # archive, whose packages are older.
    began = min(time.time(), bench.mirrors.epoch)
    # The reference's scripts get the same host name as ours.
    bench.attempt(bench.peers[series.peer], series, place, confined=series.peer != OURS)
    try:
        return take(place.target, began)
    finally:
        remove(place.target)
