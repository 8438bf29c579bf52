"""What a comparison makes: the cells of a matrix, and our trees of them."""

from __future__ import annotations

import email.utils
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = ("arch", "archive", "components", "expired", "foreign", "profile", "sources")
"""What a line of the matrix may say beyond suite, variant and packages."""

KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": str(
        Path(__file__).resolve().parents[2] / "suites/keyrings/ubuntu-archive-keyring.gpg"
    ),
}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "i386", "ppc64le": "ppc64el"}


class Unsupported(Exception):
    """The reference has nothing of the kind."""


class Failed(Exception):
    """A tool failed; the text is the end of what it said."""


@dataclass(frozen=True)
class Cell:
    """What is made: one line of a matrix, in one of its suites."""

    name: str
    suite: str
    variant: str
    include: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)

    @property
    def architectures(self) -> list[str]:
        """The native one, which is the host's unless the cell names another, and when the cell
        asks for one, the foreign one.
        """
        machine = platform.machine()
        native = self.options.get("arch", MACHINES.get(machine, machine))
        return [native, *filter(None, [self.options.get("foreign")])]

    @property
    def archive(self) -> str:
        """The first component of the path on the mirror, `debian` or `ubuntu`."""
        return self.options.get("archive", "debian")

    @property
    def suites(self) -> list[str]:
        """The suite and those read beside it."""
        return [self.suite, *filter(None, self.options.get("sources", "").split(","))]

    def sources(self, mirror: str, option: str = "") -> list[str]:
        """apt's lines for the suites: the cell's own, and those read beside it."""
        components = self.options.get("components", "main").replace(",", " ")
        return [
            f"deb {option}{mirror}/{self.archive} {suite} {components}" for suite in self.suites
        ]


def read_matrix(file: Path) -> list[Cell]:
    """Reads lines of `NAME SUITE[,SUITE…] VARIANT INCLUDE [KEY=VALUE…]`, with `-` for no
    INCLUDE; `#` begins a comment. The cell of each suite is named `SUITE-NAME`.
    """
    cells = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 4 or not all("=" in option for option in words[4:]):
            raise ValueError(
                f"{file}:{number}: expected NAME SUITE[,SUITE…] VARIANT INCLUDE [KEY=VALUE…]"
            )
        name, suites, variant, include = words[:4]
        packages = () if include == "-" else tuple(include.split(","))
        options = dict(option.split("=", 1) for option in words[4:])
        if unknown := options.keys() - set(OPTIONS):
            raise ValueError(
                f"{file}:{number}: no key `{min(unknown)}`; there are {', '.join(OPTIONS)}"
            )
        cells += [
            Cell(f"{suite}-{name}", suite, variant, packages, options)
            for suite in suites.split(",")
        ]
    return cells


def run(
    command: list[str], environment: dict[str, str] | None = None, directory: Path | None = None
) -> str:
    """Runs a tool without input and returns its output. The environment is the caller's, unless
    one is given.
    """
    done = subprocess.run(
        command,
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-25:])
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{end}")
    return done.stdout


def make_ours(
    program: Path, cell: Cell, target: Path, mirror: str, epoch: int, cache: Path
) -> None:
    """The tree as rbootstrap makes it. With a profile it is an image, which is unpacked."""
    profiles = list(filter(None, cell.options.get("profile", "").split(",")))
    command = [
        str(program),
        f"--variant={cell.variant}",
        f"--cache-dir={cache}",
        f"--arch={','.join(cell.architectures)}",
        # The tree of a reference lists the mirror that it was made from.
        "--apt-sources=used",
        *(f"--source={source}" for source in cell.sources(mirror)[1:]),
        *(f"--profile={profile}" for profile in profiles),
        *(["--no-check-valid-until"] if "expired" in cell.options else []),
        *packages(cell),
    ]
    made = target.with_name(f"{target.name}.tar") if profiles else target
    run([*command, cell.suite, str(made), f"{mirror}/{cell.archive}"], environment(epoch))
    if profiles:
        unpack(made, target)


def unpack(archive: Path, target: Path) -> None:
    """Unpacks a tar with everything that it holds, and removes it."""
    target.mkdir()
    run(
        [
            *("tar", "--extract", f"--file={archive}", f"--directory={target}"),
            *("--preserve-permissions", "--same-owner", "--numeric-owner"),
            *("--xattrs", "--xattrs-include=*"),
        ]
    )
    archive.unlink()


def packages(cell: Cell) -> list[str]:
    """The options that all three tools share."""
    shared = [f"--components={cell.options['components']}"] if "components" in cell.options else []
    return [*shared, f"--include={','.join(cell.include)}"] if cell.include else shared


def environment(epoch: int) -> dict[str, str]:
    """The whole environment. mmdebstrap passes its own to maintainer scripts, and a variable
    such as PYTHONDONTWRITEBYTECODE changes the tree. No proxy, since the mirror is on loopback.
    """
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(epoch)}


def need(*packages: str) -> None:
    """Installs those of the host's packages that are missing."""
    missing = [package for package in packages if not installed_version(package)]
    if missing:
        run(["apt-get", "update"])
        run(
            ["apt-get", "install", "--yes", "--no-install-recommends", *missing],
            {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )


def release_date(release: str) -> int:
    """A Release's own date, in seconds."""
    date = re.search(r"^Date: (.*)$", release, re.MULTILINE)
    if not date:
        raise Failed("a Release without a Date")
    return int(email.utils.parsedate_to_datetime(date.group(1)).timestamp())


def installed_version(package: str) -> str:
    found = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def is_at_least(version: str, wanted: str) -> bool:
    return (
        subprocess.run(
            ["dpkg", "--compare-versions", version, "ge", wanted], check=False
        ).returncode
        == 0
    )


def remove(tree: Path) -> None:
    """Removes a tree, but nothing that is mounted in it."""
    if tree.exists():
        run(["rm", "-rf", "--one-file-system", str(tree)])


def find_program(project: Path) -> Path | None:
    """rbootstrap as `$RBOOTSTRAP` says, or as cargo built it."""
    named = os.environ.get("RBOOTSTRAP")
    if named:
        found = shutil.which(named)
        return Path(found) if found else None
    built = project / "target/release/rbootstrap"
    return built if built.exists() else None
