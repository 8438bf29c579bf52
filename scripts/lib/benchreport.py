"""Writes the results as a table for the terminal, a Markdown page and charts, and compares them with
the requirements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import chart
from makers import Cell
from peers import ALL, OURS, Series, scaling
from results import Measured, Results, Spread

MIB = 1 << 20
FLAT = 1.1
"""The largest growth of the cost per package, from the smallest set to the largest, that counts as
flat: the spread of a run.
"""
STARTS = "cold", "first", "warm", "new-base", "base", "snapshot"


@dataclass(frozen=True)
class Demand:
    """A figure that must not exceed its bound; `None` where it was not measured."""

    what: str
    found: Spread | None
    bound: float
    unit: str = ""

    @property
    def holds(self) -> bool | None:
        return None if self.found is None else self.found.median <= self.bound

    def row(self) -> list[str]:
        if self.found is None:
            return [self.what, "not measured", f"{self.bound:g}{self.unit}", "–"]
        digits = 0 if self.unit else 3
        spread = f"{self.found.median:.{digits}f}{self.unit} ({self.found.least:.{digits}f}–{self.found.most:.{digits}f})"
        return [
            self.what,
            spread,
            f"{self.bound:g}{self.unit}",
            "met" if self.holds else "not met",
        ]


def demands(results: Results, cells: dict[str, Cell]) -> list[Demand]:
    """The goals: medians of the ratios of the same round, on tmpfs, signatures checked."""

    def ratio(
        name: str, peer: str, bound: float, form: str = "directory", start: str = "cold"
    ) -> Demand:
        one, other = Series(OURS, cells[name], form, start), Series(peer, cells[name], form, start)
        return Demand(
            f"{shown(name, form)} {start}: wall to {peer}", results.ratio(one, other), bound
        )

    def known(name: str, start: str, other: Series, bound: float) -> Demand:
        one = Series(OURS, cells[name], other.form, start)
        to = "without snapshots" if other.peer == OURS else f"{other.peer} {other.start}"
        return Demand(
            f"{shown(name, other.form)} {start}: wall to {to}", results.ratio(one, other), bound
        )

    def shown(name: str, form: str) -> str:
        return {"tar": f"{name} to a tar on stdout", "images": "ten images"}.get(form, name)

    def peak(name: str, bound: float) -> Demand:
        found = results.get(Series(OURS, cells[name]))
        spread = found.spread("own") if found else None
        return Demand(
            f"{name} cold: peak memory", spread and scaled(spread, 1 / MIB), bound, " MiB"
        )

    minbase = cells["minbase"]
    return [
        ratio("minbase", "rdebootstrap", 0.55),
        ratio("minbase", "mmdebstrap", 0.17),
        ratio("minbase", "debootstrap", 0.1),
        ratio("minbase", "rdebootstrap", 0.52, start="warm"),
        known("minbase", "snapshot", Series("rdebootstrap", minbase, start="warm"), 0.15),
        known("minbase+20", "base", Series(OURS, cells["minbase+20"], start="warm"), 0.5),
        ratio("important", "mmdebstrap", 0.24),
        ratio("buildd", "mmdebstrap", 0.22),
        ratio("500", "mmdebstrap", 0.4),
        ratio("500", "rdebootstrap", 0.45, start="warm"),
        ratio("minbase", "mmdebstrap", 0.18, form="tar"),
        known("minbase", "snapshot", Series("mmdebstrap", minbase, "tar"), 0.04),
        known("images", "base", Series(OURS, cells["images"], "images", "warm"), 0.4),
        peak("minbase", 100),
        peak("500", 160),
        *(growth(results, cells, start) for start in ("cold", "warm")),
    ]


def growth(results: Results, cells: dict[str, Cell], start: str) -> Demand:
    """The highest cost of a package of the larger sets, to that of the smallest."""
    points = scale(results, cells, start, per_package)
    found = None
    if len(points) > 1:
        most = max(spread.median for _, spread in points[1:]) / points[0][1].median
        found = Spread(most, most, most)
    return Demand(
        f"{start}: cost of a package, the highest of the larger sets to minbase", found, FLAT
    )


def per_package(found: Measured) -> Spread:
    return scaled(found.spread("wall"), 1e3 / found.packages)


def per_size(found: Measured) -> Spread:
    return scaled(found.spread("wall"), 1e3 / (found.size / 1e6))


def scale(
    results: Results, cells: dict[str, Cell], start: str, cost: Callable[[Measured], Spread]
) -> list[tuple[float, Spread]]:
    """The number of packages and the `cost` of each set of the scaling series."""
    points = []
    for cell in scaling(cells):
        found = results.get(Series(OURS, cell, start=start))
        if found and found.packages:
            points.append((found.packages, cost(found)))
    return sorted(points, key=lambda point: point[0])


def scaled(spread: Spread, by: float) -> Spread:
    return Spread(spread.median * by, spread.least * by, spread.most * by)


def write(results: Results, cells: dict[str, Cell], output: Path) -> bool:
    """The page and the charts; whether every demand that was measured holds."""
    judged = demands(results, cells)
    charts = draw(results, cells, output)
    page = [
        HEAD,
        *machine(results),
        *must_hold(judged),
        *charts,
        *tables(results, cells),
        *growth_table(results, cells),
        *checked(results),
        TAIL,
    ]
    (output / "README.md").write_text("\n".join(page))
    show(results, cells, judged)
    return all(demand.holds is not False for demand in judged)


def rows(
    results: Results,
    cell: Cell,
    form: str = "directory",
    medium: str = "tmpfs",
    jobs: tuple[int, ...] = (0,),
) -> list[tuple[str, Series]]:
    """The series of a set that were measured, each with its label."""
    found = []
    for peer in ALL:
        for start in STARTS:
            for threads in jobs:
                series = Series(peer, cell, form, start, threads, medium)
                if results.get(series):
                    found.append(
                        (
                            ", ".join((peer, start)) + (f", --jobs {threads}" if threads else ""),
                            series,
                        )
                    )
    return found


def measured_rows(results: Results, found: list[tuple[str, Series]]) -> list[list[str]]:
    table = []
    for label, series in found:
        measured = results.get(series)
        assert measured
        wall = measured.spread("wall")
        cpu = measured.median("cpu")
        ours = Series(OURS, series.cell, series.form, series.start, 0, series.medium)
        ratio = results.ratio(ours, series) if series.peer != OURS else None
        memory = measured.median("own" if series.peer == OURS else "largest") / MIB
        table.append([
            label,
            f"{wall.median:.2f} s ({wall.least:.2f}–{wall.most:.2f})",
            f"{cpu:.2f} s",
            f"{memory:.0f} MiB",
            f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.most:.2f})" if ratio else "",
            f"{len(measured.rounds)}{notes(measured)}",
            str(measured.packages or ""),
        ])  # fmt: skip
    return table


def notes(measured: Measured) -> str:
    """What is to be known of a series' rounds."""
    disturbed = sum(cost.disturbed for cost in measured.rounds.values())
    return (f", {measured.failed} failed" if measured.failed else "") + (
        f", {disturbed} disturbed" if disturbed else ""
    )


HEADINGS = ["", "wall (min–max)", "CPU", "peak memory", "rbootstrap / tool", "rounds", "packages"]


def groups(results: Results, cells: dict[str, Cell]) -> list[tuple[str, list[tuple[str, Series]]]]:
    """A heading and its series, for all that was measured."""
    found = [(f"{name}, a directory on tmpfs", rows(results, cell)) for name, cell in cells.items()]
    for name, cell in cells.items():
        found.append(
            (f"{name}, a directory for each of its packages", rows(results, cell, "images"))
        )
        found.append((f"{name}, a tar to a pipe", rows(results, cell, "tar")))
        found.append((f"{name}, a tar.zst on tmpfs", rows(results, cell, "tar.zst")))
        found.append((f"{name}, by number of threads", rows(results, cell, jobs=(1, 2))))
        found.append((f"{name}, a directory on disk", rows(results, cell, medium="disk")))
    return [(heading, series) for heading, series in found if series]


def draw(results: Results, cells: dict[str, Cell], output: Path) -> list[str]:
    """Writes the charts; gives the Markdown that shows them."""
    shown = []
    panels = [
        panel(results, heading, series)
        for heading, series in groups(results, cells)
        if len({one.peer for _, one in series}) > 1
    ]
    if panels:
        (output / "wall.svg").write_text(chart.bars(panels, "s"))
        shown.append("![Wall time of each tool, by set and form](wall.svg)\n")
    drawn = [
        chart.Line(start, points)
        for start in ("cold", "warm")
        if len(points := scale(results, cells, start, per_package)) > 1
    ]
    if drawn:
        (output / "scale.svg").write_text(
            chart.lines("rbootstrap: wall time a package, by size of the set", drawn, "ms")
        )
        shown.append("![The cost of a package as the set grows](scale.svg)\n")
    return (
        [
            "## Charts\n",
            "Bars show medians; the lines in them show minimum and maximum. × is the time relative to rbootstrap's, cold to cold and warm to warm.\n",
            *shown,
        ]
        if shown
        else []
    )


def panel(results: Results, heading: str, series: list[tuple[str, Series]]) -> chart.Panel:
    packages = 0
    bars = []
    for label, one in series:
        measured = results.get(one)
        assert measured
        if one.peer == OURS and not packages:
            packages = measured.packages
        ratio = (
            results.ratio(one, Series(OURS, one.cell, one.form, one.start, one.jobs, one.medium))
            if one.peer != OURS
            else None
        )
        note = f"× {chart.figure(ratio.median)}" if ratio else ""
        bars.append(
            chart.Bar(label, measured.spread("wall"), one.peer == OURS, one.start != "cold", note)
        )
    return chart.Panel(f"{heading}, {packages} packages" if packages else heading, bars)


def machine(results: Results) -> list[str]:
    lines = [
        "## Machine and tools\n",
        *(f"- {name}: {value}" for name, value in results.machine.items()),
        "",
    ]
    table = [[name, tool["version"], tool["signatures"]] for name, tool in results.tools.items()]
    lines.append(markdown(["tool", "version", "signatures"], table))
    lines += [f"- {name} is missing: {why}" for name, why in results.missing.items()]
    programs = {measured.program for measured in results.series.values() if measured.program}
    if len(programs) > 1:
        lines.append(
            f"The figures of rbootstrap are of {len(programs)} builds: parts were measured at different times.\n"
        )
    return lines


def must_hold(judged: list[Demand]) -> list[str]:
    table = [demand.row() for demand in judged]
    return ["## Goals\n", markdown(["", "median (min–max)", "at most", ""], table)]


def tables(results: Results, cells: dict[str, Cell]) -> list[str]:
    lines = ["## All figures\n", EXPLAINED]
    for heading, series in groups(results, cells):
        lines += [f"### {heading}\n", markdown(HEADINGS, measured_rows(results, series))]
    return lines


def growth_table(results: Results, cells: dict[str, Cell]) -> list[str]:
    table = []
    for start in ("cold", "warm"):
        sizes = dict(scale(results, cells, start, per_size))
        for packages, spread in scale(results, cells, start, per_package):
            table.append(
                [
                    start,
                    str(packages),
                    f"{spread.median:.1f} ms ({spread.least:.1f}–{spread.most:.1f})",
                    f"{sizes[packages].median:.1f} ms",
                ]
            )
    return (
        [
            "## The cost of a package as the set grows\n",
            markdown(["", "packages", "a package", "a MB unpacked"], table),
        ]
        if table
        else []
    )


def checked(results: Results) -> list[str]:
    return (
        ["## The trees\n", *(f"- {line}" for line in results.checked), ""]
        if results.checked
        else []
    )


def markdown(headings: list[str], table: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *table]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def show(results: Results, cells: dict[str, Cell], judged: list[Demand]) -> None:
    for heading, series in groups(results, cells):
        print(f"\n{heading}")
        aligned(measured_rows(results, series))
    print("\nGoals")
    aligned([demand.row() for demand in judged])


def aligned(table: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(
            "  "
            + "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *(word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True)),
                ]
            )
        )


HEAD = """\
# Benchmarks

`scripts/bench` writes this page. It runs as root on any Debian-like machine. All tools make the same sets of packages of
trixie from one mirror on loopback, whose files are on tmpfs and were all requested once before the clock started. The
tools take turns. A ratio compares two runs of the same round; the median of these is shown. The clock stops when the tool
ends; removing its tree is not counted.
"""

EXPLAINED = """\
*cold* runs without a cache, *first* fills one, *warm* finds it filled, without snapshots of installations; *snapshot* starts
from the finished system of an earlier run, *base* from its essential packages, and *new-base* makes a snapshot of them first.
rdebootstrap's cold run is `update` and `build` with
an empty cache, its warm run `build` with its lock and all packages kept. CPU is that of the whole process tree. Peak
memory is that of the largest process, for rbootstrap its own. A run during which other processes used more than 15 % of
the machine is repeated, at most twice, and marked as disturbed if that did not help. *rbootstrap / tool* is the ratio of
wall times.
"""

TAIL = """\
## To repeat it

    cargo build --release && sudo scripts/bench

`--quick` measures minbase only; `--parts`, `--sets`, `--peers` and `--rounds` select what is measured; `--check` compares
the trees of fast runs with those of a slow run and of mmdebstrap. `results.json` has every run.
"""
