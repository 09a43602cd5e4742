"""A worker that stands still just before one of its calls, while others go on; then it wakes and does that call."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cic_assets.settings import Settings
from tests.end_to_end.faults import strace, worker
from tests.end_to_end.faults.states import Chain
from tests.end_to_end.faults.strace import Call

# Microseconds; it is woken long before.
_LONG = "delay_enter=600000000"
_POLLS, _PAUSE_SECONDS = 4, 0.05


@contextmanager
def held(
    chain: Chain, settings: Settings, round_: str, step: str, call: Call, scratch: Path
) -> Iterator[worker.Worker]:
    """Starts a step and yields its worker once it stands before the call; wakes it at the end of the block.

    SIGSTOP alone lets the call happen that it interrupts, so strace keeps that thread and SIGSTOP the others.

    Raises:
        AssertionError: it never came to the call.
    """
    run = worker.start(scratch / "held.log", chain.steps[step], settings, chain.sent, round_)
    options = strace.options_for(call, settings.lake, _LONG)
    tracer = strace.attach(run, scratch / "held.trace", *options, threads=not call.is_main)
    try:
        run.go()
        _wait_until_held(run)
        os.kill(run.pid, signal.SIGSTOP)
        yield run
    finally:
        # Continued before it is let go: a pending stop would come after the call.
        os.kill(run.pid, signal.SIGCONT)
        tracer.end()
    run.hit = strace.hit(tracer.lines(), settings.lake)
    if not run.hit:
        run.process.kill()
        raise AssertionError(f"the worker stood before another call than {call}: {tracer.lines()[-3:]}")


def _wait_until_held(run: worker.Worker) -> None:
    """Until a thread has been in strace's hands for 0.2 s without moving; a traced call takes under a millisecond."""
    polls: list[set[tuple[str, str]]] = []
    while run.process.is_alive():
        polls = [*polls[1 - _POLLS :], _stopped(run.pid)]
        if len(polls) == _POLLS and set.intersection(*polls):
            return
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"the worker ended before the call at which it was to stand: {run.said()}")


def _stopped(pid: int) -> set[tuple[str, str]]:
    """Threads in `tracing stop`, with how often each has been switched: one that moves on is switched."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # Threads come and go meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            status = task.joinpath("status").read_text()
            if "State:\tt" in status:
                found.add((task.name, status[status.index("voluntary_ctxt_switches") :]))
    return found
