"""Uses a tree as its owner would: its own dpkg and apt verify it, install, upgrade, reinstall and
purge packages, and their results are recorded.

This finds trees that only look right: `dpkg --verify` reads every digest, a reinstallation every
list, a purge conffiles, diversions and triggers. The commands run in the tree in their own
namespaces; apt fetches from the tree's own sources. The reference's tree decides which packages to
purge, and the other tree purges the same.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from difference import Difference, Rule, differences
from makers import Cell

from tree import Snapshot, Stanzas, read_stanzas, read_text, take

INSTALLED = ("ed", "hello", "less", "zutils")
"""The packages that apt installs: with alternatives, plain, and with diversions."""

PURGED = 10
"""The number of packages that dpkg purges; fewer if others need all that are left."""

FORCED = ("--force-depends", "--force-remove-essential")
RUN_ON = (
    "bash",
    "coreutils",
    "dash",
    "debconf",
    "debianutils",
    "dpkg",
    "findutils",
    "grep",
    "init-system-helpers",
    "perl-base",
    "sed",
    "tar",
)
"""What stays, with its dependencies, if only force can purge anything."""

ENTERING = """set -e
mount --types proc proc "$1/proc"
mount --types sysfs --options ro sysfs "$1/sys"
mount --types tmpfs --options mode=755 tmpfs "$1/dev"
for name in null zero full random urandom tty; do
    touch "$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount --types devpts --options newinstance,ptmxmode=666,mode=620,gid=5 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
tree=$1
shift
exec chroot "$tree" "$@"
"""
"""The mounts of a command. They end with its namespace and leave nothing in the tree."""

NAMESPACES = (
    "unshare",
    "--mount",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
    "--propagation",
    "private",
)


@dataclass
class Step:
    """A command and what came of it."""

    words: list[str]
    code: int
    output: str
    is_told: bool
    """Whether its output is to be compared; what apt says of its progress is not."""

    @property
    def name(self) -> str:
        return " ".join(self.words)


@dataclass
class Used:
    """What came of a tree's use, with the tree as it was after apt's part and at the end."""

    purged: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    def to_json(self) -> str:
        snapshots = {
            when: json.loads(snapshot.to_json()) for when, snapshot in self.snapshots.items()
        }
        return json.dumps(
            {
                "purged": self.purged,
                "steps": [asdict(step) for step in self.steps],
                "snapshots": snapshots,
            }
        )

    @staticmethod
    def from_json(text: str) -> Used:
        read = json.loads(text)
        snapshots = {
            when: Snapshot.from_json(json.dumps(snapshot))
            for when, snapshot in read["snapshots"].items()
        }
        return Used(read["purged"], [Step(**step) for step in read["steps"]], snapshots)


def kept(file: Path) -> Used | None:
    """What an earlier run of this very program came to."""
    return (
        Used.from_json(file.read_text())
        if file.exists() and file.stat().st_mtime > Path(__file__).stat().st_mtime
        else None
    )


def use(
    cell: Cell, made: tuple[Path, float], environment: dict[str, str], reference: Used | None = None
) -> Used:
    """Uses a tree whose making began at the second of `made`. The packages to purge are the
    reference's, or chosen here. An extracted tree cannot be used.
    """
    used = Used()
    root, began = made
    if cell.variant == "extract":
        return used
    run = Runner(root, environment, used)
    run("dpkg", "--audit")
    run("dpkg", "--verify")
    if (root / "usr/bin/apt-get").exists():
        use_apt(run, root)
        used.snapshots["after apt"] = take(root, began)
    used.purged = reference.purged if reference else to_purge(installed(root), root)
    run("dpkg", "--purge", *used.purged, is_told=False)
    run("dpkg", "--audit")
    run("dpkg", "--verify")
    used.snapshots["after the purge"] = take(root, began)
    return used


def use_apt(run: Runner, root: Path) -> None:
    before = installed(root)
    run("apt-get", "-qq", "check")
    run("apt-get", "update", is_told=False)
    known = [name for name in INSTALLED if run.output("apt-cache", "show", name)]
    run("apt-get", "install", "--yes", "--no-install-recommends", *known, is_told=False)
    run("apt-get", "install", "--yes", "--reinstall", *to_reinstall(before, root), is_told=False)
    run("apt-get", "dist-upgrade", "--yes", is_told=False)
    run("apt-get", "-qq", "check")
    run("dpkg", "--verify")
    run("apt-get", "purge", "--yes", *known, is_told=False)
    run("apt-get", "autoremove", "--purge", "--yes", is_told=False)
    run("apt-get", "-qq", "check")


class Runner:
    """Runs commands in a tree and notes what they come to."""

    def __init__(self, root: Path, environment: dict[str, str], used: Used) -> None:
        self.root = root
        self.environment = {
            **environment,
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBCONF_NONINTERACTIVE_SEEN": "true",
        }
        self.used = used

    def __call__(self, *words: str, is_told: bool = True) -> None:
        done = self._run(words)
        self.used.steps.append(Step(list(words), done.returncode, done.stdout, is_told))

    def output(self, *words: str) -> str:
        done = self._run(words)
        return done.stdout if done.returncode == 0 else ""

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NAMESPACES, "sh", "-c", ENTERING, "sh", str(self.root), *words],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )


def installed(root: Path) -> Stanzas:
    stanzas = read_stanzas(read_text(root, "/var/lib/dpkg/status") or "")
    return {
        name: stanza
        for name, stanza in stanzas.items()
        if stanza.get("Status") == "install ok installed"
    }


def to_reinstall(stanzas: Stanzas, root: Path) -> list[str]:
    """As many as are purged, those with most to go wrong, the essential ones too."""
    names = sorted(stanzas, key=lambda name: (-hardness(stanzas[name], root), name))
    return sorted(by_name(stanzas[name]) for name in names[:PURGED])


def to_purge(stanzas: Stanzas, root: Path) -> list[str]:
    """Packages that can go without leaving a dependency open, the hardest first."""
    needs = {name: needed_names(stanza) for name, stanza in stanzas.items()}
    chosen: list[str] = []
    while len(chosen) < PURGED:
        left = [name for name in stanzas if name not in chosen]
        needed = set().union(*(needs[name] for name in left)) if left else set()
        free = [
            name
            for name in left
            if not is_protected(stanzas[name]) and not own_names(stanzas[name]) & needed
        ]
        if not free:
            break
        chosen.append(min(free, key=lambda name: (-hardness(stanzas[name], root), name)))
    if not chosen:
        return [*FORCED, *forcible(stanzas, root)]
    return sorted(by_name(stanzas[name]) for name in chosen)


def forcible(stanzas: Stanzas, root: Path) -> list[str]:
    """The hardest packages of a tree in which each is needed, without what dpkg and scripts
    need.
    """
    kept = set(RUN_ON)
    while (
        more := {
            name
            for stanza in stanzas.values()
            if own_names(stanza) & kept
            for name in needed_names(stanza)
        }
        - kept
    ):
        kept |= more
    # No force that every dpkg knows removes what is protected without being essential.
    free = {
        name
        for name, stanza in stanzas.items()
        if stanza.get("Essential") == "yes" or not is_protected(stanza)
    }
    names = [name for name in free if not own_names(stanzas[name]) & kept]
    names.sort(key=lambda name: (-hardness(stanzas[name], root), name))
    return sorted(by_name(stanzas[name]) for name in names[:PURGED])


def hardness(stanza: dict[str, str], root: Path) -> int:
    """The number of hard features of a package: conffiles, diversions, triggers and so on."""
    info = root / "var/lib/dpkg/info"
    name = stanza["Package"]
    qualified = f"{name}:{stanza['Architecture']}" if stanza.get("Multi-Arch") == "same" else name
    diversions = (read_text(root, "/var/lib/dpkg/diversions") or "").splitlines()[2::3]
    postinst = read_text(info, f"/{qualified}.postinst") or ""
    return sum(
        (
            bool(stanza.get("Conffiles")),
            name in diversions,
            (info / f"{qualified}.triggers").exists(),
            "update-alternatives" in postinst,
            (info / f"{qualified}.postrm").exists(),
        )
    )


def is_protected(stanza: dict[str, str]) -> bool:
    return "yes" in (stanza.get("Essential"), stanza.get("Protected"), stanza.get("Important"))


def needed_names(stanza: dict[str, str]) -> set[str]:
    """Every name that a package's dependencies mention, as alternatives too."""
    text = ",".join(stanza.get(kind, "") for kind in ("Pre-Depends", "Depends"))
    return {
        re.split(r"[\s:(]", relation.strip(), maxsplit=1)[0] for relation in re.split(r"[,|]", text)
    } - {""}


def own_names(stanza: dict[str, str]) -> set[str]:
    """A package's name and those it provides."""
    provided = re.split(r",", stanza.get("Provides", ""))
    return {
        stanza["Package"],
        *(re.split(r"[\s:(]", name.strip(), maxsplit=1)[0] for name in provided),
    } - {""}


def by_name(stanza: dict[str, str]) -> str:
    """A package as dpkg and apt take it."""
    architecture = stanza["Architecture"]
    return stanza["Package"] if architecture == "all" else f"{stanza['Package']}:{architecture}"


def compare(reference: Used, ours: Used, rules: list[Rule]) -> list[Difference]:
    """Where the results of two trees differ, and each command of ours that failed or complained."""
    found = []
    for one, other in zip(reference.steps, ours.steps, strict=False):
        if one.words != other.words:
            found.append(
                Difference(other.name, "content", f"`{one.name}` was run", "another command")
            )
        if one.code != other.code or other.code != 0:
            found.append(
                Difference(
                    other.name,
                    "content",
                    f"exit {one.code}",
                    f"exit {other.code}\n{end(other.output)}",
                )
            )
        elif one.is_told and one.output != other.output:
            found.append(Difference(other.name, "content", end(one.output), end(other.output)))
        elif other.words[-1] in ("--audit", "check") and other.output:
            found.append(
                Difference(other.name, "content", "silence is expected", end(other.output))
            )
    if len(reference.steps) != len(ours.steps):
        found.append(
            Difference("commands", "presence", f"{len(reference.steps)}", f"{len(ours.steps)}")
        )
    for when in reference.snapshots.keys() & ours.snapshots.keys():
        for difference in differences(reference.snapshots[when], ours.snapshots[when], rules):
            found.append(
                Difference(
                    f"{when}: {difference.path}",
                    difference.aspect,
                    difference.reference,
                    difference.ours,
                )
            )
    return found


def end(output: str) -> str:
    return "\n".join(output.splitlines()[-12:])


def summary(used: Used, found: list[Difference]) -> str:
    purged = len(set(used.purged) - set(FORCED))
    return (
        f"use: {len(found)} differences after {len(used.steps)} commands, {purged} packages purged"
    )
