"""Steps in processes of their own, forked from a server that has imported everything: 20 ms in place of 3 s each.

Sail, delta-rs and Arrow start their threads in the child, on first use: threads don't survive a fork.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg

from cic_assets.warehouse import connect as warehouse

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.end_to_end.faults.preload"])
# Where the kernel's Yama lets only parents trace, the child says that strace, its sibling, may.
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1


@dataclass
class Worker:
    """A process that waits before its work until `go`.

    Attributes:
        log: what it writes, its last words too.
        hit: the call before which it stood still, in words, if somebody held it.
    """

    process: BaseProcess
    gate: Connection
    log: Path
    hit: str = ""

    @property
    def pid(self) -> int:
        """Of the process, which is its main thread's too."""
        assert self.process.pid is not None
        return self.process.pid

    def go(self) -> None:
        """Lets it begin."""
        self.gate.send(True)

    def end(self, timeout: float = 60) -> int:
        """Waits; its exit code, the signal's negative number if one ended it. Past the timeout it is killed."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"the worker was still running after {timeout} s: {self.said()}")
        assert self.process.exitcode is not None
        return self.process.exitcode

    def said(self) -> str:
        """All of its output."""
        return self.log.read_text(errors="replace")

    def error(self) -> str:
        """The message that it ended with: from the last line that starts an exception on."""
        lines = self.said().splitlines()
        starts = [n for n, line in enumerate(lines) if line and not line[0].isspace() and ": " in line]
        return "\n".join(lines[starts[-1] :]) if starts else ""


def start(log: Path, work: Callable[..., Any], *arguments: Any) -> Worker:
    """A worker that will call `work`."""
    mine, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_main, args=(theirs, log, work, arguments))
    process.start()
    # It is ready to be traced when it says so.
    mine.recv()
    return Worker(process, mine, log)


def _main(gate: Connection, log: Path, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with log.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    # In pipelines libpq flushes when it likes: of 540 packets of one ingest the 105th was the 108th in another run. One
    # by one, a statement has the same number in each.
    psycopg.capabilities.has_pipeline = lambda check=False: False
    # A retry waits no longer than this for a worker that hangs within a transaction.
    warehouse.IDLE_IN_TRANSACTION = "10s"
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANYBODY), 0, 0, 0)
    gate.send(True)
    gate.recv()
    work(*arguments)
