"""Processes by identity: which one is meant, and whether it still is. The system gives a process's id away again.

Knows no Dagster; what a process does for a run: `orchestrate/liveness.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Process:
    """One process of one machine, for ever.

    Attributes:
        host: the machine's name. Machines of one name can't be told apart.
        boot: which start of the machine, empty where the system has no word for it.
        pid: its id, which another process may have later.
        started: when it started, as the system counts: equal for one process, and different for the next of its id.
    """

    host: str
    boot: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host} {self.boot or '-'} {self.pid} {self.started}"

    @classmethod
    def parse(cls, text: str) -> Process | None:
        """What `str` made; None for anything else."""
        parts = text.split(maxsplit=3)
        if len(parts) != 4 or not parts[2].isdecimal():
            return None
        host, boot, pid, started = parts
        return cls(host, "" if boot == "-" else boot, int(pid), started)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == _host()

    def why_gone(self) -> str:
        """Why it can't be running any more; empty while it runs, and where that can't be known: on another machine."""
        if not self.is_here:
            return ""
        if self.boot != _boot():
            return f"{self.host} was restarted since"
        seen = look(self.pid)
        if seen is None:
            return "" if _exists(self.pid) else f"process {self.pid} is gone"
        if seen.started != self.started:
            return f"process {self.pid} is gone, and its id belongs to another one"
        # A child that nobody has waited for keeps its id and its start, and runs no more.
        return f"process {self.pid} has ended" if seen.state in _ENDED else ""


@dataclass(frozen=True)
class Seen:
    """What the system says of a process: its state's letter, its group, and its start."""

    state: str
    group: int
    started: str


def this_process() -> Process:
    """The identity of the process that asks."""
    found = process_of(os.getpid())
    assert found is not None
    return found


def process_of(pid: int) -> Process | None:
    """Who has the id now; None where nobody has it."""
    seen = look(pid)
    return Process(_host(), _boot(), pid, seen.started) if seen else None


def look(pid: int) -> Seen | None:
    """A process as it is now; None where there is none, or where this user may not see it."""
    if _PROC.joinpath("self", "stat").exists():
        return _look_in_proc(pid)
    # macOS, the BSDs.
    said = subprocess.run(
        ["ps", "-o", "stat=,pgid=,lstart=", "-p", str(pid)],
        check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    ).stdout.split(maxsplit=2)  # fmt: skip
    return Seen(said[0][0], int(said[1]), said[2].strip().replace(" ", "_")) if len(said) == 3 else None


def _look_in_proc(pid: int) -> Seen | None:
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets. After it, from 3 on: state 3, group 5, start 22 (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return Seen(fields[0], int(fields[2]), fields[19])


def end_group(leader: Process, patience: float = 10) -> bool:
    """Ends a process and all that it started and left in its group: politely, and after `patience` seconds for good.

    The leader may be gone: its id is nobody else's while its group has members.

    Returns:
        Whether there was any.
    """
    now = look(leader.pid)
    if not leader.is_here or leader.boot != _boot() or (now is not None and now.started != leader.started):
        return False
    if not _has_members(leader.pid):
        return False
    for name, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(leader.pid, name)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + seconds
        while _has_members(leader.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not _has_members(leader.pid):
            break
    return True


def _has_members(group: int) -> bool:
    """Whether a process of the group still runs; those that have ended and wait for their parent don't count."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    if not _PROC.joinpath("self", "stat").exists():
        return True
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return any(seen.group == group and seen.state not in _ENDED for seen in map(_look_in_proc, pids) if seen)


def _exists(pid: int) -> bool:
    """Whether anybody has the id, also where `/proc` hides other users' processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    # Spaces part the words of an identity.
    return socket.gethostname().replace(" ", "_") or "localhost"


def _boot() -> str:
    path = _PROC / "sys" / "kernel" / "random" / "boot_id"
    return path.read_text().strip() if path.exists() else ""
