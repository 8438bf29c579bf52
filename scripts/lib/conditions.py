"""The conditions under which scripts/digests makes an image: what may differ between two hosts, two
days and two runs without changing a byte.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PLAIN = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
HOSTILE = PLAIN | {
    "DEBIAN_FRONTEND": "dialog",
    "DPKG_ADMINDIR": "/nonexistent",
    "DPKG_ROOT": "/nonexistent",
    "HOME": "/nonexistent",
    "LANGUAGE": "de:fr",
    "LD_LIBRARY_PATH": "/nonexistent",
    "PERL5LIB": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "USER": "nobody",
}
HOST_FILES = {
    "/etc/resolv.conf": "nameserver 192.0.2.1\nsearch elsewhere.example\n",
    "/etc/hosts": "127.0.0.1 localhost elsewhere\n",
    "/etc/hostname": "elsewhere\n",
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/etc/timezone": "Asia/Kathmandu\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nother:x:1000:100::/home/other:/bin/sh\n",
    "/etc/group": "root:x:0:\nother:x:33:\nusers:x:100:\n",
    "/etc/dpkg/dpkg.cfg.d/elsewhere": "path-exclude=/usr/share/doc/*\nforce-confnew\n",
    "/etc/apt/apt.conf.d/99elsewhere": 'APT::Install-Recommends "true";\n',
}
"""Files of another host. A directory such as apt.conf.d has that file alone."""


@dataclass(frozen=True)
class Condition:
    """One way to run rbootstrap."""

    name: str
    what: str
    """For people, as in docs/reproducible.md."""
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=lambda: PLAIN)
    wrapper: tuple[str, ...] = ()
    """A command that runs rbootstrap."""
    setup: str = ""
    """Shell code that runs before rbootstrap, in its own mount and UTS namespaces."""
    host_files: bool = False
    """Whether the host has the files of HOST_FILES."""
    cache: str = "warm"
    """`warm`, `cold` or `none`."""
    mirror: str = "first"
    """`first`, `second` (the same archive by another URL) or `later` (signed again)."""
    as_directory: bool = False
    """Makes a directory on a disk, which is packed, and not a file on tmpfs."""
    also_tar: bool = False
    """Makes a tar, too."""


CONDITIONS = (
    Condition("plain", "warm cache, a plain shell, output on tmpfs", also_tar=True),
    Condition(
        "names",
        "another host name, time zone, locale, umask and working directory; one job",
        options=("--jobs=1",),
        environment=PLAIN
        | {"TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        setup="hostname elsewhere; umask 077; cd /",
    ),
    Condition(
        "bare",
        "an environment with PATH alone, standard input closed; two jobs",
        options=("--jobs=2",),
        environment={"PATH": PATH},
        setup="exec <&-",
    ),
    Condition(
        "host",
        "other files of the host in /etc, and apt sources with another URL of the archive",
        host_files=True,
        mirror="second",
    ),
    Condition(
        "directory",
        "a directory on ext4 with blanks and umlauts in its path, then `pack`; a hostile "
        "environment; seven jobs",
        options=("--jobs=7",),
        environment=HOSTILE,
        as_directory=True,
        also_tar=True,
    ),
    Condition("cold", "a cold cache and a new state directory", cache="cold"),
    Condition(
        "alone",
        "`--no-cache`, on one processor",
        wrapper=("taskset", "--cpu-list", "0"),
        cache="none",
    ),
    Condition("days", "the clock two days ahead", wrapper=("faketime", "-f", "+2d")),
    Condition(
        "later",
        "the same archive with all its Releases signed again, a day later and with another key, "
        "the clock two days ahead",
        wrapper=("faketime", "-f", "+2d"),
        mirror="later",
    ),
)


def command(condition: Condition, program: list[str], work: Path, host: Path) -> list[str]:
    """The command that runs the program. `host` is a directory with a file for each path of the
    host that is replaced, `%` for each `/`.
    """
    script = ["set -e"]
    for file in sorted(host.iterdir()):
        place = Path(file.name.replace("%", "/"))
        script.append(f"mount --bind {shlex.quote(str(file))} {shlex.quote(str(place))}")
    script += [f"mkdir -p {shlex.quote(str(work))}", condition.setup, 'exec "$@"']
    return [
        *("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--uts", "--propagation=private"),
        *("sh", "-c", "\n".join(filter(None, script)), "sh"),
        *condition.wrapper,
        *program,
    ]


def write_host(condition: Condition, host: Path, distribution: str, sources: list[str]) -> None:
    """Writes the files of the host under a condition: the distribution, apt's sources, and those
    of HOST_FILES.
    """
    host.mkdir(parents=True)
    files = {"/etc/os-release": f"ID={distribution}\n", "/etc/apt/sources.list": ""}
    if condition.host_files:
        files |= HOST_FILES
    for path, content in files.items():
        whole = Path(path).parent.name.endswith(".d")
        place = host / (str(Path(path).parent) if whole else path).replace("/", "%")
        if whole and Path(path).parent.is_dir():
            place.mkdir(exist_ok=True)
            (place / Path(path).name).write_text(content)
        elif not whole and Path(path).exists():
            place.write_text(content)
    listed = host / "%etc%apt%sources.list.d"
    listed.mkdir()
    (listed / "archive.list").write_text("".join(f"{line}\n" for line in sources))
