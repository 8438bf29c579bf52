"""Digests of archives, and what differs between two."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def layer_digest(file: Path) -> str:
    """The digest of the only layer of an OCI archive, uncompressed: that of a tar."""
    with tarfile.open(file) as archive:
        sizes = {member.name: member.size for member in archive if member.isreg()}
        largest = max(sizes, key=lambda name: sizes[name])
        content = archive.extractfile(largest)
        assert content
        with gzip.GzipFile(fileobj=content) as layer:
            return hashlib.file_digest(layer, "sha256").hexdigest()


def differing_members(first: Path, second: Path) -> list[str]:
    """The members of two archives that differ, and in what."""
    old, new = members(first), members(second)
    lines = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            lines.append(f"{name}: only in the {'second' if before is None else 'first'}")
        elif before != after:
            aspects = [key for key in before if before[key] != after.get(key)]
            aspects += [key for key in after if key not in before]
            lines.append(
                f"{name}: {', '.join(f'{a} {before.get(a)} → {after.get(a)}' for a in aspects)}"
            )
    if not lines and list(old) != list(new):
        lines.append("the order of the members")
    return lines or ["the framing of the archive alone"]


def members(file: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            digest = hashlib.file_digest(content, "sha256").hexdigest()[:12] if content else ""  # type: ignore[arg-type]
            found[member.name] = {
                "type": member.type,
                "mode": oct(member.mode),
                "owner": (member.uid, member.gid),
                "time": member.mtime,
                "target": member.linkname,
                "content": digest,
                "device": (member.devmajor, member.devminor),
                "attributes": sorted(member.pax_headers.items()),
            }
    return found
