"""Runs a command and measures its cost: wall time, CPU time of its process tree, and memory.

CPU time and the largest process come from the kernel's account (wait4) of the command and of every
process that it or one of its orphans left to be waited for. The command's own peak is read from
/proc while it runs, since the account does not separate a parent from its children.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from makers import Failed

PR_SET_CHILD_SUBREAPER = 36
EVERY = 0.02
"""Seconds between two readings of a command's own peak. It only grows, but the last moment is
missed.
"""
DISTURBED = 0.15
"""Share of all cores that others may have; the mirror takes some of it."""
KIB = 1 << 10


@dataclass(frozen=True)
class Cost:
    """What one run cost; seconds and bytes."""

    wall: float
    user: float
    system: float
    largest: int
    """Peak memory of the largest process. The kernel counts this program, which started it, so the
    result is never below this program's own peak.
    """
    own: int
    """Peak memory of the command itself; 0 where it was not seen."""
    others: float = 0.0
    """CPU time of other processes while the command ran: the mirror, this program, other users, a
    hypervisor.
    """

    @property
    def disturbed(self) -> bool:
        """Whether others had so much of the machine that the wall time tells of them too."""
        return self.others > self.wall * len(os.sched_getaffinity(0)) * DISTURBED

    @property
    def cpu(self) -> float:
        return self.user + self.system


def adopt_orphans() -> None:
    """Adopts the orphans of child processes, so that their cost is counted too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def measure(
    command: list[str], environment: dict[str, str], directory: Path, to_pipe: bool = False
) -> Cost:
    """Runs the command to its end. Shows its output only if it fails; with `to_pipe` its standard
    output goes to a reader that drops it.
    """
    sink = (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        if to_pipe
        else None
    )
    with tempfile.TemporaryFile() as said:
        busy, began = machine_busy(), time.monotonic()
        child = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=sink.stdin if sink else said,
            stderr=said,
        )
        watch = Watch(child.pid)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()
            raise
        wall, busy = time.monotonic() - began, machine_busy() - busy
        child.returncode = os.waitstatus_to_exitcode(status)
        own = watch.end()
        if sink and sink.stdin:
            sink.stdin.close()
            sink.wait()
        user, system, largest = usage.ru_utime, usage.ru_stime, usage.ru_maxrss
        for orphan in orphans():
            user, system, largest = (
                user + orphan.ru_utime,
                system + orphan.ru_stime,
                max(largest, orphan.ru_maxrss),
            )
        if child.returncode != 0:
            said.seek(0)
            end = "\n".join(said.read().decode("utf-8", "replace").splitlines()[-25:])
            raise Failed(f"{' '.join(command)[:400]}: exit {child.returncode}\n{end}")
    return Cost(wall, user, system, largest * KIB, own, max(0.0, busy - user - system))


def machine_busy() -> float:
    """CPU time of all cores that was not idle, in seconds, with what a host took away."""
    user, nice, system, _, _, *rest = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def orphans() -> Iterator[resource.struct_rusage]:
    """The accounts of adopted processes that have ended. Others keep running."""
    while True:
        try:
            process, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        yield usage


class Watch:
    """Reads the peak memory of a process until `end`."""

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _read(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                text = self._status.read_text()
            except OSError:
                return
            found = text.partition("VmHWM:")[2].split(None, 1)
            if found:
                self._peak = max(self._peak, int(found[0]) * KIB)
