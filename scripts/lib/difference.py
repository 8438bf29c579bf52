"""How two snapshots differ, and which of it may."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tree import IN_THE_RUN, Facts, Snapshot, Stanzas

ASPECTS = (
    "presence",
    "kind",
    "mode",
    "owner",
    "target",
    "device",
    "links",
    "attributes",
    "content",
    "time",
    "directory-time",
)
WIDTH = 120


@dataclass(frozen=True)
class Difference:
    """One aspect of one path."""

    path: str
    aspect: str
    reference: str
    ours: str
    field: str = ""
    """The field, in a database of stanzas."""

    def __str__(self) -> str:
        return f"{self.path}\n    {self.aspect}: reference {self.reference}, ours {self.ours}"


@dataclass(frozen=True)
class Rule:
    """Paths of which some aspects, or all, may differ, and why."""

    pattern: str
    aspects: frozenset[str]
    reason: str
    cells: str = "*"

    def holds_in(self, reference: str, cell: str) -> bool:
        matches = fnmatch.fnmatchcase(f"{reference}/{cell}", self.cells.removeprefix("!"))
        return matches != self.cells.startswith("!")

    def allows(self, difference: Difference) -> bool:
        known = "any" in self.aspects or difference.aspect in self.aspects
        path = difference.path + (f":{difference.field}" if difference.field else "")
        return known and fnmatch.fnmatchcase(path, self.pattern)


def read_rules(file: Path) -> list[Rule]:
    """Reads lines of `GLOB ASPECT[,ASPECT…] REASON`; `#` begins a comment. A line `[GLOB]`
    restricts the lines below it to matching REFERENCE/CELL, `[!GLOB]` to others; those above the
    first apply to all.
    A field of a database of stanzas is PATH:FIELD.
    """
    rules = []
    cells = "*"
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            cells = line.strip("[] ")
            continue
        pattern, aspects, reason = ([*line.split(None, 2), "", ""])[:3]
        unknown = set(aspects.split(",")) - {*ASPECTS, "any"}
        if unknown or not reason:
            raise ValueError(
                f"{file}:{number}: expected GLOB ASPECTS REASON, "
                f"with aspects any or of {', '.join(ASPECTS)}"
            )
        rules.append(Rule(pattern, frozenset(aspects.split(",")), reason, cells))
    return rules


def differences(reference: Snapshot, ours: Snapshot, rules: list[Rule]) -> list[Difference]:
    """What differs and may not, by path."""
    found = []
    for path in sorted(reference.paths.keys() | ours.paths.keys()):
        found += of_path(path, reference, ours)
    return [
        difference for difference in found if not any(rule.allows(difference) for rule in rules)
    ]


def of_path(path: str, reference: Snapshot, ours: Snapshot) -> list[Difference]:
    one, other = reference.paths.get(path), ours.paths.get(path)
    if one is None or other is None:
        return [
            Difference(
                path, "presence", one.kind if one else "absent", other.kind if other else "absent"
            )
        ]
    if one.kind != other.kind:
        return [Difference(path, "kind", one.kind, other.kind)]
    found = []
    for aspect in ("mode", "owner", "target", "device", "links", "attributes"):
        if (left := getattr(one, aspect)) != (right := getattr(other, aspect)):
            found.append(Difference(path, aspect, str(left), str(right)))
    if path in reference.stanzas and path in ours.stanzas:
        found += of_stanzas(path, reference.stanzas[path], ours.stanzas[path])
    elif one.content != other.content:
        found.append(Difference(path, "content", *first_difference(one, other)))
    if one.time is not None and other.time is not None and one.time != other.time:
        aspect = "directory-time" if one.kind == "directory" else "time"
        found.append(
            Difference(
                path,
                aspect,
                *(
                    "of the run" if time == IN_THE_RUN else str(time)
                    for time in (one.time, other.time)
                ),
            )
        )
    return found


def of_stanzas(path: str, reference: Stanzas, ours: Stanzas) -> list[Difference]:
    """Every field of every package, the order of stanzas and of fields aside."""
    found = []
    for package in sorted(reference.keys() | ours.keys()):
        one, other = reference.get(package, {}), ours.get(package, {})
        for name in sorted(one.keys() | other.keys()):
            left, right = one.get(name), other.get(name)
            if left != right:
                one_side = f"{package} {name}: {shown(left)}"
                found.append(Difference(path, "content", one_side, shown(right), name))
    return found


def first_difference(one: Facts, other: Facts) -> tuple[str, str]:
    """The first line that differs, where the text is known; the digests otherwise."""
    if one.text is None or other.text is None:
        return one.content[:12], other.content[:12]
    if sorted(one.text.splitlines()) == sorted(other.text.splitlines()):
        return "the same lines", "in another order"
    for number, (left, right) in enumerate(
        zip_longest(one.text.splitlines(), other.text.splitlines()), 1
    ):
        if left != right:
            return f"line {number} {shown(left)}", shown(right)
    return "no newline at the end", "or the reverse"


def shown(line: str | None) -> str:
    """Quoted, and not longer than a terminal is wide."""
    quoted = "nothing" if line is None else repr(line)
    return quoted if len(quoted) <= WIDTH else quoted[:WIDTH] + "…"


def differing_paths(found: list[Difference]) -> int:
    return len({difference.path for difference in found})
