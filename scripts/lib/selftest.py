"""Plants one difference of each kind in small trees and checks that exactly that is found; tests
the mirror.

Needs root, for owners, devices and file capabilities.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import use
from difference import Difference, Rule, differences, differing_paths, read_rules
from mirror import Mirror, Store

from tree import Snapshot, take

BEGAN = 1_500_000_000
"""Between the time of what is in the trees and now: when their making is said to have begun."""

STATUS = """Package: {0}
Status: install ok installed
Architecture: amd64
Version: 1
Conffiles:
 /etc/{0}.conf 0cc175b9c0f1b6a831c399e269772661
Description: first line
 second line

"""


def make(root: Path) -> None:
    """A tree with some of everything, and a dpkg database that knows of part of it."""
    for directory in (
        "etc",
        "usr/bin",
        "usr/lib",
        "usr/share/empty",
        "var/lib/dpkg/info",
        "var/log",
        "dev",
    ):
        (root / directory).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    for name in ("shipped", "changed", "linked"):
        (root / "usr/bin" / name).write_text("a")
    (root / "usr/bin/changed").write_text("changed by a script")
    os.link(root / "usr/bin/linked", root / "usr/lib/linked")
    (root / "etc/one.conf").write_text("a")
    (root / "etc/made").write_text("first\nsecond\n")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkfifo(root / "dev/fifo")
    os.setxattr(
        root / "usr/bin/shipped",
        "security.capability",
        bytes.fromhex("0100000200200000000000000000000000000000"),
    )
    (root / "var/log/dpkg.log").write_text("1")
    database = root / "var/lib/dpkg"
    (database / "status").write_text(STATUS.format("one") + STATUS.format("two"))
    # `one` knows its files by the name from before /bin became a link.
    (database / "info/one.list").write_text(
        "/.\n/bin\n/bin/shipped\n/bin/changed\n/etc/one.conf\n/usr/share/empty\n"
    )
    sums = [f"0cc175b9c0f1b6a831c399e269772661  bin/{name}\n" for name in ("shipped", "changed")]
    (database / "info/one.md5sums").write_text("".join(sums))
    for path in root.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000), follow_symlinks=False)


def replace(path: Path, make_other: Callable[[Path], object]) -> None:
    path.unlink()
    make_other(path)


def swapped_stanzas(root: Path) -> None:
    (root / "var/lib/dpkg/status").write_text(STATUS.format("two") + STATUS.format("one"))


def changed_field(root: Path) -> None:
    (root / "var/lib/dpkg/status").write_text(
        STATUS.format("one") + STATUS.format("two").replace("second line", "other line")
    )


def unlinked(root: Path) -> None:
    replace(root / "usr/lib/linked", lambda path: path.write_text("a"))


def other_device(root: Path) -> None:
    replace(root / "dev/null", lambda path: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)))


def lost_capability(root: Path) -> None:
    os.removexattr(root / "usr/bin/shipped", "security.capability")


def touched(root: Path) -> None:
    """Something was made in the directory, and removed."""
    os.utime(root / "usr/share/empty")


def other_target(root: Path) -> None:
    replace(root / "bin", lambda path: path.symlink_to("/usr/bin"))


Planted = tuple[str, Callable[[Path], object], set[tuple[str, str]]]

PLANTED: list[Planted] = [
    ("nothing", lambda root: None, set()),
    ("a path too few", lambda root: (root / "etc/made").unlink(), {("/etc/made", "presence")}),
    ("a path too many", lambda root: (root / "etc/other").mkdir(), {("/etc/other", "presence")}),
    ("another type", lambda root: replace(root / "dev/fifo", Path.mkdir), {("/dev/fifo", "kind")}),
    (
        "another mode",
        lambda root: (root / "usr/bin/changed").chmod(0o4755),
        {("/usr/bin/changed", "mode")},
    ),
    ("another mode of the root", lambda root: root.chmod(0o700), {("/", "mode")}),
    ("another owner", lambda root: os.chown(root / "etc/made", 0, 42), {("/etc/made", "owner")}),
    (
        "another owner of a link",
        lambda root: os.chown(root / "bin", 7, 0, follow_symlinks=False),
        {("/bin", "owner")},
    ),
    ("another target", other_target, {("/bin", "target")}),
    ("another device", other_device, {("/dev/null", "device")}),
    ("a copy for a link", unlinked, {("/usr/bin/linked", "links"), ("/usr/lib/linked", "links")}),
    ("a lost capability", lost_capability, {("/usr/bin/shipped", "attributes")}),
    (
        "other content",
        lambda root: (root / "etc/made").write_text("first\nSecond\n"),
        {("/etc/made", "content")},
    ),
    (
        "another time of a shipped file",
        lambda root: os.utime(root / "usr/bin/shipped", (1, 1)),
        {("/usr/bin/shipped", "time")},
    ),
    (
        "another time of a conffile",
        lambda root: os.utime(root / "etc/one.conf", (1, 1)),
        {("/etc/one.conf", "time")},
    ),
    (
        "another time of a directory",
        lambda root: os.utime(root / "usr/share/empty", (1, 1)),
        {("/usr/share/empty", "directory-time")},
    ),
    ("a directory that was used", touched, {("/usr/share/empty", "directory-time")}),
    (
        "another time of /bin",
        lambda root: os.utime(root / "bin", (1, 1), follow_symlinks=False),
        set(),
    ),
    (
        "another time of a changed file",
        lambda root: os.utime(root / "usr/bin/changed", (1, 1)),
        set(),
    ),
    (
        "another time of a path that no package ships",
        lambda root: os.utime(root / "etc/made", (1, 1)),
        set(),
    ),
    ("another order of stanzas", swapped_stanzas, set()),
    ("another field in the database", changed_field, {("/var/lib/dpkg/status", "content")}),
    ("another log", lambda root: (root / "var/log/dpkg.log").write_text("2"), set()),
]


def run(exceptions: Path) -> int:
    """Prints what is not as it should be; 0 when all is."""
    wrong = planted(exceptions) + ruled() + used() + mirrored()
    return 1 if wrong else 0


def planted(exceptions: Path) -> int:
    rules = [
        rule for rule in read_rules(exceptions) if rule.holds_in("mmdebstrap", "trixie-minbase")
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        reference, ours = Path(place, "reference"), Path(place, "ours")
        reference.mkdir(mode=0o755)
        make(reference)
        before = Snapshot.from_json(take(reference, BEGAN).to_json())
        for name, plant, expected in PLANTED:
            ours.mkdir(mode=0o755)
            make(ours)
            plant(ours)
            found = differences(before, take(ours, BEGAN), rules)
            aspects = {(difference.path, difference.aspect) for difference in found}
            if aspects != expected or differing_paths(found) > len(expected):
                wrong += 1
                lines = [str(difference) for difference in found] or ["nothing"]
                print(f"{name}: expected {sorted(expected)}, found", *lines, sep="\n  ")
            shutil.rmtree(ours)
    print(f"{len(PLANTED) - wrong} of {len(PLANTED)} planted cases found as they should be")
    return wrong


FIELD_RULES = {
    "/var/lib/dpkg/status:Description": True,
    "/var/lib/dpkg/status:Version": False,
    "/var/lib/dpkg/status": False,
    "/var/lib/dpkg/*": True,
}
"""Rules that allow, or do not, another field in the database."""


def ruled() -> int:
    """A rule for a field allows that field alone."""
    difference = Difference("/var/lib/dpkg/status", "content", "one", "two", "Description")
    wrong = 0
    for pattern, allowed in FIELD_RULES.items():
        if Rule(pattern, frozenset({"content"}), "").allows(difference) != allowed:
            wrong += 1
            print(f"the rule {pattern}: expected {'to allow' if allowed else 'not to allow'} it")
    print(
        f"{len(FIELD_RULES) - wrong} of {len(FIELD_RULES)} rules for fields allow what they should"
    )
    return wrong


STANZAS = {
    "needed": {"Package": "needed", "Architecture": "amd64", "Conffiles": " /etc/needed x"},
    "library": {
        "Package": "library",
        "Architecture": "amd64",
        "Multi-Arch": "same",
        "Provides": "virtual (= 1), other",
    },
    "user": {
        "Package": "user",
        "Architecture": "all",
        "Depends": "needed (>= 1), absent | virtual",
        "Pre-Depends": "dpkg:any",
    },
    "hard": {"Package": "hard", "Architecture": "amd64", "Conffiles": " /etc/hard x"},
    "dpkg": {"Package": "dpkg", "Architecture": "amd64", "Essential": "yes"},
}


def used() -> int:
    """Chooses packages to purge, and finds each way in which the use of two trees can differ."""
    reference = use.Used(
        ["a"],
        [
            use.Step(["dpkg", "--audit"], 0, "", True),
            use.Step(["apt-get", "install"], 0, "1", False),
        ],
    )
    found = {
        "as it should be": ([("--audit", 0, ""), ("install", 0, "2")], []),
        "not silent": ([("--audit", 0, "x"), ("install", 0, "")], ["dpkg --audit"]),
        "a failure": ([("--audit", 0, ""), ("install", 1, "")], ["apt-get install"]),
        "another command": ([("--audit", 0, ""), ("remove", 0, "")], ["apt-get remove"]),
        "a command less": ([("--audit", 0, "")], ["commands"]),
    }
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        chosen = use.to_purge(STANZAS, Path(place))
        wrong += expect(
            "packages to purge", chosen, ["hard:amd64", "library:amd64", "needed:amd64", "user"]
        )
        some = {name: stanza for name, stanza in STANZAS.items() if name in ("dpkg", "needed")}
        some["dpkg"] = {**some["dpkg"], "Depends": "needed"}
        wrong += expect(
            "packages that force alone can purge", use.to_purge(some, Path(place)), list(use.FORCED)
        )

    def step(word: str, code: int, text: str) -> use.Step:
        program = "dpkg" if word == "--audit" else "apt-get"
        return use.Step([program, word], code, text, word == "--audit")

    for name, (steps, expected) in found.items():
        ours = use.Used(["a"], [step(*words) for words in steps])
        ours = use.Used.from_json(ours.to_json())
        paths = [difference.path for difference in use.compare(reference, ours, [])]
        wrong += expect(name, sorted(set(paths)), expected)
    failing = use.Used([], [use.Step(["dpkg", "--purge"], 1, "no", False)])
    wrong += expect("a failure in both", len(use.compare(failing, failing, [])), 1)
    print(
        *wrong,
        "the use of trees is compared as it should be"
        if not wrong
        else "the use of trees is not compared as it should be",
        sep="\n",
    )
    return len(wrong)


class Upstream(SimpleHTTPRequestHandler):
    """A mirror to mirror, which counts what it is asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def mirrored() -> int:
    """Requests everything twice from a mirror of a mirror, then again without the latter."""
    with tempfile.TemporaryDirectory() as place:
        original, kept = Path(place, "original"), Path(place, "kept")
        (original / "pool").mkdir(parents=True)
        (original / "pool/a+b~1_1%3a2.deb").write_text("0123456789")
        with ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Upstream, directory=str(original))
        ) as upstream:
            threading.Thread(target=upstream.serve_forever, daemon=True).start()
            store = Store(kept, {"x": f"http://127.0.0.1:{upstream.server_port}"})
            with Mirror(store) as mirror, ThreadPoolExecutor(8) as pool:
                url = f"{mirror.url}/x/pool/a+b~1_1%253a2.deb"
                answers = {(200, b"0123456789")} ^ set(pool.map(fetch, [url] * 8))
                wrong = [f"the file: {answer}" for answer in answers]
                wrong += expect("a part", fetch(url, Range="bytes=2-4"), (206, b"234"))
                wrong += expect("the rest", fetch(url, Range="bytes=7-"), (206, b"789"))
                wrong += expect("the end", fetch(url, Range="bytes=-2"), (206, b"89"))
                wrong += expect("beyond", fetch(url, Range="bytes=10-"), (416, b""))
                outdated = fetch(url, Range="bytes=2-4", If_Range="Thu, 01 Jan 1970 00:00:00 GMT")
                wrong += expect("an outdated part", outdated, (200, b"0123456789"))
                wrong += expect("what is missing", fetch(f"{mirror.url}/x/no"), (404, b""))
                wrong += expect("what is missing, again", fetch(f"{mirror.url}/x/no"), (404, b""))
                wrong += expect(
                    "what is outside", fetch(f"{mirror.url}/x/%2e%2e/%2e%2e/etc/passwd"), (404, b"")
                )
                wrong += expect(
                    "requests", sorted(Upstream.asked), ["/no", "/pool/a+b~1_1%253a2.deb"]
                )
            upstream.shutdown()
        with Mirror(Store(kept, offline=True)) as mirror:
            wrong += expect(
                "offline", fetch(f"{mirror.url}/x/pool/a+b~1_1%253a2.deb"), (200, b"0123456789")
            )
            wrong += expect("offline, unknown", fetch(f"{mirror.url}/x/other"), (404, b""))
    print(
        *wrong,
        "the mirror stores and serves as it should" if not wrong else "the mirror is broken",
        sep="\n",
    )
    return len(wrong)


def expect(what: str, found: object, expected: object) -> list[str]:
    return [] if found == expected else [f"{what}: expected {expected}, found {found}"]
