"""strace on a worker: which calls a step makes that change anything, and faults at one of them.

A call is known by its thread's role, its name and its number there. The main thread does what Python does, in the same
order each time, and is traced alone, so that nothing else is slowed down. Threads of delta-rs and Sail take calls as
they come: their calls are counted per thread, and known by their path where the path is the same in each run.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.faults.worker import Worker

FILES = (
    "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "open",
    "openat", "write", "writev", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "copy_file_range", "close",
)  # fmt: skip
SOCKETS = ("sendto", "sendmsg")
# An error of sending alone is none that happens: libpq then reads until the server, which is well, would end.
RECEIVES = ("recvfrom",)
# Without -f, strace names no thread.
_LINE = re.compile(r"(?:(?P<thread>\d+) +)?(?P<call>\w+)\((?P<rest>.*)")
# A file opened to be read changes nothing, and nor does closing it.
_WRITES = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|O_TRUNC")
# Killed in it, given an error, or let go of by strace.
_FIRED = ("= ?", "<unfinished", "(INJECTED)", "<detached", "(DELAYED)")
_POSTGRES = re.compile(r"<UNIX(-STREAM)?:\[")


@dataclass(frozen=True)
class Call:
    """A system call of a step.

    Attributes:
        name: of the call.
        number: its number among the calls of that name in its thread, from 1.
        is_main: whether the main thread makes it.
        path: of the lake, without the lake's folder; empty for what goes to Postgres.
        text: its arguments, shortened.
    """

    name: str
    number: int
    is_main: bool
    path: str
    text: str

    @property
    def words(self) -> str:
        """The call in words: its name, and its path or statement."""
        return f"{self.name} {self.path or self.text}"

    @property
    def is_commit(self) -> bool:
        """Whether it makes rows or files visible by itself."""
        words = ("copy ", "insert into", "delete from", "update ", "COMMIT", "lock table")
        if not self.path:
            return self.name in SOCKETS and any(word in self.text for word in words)
        return self.name.startswith(("rename", "link"))

    @property
    def is_known_by_path(self) -> bool:
        """Whether every run uses the same path: a version of a Delta table, a folder; not a draft or a data file."""
        return "_delta_log/0" in self.path or self.path.rpartition("/")[2].startswith("event_date=")


@dataclass
class Tracer:
    """A running strace."""

    process: subprocess.Popen[bytes]
    output: Path

    def lines(self) -> list[str]:
        """What it has seen so far."""
        return self.output.read_text(errors="replace").splitlines()

    def wait_for(self, sign: str, worker: Worker, timeout: float = 30) -> None:
        """Until a line has the sign.

        Raises:
            TimeoutError: it never came.
        """
        until = time.monotonic() + timeout
        while not any(sign in line for line in self.lines()):
            if time.monotonic() > until or not worker.process.is_alive():
                raise TimeoutError(f"{sign} never came: {worker.error()}")
            time.sleep(0.02)

    def end(self) -> None:
        """Detaches; the worker goes on."""
        self.process.terminate()
        self.process.wait()


def attach(worker: Worker, output: Path, *options: str, threads: bool) -> Tracer:
    """Strace on a worker that waits, on all of its threads or on its main one."""
    follow = ("-f",) if threads else ()
    command = ("strace", *follow, "-qq", "-yy", "-s", "200", "-o", str(output), *options, "-p", str(worker.pid))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    status = Path(f"/proc/{worker.pid}/status")
    while re.search(r"TracerPid:\s+0\n", status.read_text()):
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"strace can't attach: {process.stderr.read().decode()}")
        time.sleep(0.002)
    return Tracer(process, output)


def calls(lines: Sequence[str], pid: int, lake: str) -> list[Call]:
    """The traced calls that change the lake or talk to Postgres, in order."""
    counts: Counter[tuple[str, str]] = Counter()
    written: set[str] = set()
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, name, rest = match["thread"] or str(pid), match["call"], match["rest"]
        counts[thread, name] += 1
        path = changed_path(name, rest, lake)
        if name.startswith("open") and path:
            written.add(path)
        # Most files are closed after having been read.
        if path is not None and (name != "close" or path in written):
            found.append(Call(name, counts[thread, name], int(thread) == pid, path, rest[:200]))
    return found


def changed_path(name: str, rest: str, lake: str) -> str | None:
    """The path below the lake that a call changes, empty for Postgres, None where it changes nothing of these."""
    if name in (*SOCKETS, *RECEIVES):
        return "" if _POSTGRES.search(rest) else None
    if name.startswith("open") and not _WRITES.search(rest):
        return None
    paths = re.findall(re.escape(lake) + r"/([^\">]+)", rest)
    return paths[-1] if paths else None


def hit(lines: Sequence[str], lake: str) -> str:
    """The call at which a fault fired, in words; empty where none did, or at a call that changes nothing."""
    over: set[str] = set()
    for line in reversed(lines):
        match = _LINE.match(line)
        if match is None:
            if not any(sign in line for sign in _FIRED):
                over.update(re.findall(r"(\d+) +<\.\.\. \w+ resumed>", line))
        elif line.endswith("<unfinished ...>") and match["thread"] in over:
            continue
        elif any(sign in line for sign in _FIRED):
            path = changed_path(match["call"], match["rest"], lake)
            if path is not None:
                return f"{match['call']} {path or match['rest'][:160]}"
    return ""


def options_for(call: Call, lake: str, fault: str) -> tuple[str, ...]:
    """What makes strace do `fault` (`signal=SIGKILL`, `error=EIO`, `delay_enter=…`) at that call."""
    if call.is_known_by_path:
        return ("-P", f"{lake}/{call.path}", "-e", f"trace={call.name}", "-e", f"inject={call.name}:{fault}:when=1")
    return ("-e", f"trace={call.name}", "-e", f"inject={call.name}:{fault}:when={call.number}")
