"""A root file system as data, path by path, in a form that can be kept as JSON.

A snapshot has everything that dpkg, tar or a booting system can tell apart: type, mode, owner, link
target, device, hard links, extended attributes, content, and the time of shipped files. A time
after the start of the run (a directory that the run changed, a link that a script made again)
counts only as that, and so does SOURCE_DATE_EPOCH, to which such a time may be set. The files of
the dpkg database are read as stanzas, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path

TEXT_LIMIT = 64 << 10
"""Unshipped files up to this size keep their text, so that a difference can be shown."""

STANZA_FILES = ("/var/lib/dpkg/status", "/var/lib/apt/extended_states")
"""Compared field by field, whatever the order of stanzas."""

IN_THE_RUN = -1
"""The time of a shipped path that the run made again, or of a directory that it changed."""

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}

Stanzas = dict[str, dict[str, str]]


@dataclass
class Facts:
    """One path."""

    kind: str
    mode: str
    owner: str
    target: str = ""
    device: str = ""
    links: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    content: str = ""
    """SHA-256 of a regular file."""
    time: int | None = None
    """Only of a shipped path with its shipped content; perhaps `IN_THE_RUN`."""
    text: str | None = None


@dataclass
class Snapshot:
    """One tree."""

    paths: dict[str, Facts]
    stanzas: dict[str, Stanzas]

    def to_json(self) -> str:
        return json.dumps(
            {
                "paths": {path: asdict(facts) for path, facts in self.paths.items()},
                "stanzas": self.stanzas,
            }
        )

    @staticmethod
    def from_json(text: str) -> Snapshot:
        read = json.loads(text)
        return Snapshot(
            {path: Facts(**facts) for path, facts in read["paths"].items()}, read["stanzas"]
        )


def take(root: Path, began: float) -> Snapshot:
    """Reads the tree below `root`. What its making changed has a time of `began` or later.
    Follows no symlink and enters no other file system.
    """
    shipped = Shipped(root)
    found: dict[str, os.stat_result] = {"/": root.lstat()}
    device = found["/"].st_dev
    pending = [""]
    while pending:
        above = pending.pop()
        for entry in os.scandir(os.fsencode(root) + os.fsencode(above or "/")):
            path = f"{above}/{os.fsdecode(entry.name)}"
            found[path] = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False) and found[path].st_dev == device:
                pending.append(path)
    links = hard_links(found)
    paths = {path: facts(root, path, found[path], links, shipped) for path in sorted(found)}
    for path in shipped.paths & paths.keys():
        if paths[path].kind == "directory":
            paths[path].time = int(found[path].st_mtime)
        if paths[path].time is not None and found[path].st_mtime >= began:
            paths[path].time = IN_THE_RUN
    stanzas = {
        path: read_stanzas(text)
        for path in STANZA_FILES
        if (text := read_text(root, path)) is not None
    }
    return Snapshot(paths, stanzas)


def hard_links(found: dict[str, os.stat_result]) -> dict[tuple[int, int], list[str]]:
    """The paths of each file that has several."""
    groups: dict[tuple[int, int], list[str]] = {}
    for path, status in found.items():
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            groups.setdefault((status.st_dev, status.st_ino), []).append(path)
    return {file: sorted(group) for file, group in groups.items()}


def facts(
    root: Path,
    path: str,
    status: os.stat_result,
    links: dict[tuple[int, int], list[str]],
    shipped: Shipped,
) -> Facts:
    on_host = f"{root}{path}"
    made = Facts(
        kind=KINDS[stat.S_IFMT(status.st_mode)],
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        owner=f"{status.st_uid}:{status.st_gid}",
        links=links.get((status.st_dev, status.st_ino), []),
        attributes=attributes(on_host),
    )
    unchanged = path in shipped.paths and path not in shipped.directories
    if made.kind == "symlink":
        made.target = str(Path(on_host).readlink())
    elif made.kind.endswith("device"):
        made.device = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    elif made.kind == "file":
        content = Path(on_host).read_bytes()
        made.content = hashlib.sha256(content).hexdigest()
        unchanged = unchanged and shipped.digests.get(path) in (
            None,
            hashlib.md5(content).hexdigest(),
        )
        if not unchanged and len(content) <= TEXT_LIMIT and b"\0" not in content:
            made.text = content.decode("utf-8", "backslashreplace")
    if unchanged and made.kind != "directory":
        made.time = int(status.st_mtime)
    return made


def attributes(on_host: str) -> dict[str, str]:
    names = os.listxattr(on_host, follow_symlinks=False)
    return {name: os.getxattr(on_host, name, follow_symlinks=False).hex() for name in names}


class Shipped:
    """The paths that packages ship, and their content, by the tree's dpkg database."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths: set[str] = set()
        self.directories: set[str] = set()
        """Shipped as directories, whatever they are in the tree: /bin is a symlink there."""
        self.digests: dict[str, str] = {}
        self._above: dict[str, str] = {}
        database = root / "var/lib/dpkg"
        self._diverted = self._diversions()
        for listing in sorted(database.glob("info/*.list")):
            package = listing.stem.split(":")[0]
            for line in listing.read_text("utf-8", "surrogateescape").splitlines():
                self.paths.add(self._place(line, package))
                self.directories.add(line.rpartition("/")[0])
        for sums in sorted(database.glob("info/*.md5sums")):
            package = sums.stem.split(":")[0]
            for line in sums.read_text("utf-8", "surrogateescape").splitlines():
                digest, _, path = line.partition("  ")
                self.digests[self._place(f"/{path}", package)] = digest
        for stanza in read_stanzas(read_text(root, "/var/lib/dpkg/status") or "").values():
            for line in stanza.get("Conffiles", "").splitlines():
                path, _, digest = line.strip().partition(" ")
                if path:
                    self.digests[self._place(path, "")] = digest.split(" ")[0]

    def _diversions(self) -> dict[str, tuple[str, str]]:
        """Diverted path → where to, by which package: three lines each."""
        lines = (read_text(self.root, "/var/lib/dpkg/diversions") or "").splitlines()
        return {
            path: (to, package)
            for path, to, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
        }

    def _place(self, path: str, package: str) -> str:
        """The place in the tree of a path of a package: another one if the path is diverted or
        below a symlink.
        """
        to, diverter = self._diverted.get(path, (path, ""))
        if diverter != package:
            path = to
        above, _, name = path.rpartition("/")
        if above not in self._above:
            self._above[above] = self._resolved(above)
        return f"{self._above[above]}/{name}"

    def _resolved(self, directory: str) -> str:
        resolved = ""
        for name in directory.split("/")[1:]:
            here = f"{self.root}{resolved}/{name}"
            if not os.path.islink(here):
                resolved += f"/{name}"
                continue
            target = os.readlink(here)
            joined = target if target.startswith("/") else f"{resolved}/{target}"
            resolved = os.path.normpath(joined).rstrip("/")
        return resolved


def read_text(root: Path, path: str) -> str | None:
    try:
        return Path(f"{root}{path}").read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_stanzas(text: str) -> Stanzas:
    """Stanzas by package and architecture; continuation lines stay with their field."""
    stanzas: Stanzas = {}
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] += f"\n{line}"
            elif line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            stanzas[f"{fields.get('Package')}:{fields.get('Architecture')}"] = fields
    return stanzas
