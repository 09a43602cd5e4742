"""One fault at one call of one step, and everything that must hold afterwards."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from cic_assets.orchestrate.doors import lake_of
from cic_assets.settings import Settings
from tests.end_to_end.faults import account, strace, worker
from tests.end_to_end.faults.states import Chain, State, at_end, finish, visible
from tests.end_to_end.faults.strace import Call

KILL = "SIGKILL"
FAULTS = {KILL: "signal=SIGKILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
# What a step must say, in whatever words its library has for it.
_SAYS = {
    "EIO": re.compile(r"Input/output error|os error 5"),
    "ENOSPC": re.compile(r"No space left on device|os error 28"),
}
# Runs in which a fault may miss the call that it is wanted at.
_TRIES = 12
# And where: a path, a server, a table.
_WHERE = re.compile(r"/\w+/|host=")


@dataclass(frozen=True)
class Point:
    """A step of a round, and one of its calls."""

    round: str
    step: str
    call: Call


@dataclass
class Outcome:
    """What a fault did.

    Attributes:
        hit: the call at which it fired, in words; empty: it never fired.
        error: the last words of the step.
        half_visible: what a reader could see of it that is neither the state before nor the state after.
        lost: rows that are lost, doubled or misplaced, before or after the rerun, and tables that differ from a clean
            run.
    """

    point: Point
    fault: str
    hit: str = ""
    exit_code: int = 0
    error: str = ""
    half_visible: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def fired(self) -> bool:
        """Whether the fault happened at a call that changes the lake or talks to Postgres."""
        return bool(self.hit)

    @property
    def unclear(self) -> list[str]:
        """What an error does not say: what is wrong, and where."""
        if self.fault not in _SAYS or self.exit_code == 0:
            return []
        said = _SAYS[self.fault].search(self.error) and _WHERE.search(self.error)
        return [] if said else [f"unclear: {self.error or 'no word at all'}"]

    @property
    def complaints(self) -> list[str]:
        """All that is wrong."""
        silent = [] if self.fired else [f"never fired: {self.error}"]
        survived = ["survived"] if self.fault == KILL and self.fired and self.exit_code != -9 else []
        return [*silent, *survived, *self.unclear, *self.half_visible, *self.lost]


def rehearse(chain: Chain, round_: str, step: str, scratch: Path) -> list[Call]:
    """The calls of a step that change something, from traced runs on copies.

    Two runs: the main thread's calls are numbered while it alone is traced, as it will be when one of them is struck;
    slowed down, it sends the same to Postgres in fewer pieces.
    """
    main = _traced(chain, round_, step, scratch, threads=False)
    return main + [call for call in _traced(chain, round_, step, scratch, threads=True) if not call.is_main]


def _traced(chain: Chain, round_: str, step: str, scratch: Path, *, threads: bool) -> list[Call]:
    names = ",".join((*strace.FILES, *strace.SOCKETS, *strace.RECEIVES))
    with chain.copy(chain.before(round_, step)) as settings:
        run = worker.start(scratch / "log", chain.steps[step], settings, chain.sent, round_)
        tracer = strace.attach(run, scratch / "trace", "-e", f"trace={names}", threads=threads)
        run.go()
        if run.end():
            raise AssertionError(f"the rehearsal of {step} failed: {run.said()}")
        tracer.process.wait()
        return strace.calls(tracer.lines(), run.pid, settings.lake)


def strike(chain: Chain, point: Point, fault: str, scratch: Path, wanted: str = "") -> Outcome:
    """Runs a step with a fault; checks what is there then, and after a rerun.

    The number of a call may be another one in another run, as threads share the work and the driver sends what fits. So
    a fault that fires nowhere is tried earlier, then at the numbers around. One that is `wanted` at a certain call is
    tried where that call was in the last run, and later if that run had not come to it.
    """
    aim = point.call.number
    if not wanted:
        earlier = [max(1, aim * part // 4) for part in (4, 3, 2, 1)]
        around = [max(1, aim + step * side) for step in range(1, 9) for side in (1, -1)]
        for number in dict.fromkeys([*earlier, *around]):
            outcome, _ = _struck(chain, _at(point, number), fault, scratch, wanted)
            if outcome.fired:
                break
        return outcome
    for _ in range(_TRIES):
        outcome, seen_at = _struck(chain, _at(point, aim), fault, scratch, wanted)
        if outcome.fired:
            break
        aim = seen_at or aim + 2
    return outcome


def _at(point: Point, number: int) -> Point:
    return replace(point, call=replace(point.call, number=number))


def _struck(chain: Chain, point: Point, fault: str, scratch: Path, wanted: str) -> tuple[Outcome, int]:
    """The outcome, not fired where the fault met another call than the wanted; the number of that one, 0: unseen."""
    outcome = Outcome(point, fault)
    with chain.copy(chain.before(point.round, point.step)) as settings:
        run = worker.start(scratch / "log", chain.steps[point.step], settings, chain.sent, point.round)
        options = strace.options_for(point.call, settings.lake, FAULTS[fault])
        tracer = strace.attach(run, scratch / "trace", *options, threads=not point.call.is_main)
        run.go()
        hung: TimeoutError | None = None
        try:
            outcome.exit_code = run.end()
        except TimeoutError as error:
            hung = error
        outcome.error = run.error()
        tracer.process.wait()
        lines = tracer.lines()
        hit = strace.hit(lines, settings.lake)
        # Struck elsewhere, as at the wake-up of a library's thread, it may wait for ever: no fault of ours.
        if hung and hit:
            raise hung
        if hit and re.search(wanted, hit):
            outcome.hit = hit
            check(outcome, chain, settings)
        calls = strace.calls(lines, run.pid, settings.lake)
    return outcome, next((call.number for call in calls if wanted and re.search(wanted, call.words)), 0)


def check(outcome: Outcome, chain: Chain, settings: Settings) -> None:
    """Fills in what is wrong: right after the fault, and after a rerun."""
    point = outcome.point
    number = chain.before(point.round, point.step)
    outcome.half_visible = half_visible(settings, chain.states[number], chain.states[number + 1])
    outcome.lost = account.faults_of_a_half(settings, point.round)
    if outcome.exit_code == 0:
        # What the step could do without must not have cost anything.
        outcome.lost += differences(visible(settings), chain.states[number + 1].visible)
    outcome.lost += after_rerun(chain, settings, point.round)


def half_visible(settings: Settings, before: State, after: State) -> list[str]:
    """Units that are neither as before nor as after, and objects in `raw` that are not what their name says."""
    now = visible(settings)
    units = {*now, *before.visible, *after.visible}
    wrong = [
        f"{unit}: neither before nor after the step"
        for unit in sorted(units)
        if now.get(unit) not in (before.visible.get(unit), after.visible.get(unit))
    ]
    return wrong + torn_objects(settings)


def torn_objects(settings: Settings) -> list[str]:
    """Paths under `raw` whose bytes have another SHA-256 than their name."""
    lake = lake_of(settings)
    return [
        f"{path}: other bytes than its name says"
        for path in lake.files("raw")
        if hashlib.sha256(Path(lake.uri(path)).read_bytes()).hexdigest() != Path(path).name.split(".")[0]
    ]


def after_rerun(chain: Chain, settings: Settings, round_: str) -> list[str]:
    """Reruns the round; differences from the clean run, and rows that are not where they must be."""
    finish(settings, chain, round_)
    clean = chain.end_of(round_)
    wrong = differences(visible(settings), clean.visible) + differences(at_end(settings), clean.at_end)
    return wrong + account.faults_of_a_round(settings, round_) + torn_objects(settings)


def differences(found: dict[str, str], clean: dict[str, str]) -> list[str]:
    """Units that differ from those of a clean run."""
    units = sorted({*found, *clean})
    return [
        f"{unit}: {found.get(unit)}, {clean.get(unit)} in a clean run"
        for unit in units
        if found.get(unit) != clean.get(unit)
    ]
