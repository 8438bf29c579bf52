"""Makes trees with mmdebstrap, debootstrap and rbootstrap, each from the same mirror with the same
SOURCE_DATE_EPOCH.

On an older host, the references are those of trixie or later, fetched and verified by its apt.
"""

from __future__ import annotations

import email.utils
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

REFERENCES = {"mmdebstrap": "1.5.7", "debootstrap": "1.0.141"}
"""The oldest version of each that is compared with."""

REFERENCE_SUITE = "trixie"
MERGED_FIRST = ("buster", "bullseye", "focal", "jammy")
"""Suites in which no package merges /usr: the links are made first, as debootstrap does."""

MERGED_BY_HOOK = ("bookworm",)
"""Suites in which mmdebstrap's own hook merges /usr and takes usr-is-merged instead of usrmerge, as
debootstrap does.
"""

MERGED = {
    "amd64": "bin sbin lib lib32 lib64 libx32",
    "i386": "bin sbin lib lib64 libx32",
    "ppc64el": "bin sbin lib lib64",
}
"""Which links these are, where there are more than three."""

OPTIONS = ("archive", "components", "expired", "foreign", "sources")
"""What a line of the matrix may say beyond suite, variant and packages."""

DEBOOTSTRAP_VARIANTS = {
    "minbase": "minbase",
    "required": "minbase",
    "buildd": "buildd",
    "important": "-",
}
KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": str(
        Path(__file__).resolve().parents[2] / "suites/keyrings/ubuntu-archive-keyring.gpg"
    ),
}
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
        """The native one and, when the cell asks for one, the foreign one."""
        machine = platform.machine()
        return [MACHINES.get(machine, machine), *filter(None, [self.options.get("foreign")])]

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


class Reference:
    """mmdebstrap or debootstrap, as new as it has to be."""

    def __init__(self, name: str, directory: Path, upstream: str) -> None:
        self.name = name
        self.directory = directory / "tools"
        self.program = self._set_up(upstream)

    def _set_up(self, upstream: str) -> list[str]:
        need(self.name, "debian-archive-keyring")
        self.version = installed_version(self.name)
        if is_at_least(self.version, REFERENCES[self.name]):
            return [self.name]
        unpacked = self._kept() or self._fetch(upstream)
        self.version = unpacked.name.removeprefix(f"{self.name}-")
        if self.name == "debootstrap":
            return [
                "env",
                f"DEBOOTSTRAP_DIR={unpacked}/usr/share/debootstrap",
                f"{unpacked}/usr/sbin/debootstrap",
            ]
        return ["perl", f"{unpacked}/usr/bin/mmdebstrap"]

    def _kept(self) -> Path | None:
        """Where an earlier run has unpacked one that is new enough."""
        found = sorted(self.directory.glob(f"{self.name}-*"), key=lambda kept: kept.stat().st_mtime)
        fitting = (
            kept
            for kept in reversed(found)
            if is_at_least(kept.name.removeprefix(f"{self.name}-"), REFERENCES[self.name])
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
        sources.write_text(
            f"deb [signed-by={KEYRINGS['debian']}] {upstream} {REFERENCE_SUITE} main\n"
        )
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

    def command(self, cell: Cell) -> list[str]:
        """The command line but for suite, target and mirror."""
        options = self._mmdebstrap(cell) if self.name == "mmdebstrap" else self._debootstrap(cell)
        return [
            *CONFINED,
            *self.program,
            *options,
            *packages(cell),
            f"--keyring={KEYRINGS[cell.archive]}",
        ]

    def make(self, cell: Cell, target: Path, mirror: str, epoch: int) -> None:
        expired = "[check-valid-until=no] " if "expired" in cell.options else ""
        sources = (
            [f"{mirror}/{cell.archive}"]
            if self.name == "debootstrap"
            else cell.sources(mirror, expired)
        )
        run([*self.command(cell), cell.suite, str(target), *sources], environment(epoch))

    def _mmdebstrap(self, cell: Cell) -> list[str]:
        options = [
            "--mode=root",
            "--format=directory",
            f"--variant={cell.variant}",
            f"--architectures={','.join(cell.architectures)}",
        ]
        if cell.suite in MERGED_FIRST and cell.variant not in ("custom", "extract"):
            names = MERGED.get(cell.architectures[0], "bin sbin lib")
            link = 'mkdir -p "$1/usr/$name" && ln -s "usr/$name" "$1/$name"'
            options.append(f"--setup-hook=for name in {names}; do {link}; done")
        if cell.suite in MERGED_BY_HOOK and cell.variant not in ("custom", "extract"):
            options.append(f"--hook-dir={self.hooks()}/maybe-merged-usr")
        return options

    def hooks(self) -> str:
        """The directory of mmdebstrap's own hooks, beside its program."""
        is_installed = len(self.program) == 1
        program = Path("/usr/bin/mmdebstrap" if is_installed else self.program[-1])
        return str(program.parents[1] / "share/mmdebstrap/hooks")

    def _debootstrap(self, cell: Cell) -> list[str]:
        if (
            cell.variant not in DEBOOTSTRAP_VARIANTS
            or len(cell.architectures) > 1
            or len(cell.suites) > 1
        ):
            raise Unsupported(
                f"debootstrap has no {cell.variant} for {', '.join(cell.architectures)} "
                f"of {', '.join(cell.suites)}"
            )
        return [f"--variant={DEBOOTSTRAP_VARIANTS[cell.variant]}"]


def make_ours(
    program: Path, cell: Cell, target: Path, mirror: str, epoch: int, cache: Path
) -> None:
    """The tree as rbootstrap makes it."""
    command = [
        str(program),
        f"--variant={cell.variant}",
        f"--cache-dir={cache}",
        f"--arch={','.join(cell.architectures)}",
        # mmdebstrap's tree lists the mirror that it was made from.
        "--apt-sources=used",
    ]
    command += [f"--source={source}" for source in cell.sources(mirror)[1:]]
    command += ["--no-check-valid-until"] if "expired" in cell.options else []
    run(
        [*command, *packages(cell), cell.suite, str(target), f"{mirror}/{cell.archive}"],
        environment(epoch),
    )


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
