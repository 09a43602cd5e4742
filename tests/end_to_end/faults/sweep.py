"""The long sweep: python -m tests.end_to_end.faults.sweep --kills 240 --errors 60 --seed 1

The whole chain, dbt and marts included. Prints a line per step and fault, keeps the same as JSON and Markdown, and
fails if a fault did not fire or did harm.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cic_assets.settings import PROJECT
from cic_assets.warehouse import embedded
from tests.end_to_end.faults import inject, plan, scenarios
from tests.end_to_end.faults.county import ROUNDS
from tests.end_to_end.faults.inject import Outcome, Point
from tests.end_to_end.faults.states import Chain, run_chain
from tests.end_to_end.faults.steps import MARTS, WITH_MARTS
from tests.end_to_end.faults.strace import Call

REPORT = PROJECT / ".cic" / "faults"
# Points, and what to do at each of them.
Task = tuple[str, list[Point], Callable[[Point], Outcome]]


@dataclass
class Line:
    """One line of the report: a fault at a step. `calls` counts those that change anything, in the rehearsal."""

    step: str
    fault: str
    calls: int
    swept: int = 0
    fired: int = 0
    lost: int = 0
    half_visible: int = 0
    unclear: int = 0
    seconds: float = 0

    def add(self, outcome: Outcome, seconds: float) -> None:
        """Counts one more."""
        self.swept += 1
        self.fired += outcome.fired
        self.lost += bool(outcome.lost)
        self.half_visible += bool(outcome.half_visible)
        self.unclear += bool(outcome.unclear)
        self.seconds = round(self.seconds + seconds, 1)


@contextmanager
def clean_run() -> Iterator[tuple[Chain, Path]]:
    """A clean run on a server of its own, and a folder for scratch."""
    home = Path(tempfile.mkdtemp(prefix="faults"))
    embedded.start(home / "server")
    try:
        yield run_chain(home / "server", home / "states", WITH_MARTS), home
    finally:
        embedded.delete(home / "server")
        shutil.rmtree(home)


def tasks(
    chain: Chain, scratch: Path, round_: str, step: str, calls: list[Call], kills: int, errors: int, seed: int
) -> Iterator[Task]:
    """All faults of one step."""
    rng = random.Random(f"{seed} {round_} {step}")

    def points(found: list[Call]) -> list[Point]:
        return [Point(round_, step, call) for call in found]

    def struck(fault: str) -> Callable[[Point], Outcome]:
        return lambda point: inject.strike(chain, point, fault, scratch)

    def restarted(mode: str) -> Callable[[Point], Outcome]:
        return lambda point: scenarios.restart_server(chain, point, mode, scratch)

    yield "SIGKILL", points(plan.kill_points(calls, kills, rng)), struck("SIGKILL")
    for fault in ("EIO", "ENOSPC"):
        yield fault, points(plan.error_points(calls, errors, rng)), struck(fault)
    if round_ == "first":
        held = points(plan.holding_points(calls))
        yield "stale worker", held, lambda point: scenarios.wake_too_late(chain, point, scratch)
    loads = plan.statements(calls, "copy ", "insert into", "COMMIT")
    for mode in ("fast", "immediate"):
        yield f"restart -m {mode}", points(rng.sample(loads, 1)), restarted(mode)


def publishing_tasks(chain: Chain, scratch: Path, round_: str, kills: int, seed: int) -> Iterator[Task]:
    """Kills of runs that publish: of a first build the run with its dbt or dbt alone, as two first builds exclude."""
    rng = random.Random(f"{seed} {round_} {MARTS}")
    whom = scenarios.WHOM if round_ == "late" else scenarios.WHOM[:2]
    for who in whom:
        where = [*scenarios.KILLED_AT, *(scenarios.KILLED_IN if round_ == "late" else ())]
        # Before and after dbt there is none to be killed.
        where = [place for place in where if who != "dbt" or place.startswith("within")]
        each = -(-kills // len(whom))
        # Each place once, before any comes twice.
        drawn = [*rng.sample(where, min(each, len(where))), *(rng.choice(where) for _ in range(each))][:each]
        points = [Point(round_, MARTS, Call("lock", 0, True, "", place)) for place in drawn]
        yield f"SIGKILL of {who}", points, lambda point, who=who: scenarios.die_publishing(chain, point, who, scratch)


def sweep(round_: str, kills: int, errors: int, seed: int) -> tuple[list[Line], list[Outcome]]:
    """Every step of a round, on a server and a lake of its own; kills and errors are spread evenly over the steps."""
    lines, outcomes = [], []
    share, errors = -(-kills // len(WITH_MARTS)), -(-errors // (len(WITH_MARTS) - 1) // 2)
    with clean_run() as (chain, scratch):
        for step in chain.steps:
            calls = inject.rehearse(chain, round_, step, scratch) if step != MARTS else []
            if step == MARTS:
                found = publishing_tasks(chain, scratch, round_, share, seed)
            else:
                found = tasks(chain, scratch, round_, step, calls, share, errors, seed)
            for fault, points, strike in found:
                line = Line(f"{step}, {round_} round", fault, len(calls))
                for point in points:
                    started = time.monotonic()
                    outcomes.append(_outcome(strike, point, fault))
                    line.add(outcomes[-1], time.monotonic() - started)
                    if outcomes[-1].complaints:
                        print(_complained(outcomes[-1]), flush=True)
                lines.append(line)
                print(shown(line), flush=True)
    return lines, outcomes


def _outcome(strike: Callable[[Point], Outcome], point: Point, fault: str) -> Outcome:
    """What a fault did; a worker that hangs, or a rerun that fails, is the worst that it can do."""
    try:
        return strike(point)
    except Exception as error:
        return Outcome(point, fault, lost=[f"{type(error).__name__}: {error}"])


_COLUMNS = tuple(Line.__dataclass_fields__)


def shown(line: Line) -> str:
    """A line as Markdown."""
    return "| " + " | ".join(str(getattr(line, name)) for name in _COLUMNS) + " |"


def head() -> str:
    """The table's head."""
    return "| " + " | ".join(name.replace("_", "-") for name in _COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|"


def total(lines: list[Line], fault: str) -> Line:
    """The sum of a fault's lines."""
    mine = [line for line in lines if line.fault == fault]
    found = Line("all", fault, sum(line.calls for line in mine))
    for name in _COLUMNS[3:]:
        setattr(found, name, round(sum(getattr(line, name) for line in mine), 1))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=240)
    parser.add_argument("--errors", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(head(), flush=True)
    # A process for each round, as half of the time is waiting for others to start.
    with ProcessPoolExecutor(len(ROUNDS), multiprocessing.get_context("spawn")) as pool:
        halves = (-(-given.kills // len(ROUNDS)), -(-given.errors // len(ROUNDS)))
        done = [pool.submit(sweep, round_, *halves, given.seed) for round_ in ROUNDS]
        lines = [line for each in done for line in each.result()[0]]
        outcomes = [outcome for each in done for outcome in each.result()[1]]
    totals = [total(lines, fault) for fault in dict.fromkeys(line.fault for line in lines)]
    print("\n".join(shown(line) for line in totals))
    wrong = [outcome for outcome in outcomes if outcome.complaints]
    for outcome in wrong:
        print(_complained(outcome))
    _keep(vars(given), [*lines, *totals], outcomes)
    return 1 if wrong else 0


def _complained(outcome: Outcome) -> str:
    """What a fault did that it must not."""
    return f"{outcome.fault} at {outcome.hit or outcome.point}: {'; '.join(outcome.complaints)[:2000]}"


def _keep(given: dict[str, int], lines: list[Line], outcomes: list[Outcome]) -> None:
    REPORT.mkdir(parents=True, exist_ok=True)
    table = "\n".join([head(), *map(shown, lines)])
    REPORT.joinpath("report.md").write_text(f"{given}\n\n{table}\n")
    content = {
        "given": given,
        "lines": [asdict(line) for line in lines],
        "outcomes": [asdict(outcome) | {"complaints": outcome.complaints} for outcome in outcomes],
    }
    REPORT.joinpath("report.json").write_text(json.dumps(content, indent=1))
    print(f"kept in {REPORT}")


if __name__ == "__main__":
    sys.exit(main())
