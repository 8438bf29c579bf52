"""The results: kept as JSON from run to run, with medians and ratios.

A round bears the name of its session, so that two series are compared round by round, under the
same conditions.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measure import Cost
from peers import Series


@dataclass(frozen=True)
class Spread:
    """The middle of several, and how far they lie apart."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: list[float]) -> Spread:
        return Spread(statistics.median(values), min(values), max(values))


@dataclass
class Measured:
    """One series."""

    rounds: dict[str, Cost] = field(default_factory=dict)
    program: str = ""
    """Digest of the program, where it is ours."""
    failed: int = 0
    """Runs that failed, and are in no round."""
    packages: int = 0
    size: int = 0
    """Bytes of all files in the tree."""

    def spread(self, aspect: str) -> Spread:
        return Spread.of([getattr(cost, aspect) for cost in self.rounds.values()])

    def median(self, aspect: str) -> float:
        return self.spread(aspect).median


@dataclass
class Results:
    """All series by their key."""

    machine: dict[str, str] = field(default_factory=dict)
    tools: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    series: dict[str, Measured] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    """What `--check` found."""

    @staticmethod
    def read(file: Path) -> Results:
        """What the file has; nothing when there is none or when it is of another machine."""
        read = json.loads(file.read_text()) if file.exists() else {}
        if read.get("machine") != this_machine():
            return Results(this_machine())
        series = {
            key: Measured(
                **{
                    **measured,
                    "rounds": {name: Cost(**cost) for name, cost in measured["rounds"].items()},
                }
            )
            for key, measured in read["series"].items()
        }
        return Results(read["machine"], read["tools"], read["missing"], series, read["checked"])

    def write(self, file: Path) -> None:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        part.replace(file)

    def start(self, series: Series, program: str, keep: bool) -> Measured:
        """The series; drops earlier rounds unless they are of the same program and `keep` is
        set.
        """
        found = self.series.get(series.key)
        if found is None or not keep or found.program != program:
            found = self.series[series.key] = Measured(program=program)
        return found

    def get(self, series: Series) -> Measured | None:
        found = self.series.get(series.key)
        return found if found and found.rounds else None

    def ratio(self, one: Series, other: Series, aspect: str = "wall") -> Spread | None:
        """The ratio of two series in pairs of the same round; none if they never ran together."""
        left, right = self.get(one), self.get(other)
        if not left or not right:
            return None
        shared = left.rounds.keys() & right.rounds.keys()
        if not shared:
            return None
        return Spread.of(
            [
                getattr(left.rounds[name], aspect) / getattr(right.rounds[name], aspect)
                for name in shared
            ]
        )


def this_machine() -> dict[str, str]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
    }
