"""Digests of archives, and what differs between two."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

Members = dict[str, dict[str, object]]
"""What an archive says of each of its members, by name."""


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def layer_digest(file: Path) -> str:
    """The digest of the only layer of an OCI archive, uncompressed: that of a tar."""
    with tarfile.open(file) as archive, layer(archive) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def layer(archive: tarfile.TarFile) -> gzip.GzipFile:
    """The only layer of an OCI archive, uncompressed. It is the largest member."""
    sizes = {member.name: member.size for member in archive if member.isreg()}
    content = archive.extractfile(max(sizes, key=lambda name: sizes[name]))
    assert content
    return gzip.GzipFile(fileobj=content)


def differing_members(first: Path, second: Path) -> list[str]:
    """The members of two archives that differ, and in what: of two OCI archives those of their
    layers, if these differ.
    """
    return (
        differences(layer_members(first), layer_members(second))
        or differences(members(first), members(second))
        or ["the framing of the archive alone"]
    )


def differences(old: Members, new: Members) -> list[str]:
    """What two archives' members differ in, a line each; none if they are the same."""
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
    return lines


def layer_members(file: Path) -> Members:
    """The members of an OCI archive's layer; none for another archive."""
    with tarfile.open(file) as archive:
        if "oci-layout" not in archive.getnames():
            return {}
        with layer(archive) as content, tarfile.open(fileobj=content, mode="r|") as inner:
            return read_members(inner)


def members(file: Path) -> Members:
    with tarfile.open(file) as archive:
        return read_members(archive)


def read_members(archive: tarfile.TarFile) -> Members:
    found: Members = {}
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
