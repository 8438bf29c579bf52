"""The tools that rbootstrap is compared with: mmdebstrap, debootstrap and debuerreotype.

On an older host, mmdebstrap and debootstrap are those of trixie or later, fetched and verified by
its apt.
"""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from makers import (
    KEYRINGS,
    Cell,
    Unsupported,
    environment,
    installed_version,
    is_at_least,
    need,
    packages,
    remove,
    run,
    unpack,
)

LATER_SUITE = "trixie"
"""Where a tool comes from if the host's is too old."""

MERGED_FIRST = ("buster", "bullseye", "focal", "jammy")
"""Suites in which no package merges /usr: the links are made first, as debootstrap does."""

MERGED_BY_HOOK = ("bookworm",)
"""Suites in which mmdebstrap's own hook merges /usr and takes usr-is-merged instead of
usrmerge, as debootstrap does.
"""

MERGED = {
    "amd64": "bin sbin lib lib32 lib64 libx32",
    "i386": "bin sbin lib lib64 libx32",
    "ppc64el": "bin sbin lib lib64",
}
"""Which links these are, where there are more than three."""

DEBOOTSTRAP_VARIANTS = {
    "minbase": "minbase",
    "required": "minbase",
    "buildd": "buildd",
    "important": "-",
}

DEBUERREOTYPE_STEPS = {"docker": (), "docker,slim": ("debuerreotype-slimify",)}
"""By a cell's profiles, debuerreotype's steps besides those of every image."""

CONFINED = [
    *("setpriv", "--pdeathsig=KILL"),
    *("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *(
        "sh",
        "-c",
        "echo localhost >/proc/sys/kernel/hostname && "
        'mount --bind /dev/null /etc/resolv.conf && exec "$@"',
        "sh",
    ),
]
"""The command in which a reference runs: in namespaces that end with their first process, so that
whatever ends a comparison also ends all processes and mounts of the reference. Scripts that ask
for the host name, or for a name from the network, get the same answers as in rbootstrap's sandbox:
`localhost`, and none.
"""


class Reference:
    """A tool that makes the trees that ours are compared with, as new as it has to be."""

    name: str
    oldest: str
    """The oldest version that is compared with."""
    has_profiles = False
    """Whether it makes cells with a profile, and no others."""

    def __init__(self, directory: Path, upstream: str) -> None:
        """Installs the tool. `directory` keeps one that is newer than the host's, which comes from
        the archive `upstream`.
        """
        self.directory = directory / "tools"
        need(self.name, "debian-archive-keyring")
        self.version = installed_version(self.name)
        self.root = Path("/")
        """Where the tool's package is unpacked."""
        if not is_at_least(self.version, self.oldest):
            self.root = self._kept() or self._fetch(upstream)
            self.version = self.root.name.removeprefix(f"{self.name}-")

    def command(self, cell: Cell) -> list[str]:
        """The command line but for suite, target and mirror.

        Raises `Unsupported` if the tool makes nothing of the kind.
        """
        if "profile" in cell.options:
            raise Unsupported(f"{self.name} has no profiles; debuerreotype has")
        return [
            *CONFINED,
            *self.program(),
            *self.options(cell),
            *packages(cell),
            f"--keyring={KEYRINGS[cell.archive]}",
        ]

    def make(self, cell: Cell, target: Path, mirror: str, epoch: int) -> None:
        """Makes the tree of a cell in `target`."""
        run(
            [*self.command(cell), cell.suite, str(target), *self.sources(cell, mirror)],
            environment(epoch),
        )

    def program(self) -> list[str]:
        """The command that starts the tool."""
        return [self.name]

    def options(self, cell: Cell) -> list[str]:
        """The tool's own options for a cell."""
        raise NotImplementedError

    def sources(self, cell: Cell, mirror: str) -> list[str]:
        """The words after the target."""
        return [f"{mirror}/{cell.archive}"]

    def is_fetched(self) -> bool:
        """Whether the tool is newer than the host's."""
        return self.root != Path("/")

    def _kept(self) -> Path | None:
        """Where an earlier run has unpacked one that is new enough."""
        found = sorted(self.directory.glob(f"{self.name}-*"), key=lambda kept: kept.stat().st_mtime)
        fitting = (
            kept
            for kept in reversed(found)
            if is_at_least(kept.name.removeprefix(f"{self.name}-"), self.oldest)
        )
        return next(fitting, None)

    def _fetch(self, upstream: str) -> Path:
        """Fetches the package from a later suite, with an apt configuration of its own, and
        unpacks it.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=self.directory) as place:
            return self._fetch_into(upstream, Path(place))

    def _fetch_into(self, upstream: str, place: Path) -> Path:
        """Works in a directory of its own, so that runs at the same time do not disturb each
        other.
        """
        for below in ("lists/partial", "archives/partial"):
            (place / below).mkdir(parents=True, exist_ok=True)
        sources = place / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRINGS['debian']}] {upstream} {LATER_SUITE} main\n")
        options = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": place / "lists",
            "Dir::Cache": place,
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", *(f"--option={name}={value}" for name, value in options.items())]
        run([*apt, "update"])
        run([*apt, "download", self.name], directory=place)
        package = max(place.glob(f"{self.name}_*.deb"), key=lambda found: found.stat().st_mtime)
        unpacked = (
            self.directory
            / f"{self.name}-{run(['dpkg-deb', '--field', str(package), 'Version']).strip()}"
        )
        part = place / unpacked.name
        run(["dpkg-deb", "--extract", str(package), str(part)])
        if not unpacked.exists():
            part.replace(unpacked)
        return unpacked


class Mmdebstrap(Reference):
    """Makes trees with the host's apt."""

    name = "mmdebstrap"
    oldest = "1.5.7"

    def program(self) -> list[str]:
        if not self.is_fetched():
            return [self.name]
        return ["perl", str(self.root / "usr/bin/mmdebstrap")]

    @property
    def hooks(self) -> Path:
        """The directory of mmdebstrap's own hooks."""
        return self.root / "usr/share/mmdebstrap/hooks"

    def options(self, cell: Cell) -> list[str]:
        options = [
            "--mode=root",
            "--format=directory",
            f"--variant={cell.variant}",
            f"--architectures={','.join(cell.architectures)}",
        ]
        if cell.variant in ("custom", "extract"):
            return options
        if cell.suite in MERGED_FIRST:
            names = MERGED.get(cell.architectures[0], "bin sbin lib")
            link = 'mkdir -p "$1/usr/$name" && ln -s "usr/$name" "$1/$name"'
            options.append(f"--setup-hook=for name in {names}; do {link}; done")
        if cell.suite in MERGED_BY_HOOK:
            options.append(f"--hook-dir={self.hooks / 'maybe-merged-usr'}")
        return options

    def sources(self, cell: Cell, mirror: str) -> list[str]:
        return cell.sources(mirror, "[check-valid-until=no] " if "expired" in cell.options else "")


class Debootstrap(Reference):
    """Makes trees of one suite and one architecture."""

    name = "debootstrap"
    oldest = "1.0.141"

    def program(self) -> list[str]:
        if not self.is_fetched():
            return [self.name]
        return ["env", f"DEBOOTSTRAP_DIR={self.scripts.parent}", str(self.executable)]

    @property
    def executable(self) -> Path:
        return self.root / "usr/sbin/debootstrap"

    @property
    def scripts(self) -> Path:
        """The directory with a script for each suite."""
        return self.root / "usr/share/debootstrap/scripts"

    def options(self, cell: Cell) -> list[str]:
        if (
            cell.variant not in DEBOOTSTRAP_VARIANTS
            or len(cell.architectures) > 1
            or len(cell.suites) > 1
        ):
            raise Unsupported(
                f"debootstrap has no {cell.variant} for {', '.join(cell.architectures)} "
                f"of {', '.join(cell.suites)}"
            )
        architecture = [f"--arch={cell.architectures[0]}"] if "arch" in cell.options else []
        return [f"--variant={DEBOOTSTRAP_VARIANTS[cell.variant]}", *architecture]


class Debuerreotype(Reference):
    """Makes Docker's official images of Debian, by steps that work on a tree of debootstrap, and
    writes a tar. What is compared is the unpacked tar.
    """

    name = "debuerreotype"
    oldest = "0.15"
    has_profiles = True

    def __init__(self, directory: Path, upstream: str) -> None:
        super().__init__(directory, upstream)
        need("wget")
        self.debootstrap = Debootstrap(directory, upstream)
        self.version += f" with debootstrap {self.debootstrap.version}"

    def command(self, cell: Cell) -> list[str]:
        profile = cell.options.get("profile", "")
        is_made = profile in DEBUERREOTYPE_STEPS and cell.variant == "minbase"
        if not is_made or len(cell.suites) > 1 or {"arch", "foreign"} & cell.options.keys():
            raise Unsupported(
                f"debuerreotype has no {cell.variant} with the profile `{profile}` "
                f"for {', '.join(cell.architectures)} of {', '.join(cell.suites)}"
            )
        scripts = self.debootstrap.scripts
        start = [
            "debuerreotype-init",
            "--non-debian",
            f"--debootstrap={self.debootstrap.executable}",
            f"--debootstrap-script={scripts / cell.suite}",
            f"--keyring={KEYRINGS[cell.archive]}",
            *packages(cell),
        ]
        steps = [
            "set -e",
            f"export DEBOOTSTRAP_DIR={scripts.parent}",
            f'{shlex.join(start)} "$2" "$1" "$3"',
            'debuerreotype-minimizing-config "$2"',
            *(f'{step} "$2"' for step in DEBUERREOTYPE_STEPS[profile]),
            'debuerreotype-tar "$2" "$2.tar"',
        ]
        return [*CONFINED, "sh", "-c", "\n".join(steps), "sh"]

    def make(self, cell: Cell, target: Path, mirror: str, epoch: int) -> None:
        super().make(cell, target, mirror, epoch)
        remove(target)
        unpack(target.with_name(f"{target.name}.tar"), target)


REFERENCES: dict[str, type[Reference]] = {
    tool.name: tool for tool in (Mmdebstrap, Debootstrap, Debuerreotype)
}
