"""What a program takes: CPU time and memory of its processes, the embedded server's among them."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY_SECONDS = 0.5
_SETTLED_SECONDS = 60
_PROC = Path("/proc")
# Who outlives its parent is this process's child then, so that its time is counted: Spark's server is nobody's.
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """Of one call.

    Attributes:
        cpu: seconds of all its processes together, user's and system's.
        wall: seconds.
        peak: bytes of memory of all its processes at once, looked at twice a second; a page that several share counts
            once, in parts (PSS).
    """

    cpu: float
    wall: float
    peak: int


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[Cost, str]:
    """Runs a program to its end: what it took, and its output.

    Raises:
        CalledProcessError: it failed; what it said on standard error has been shown.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peaks = [0]
    with tempfile.TemporaryFile("w+") as errors:
        started, before = time.monotonic(), os.times()
        with subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process:
            watcher = threading.Thread(target=_watch, args=(process, peaks))
            watcher.start()
            assert process.stdout is not None
            said = process.stdout.read()
            process.wait()
            watcher.join()
        _reap(process.pid)
        wall, after = time.monotonic() - started, os.times()
        if process.returncode:
            errors.seek(0)
            sys.stderr.write(errors.read())
            raise subprocess.CalledProcessError(process.returncode, list(command))
    # Children that were waited for, and theirs.
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(cpu, wall, peaks[0]), said


def _reap(session: int) -> None:
    """Waits for what a program has left running; servers are of sessions of their own, and go on."""
    for entry in _PROC.iterdir():
        with suppress(OSError, ValueError):
            if os.getsid(int(entry.name)) == session:
                os.waitpid(int(entry.name), 0)


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        peaks[0] = max(peaks[0], sum(map(_memory, _tree(process.pid))))
        time.sleep(_EVERY_SECONDS)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _memory(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def idle_memory(home: Path, environment: Mapping[str, str]) -> dict[str, int]:
    """Bytes of memory that the platform takes while it waits for work, by program: `cic up`, a minute later.

    A page that several share counts once, in parts (PSS).
    """
    env = {**os.environ, **environment}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cic = [sys.executable, "-m", "cic_assets.cli.app"]
    try:
        subprocess.run([*cic, "up", "--port", str(port)], check=True, env=env, stdout=subprocess.DEVNULL)
        time.sleep(_SETTLED_SECONDS)
        found: dict[str, int] = {}
        for entry in _PROC.iterdir():
            with suppress(OSError, ValueError):
                if f"CIC_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    name = _program((entry / "cmdline").read_bytes().decode().split("\0"))
                    found[name] = found.get(name, 0) + _memory(int(entry.name))
        return found
    finally:
        subprocess.run([*cic, "down"], check=True, env=env, stdout=subprocess.DEVNULL)


# Postgres' processes say what they do in place of the command.
_PROGRAMS = ("webserver", "daemon", "code_server", "grpc", "supervisor", "postgres")


def _program(command: Sequence[str]) -> str:
    words = " ".join(command)
    return next((name for name in _PROGRAMS if name in words), "other")


def server_cpu(postmaster: int) -> float:
    """CPU seconds of a server so far: its own, those of sessions that ended, and those of its running processes."""
    own = _cpu(postmaster, with_children=True)
    return own + sum(_cpu(pid, with_children=False) for pid in _tree(postmaster) if pid != postmaster)


def _cpu(pid: int, *, with_children: bool) -> float:
    with suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if with_children else 13])) / _TICKS
    return 0.0
