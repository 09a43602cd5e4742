"""What a fault is, beyond one signal or one error: a worker that wakes too late, a server that goes away."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.faults import account, worker
from tests.end_to_end.faults.hold import held
from tests.end_to_end.faults.inject import Outcome, Point, after_rerun, check, differences
from tests.end_to_end.faults.states import Chain, finish, visible

# What a worker says whose window or arrival is another's by now.
LOST_WORDS = ("WindowLostError", "ArrivalLostError")
# Long enough for a whole round, on a machine that does other things too.
_RETRY_SECONDS = 120


def wake_too_late(chain: Chain, point: Point, scratch: Path) -> Outcome:
    """A worker of the first round stands still; the late round lands more and runs to its end; then it wakes.

    Whatever it does then, it may not put back what it knows: the tables must be those of a clean run at once.
    """
    assert point.round == "first"
    outcome = Outcome(point, "stale worker")
    with chain.copy(chain.before(point.round, point.step)) as settings:
        with held(chain, settings, point.round, point.step, point.call, scratch) as stale:
            retry = worker.start(scratch / "retry.log", finish, settings, chain, "late")
            retry.go()
            if retry.end(_RETRY_SECONDS):
                raise AssertionError(f"the retry failed beside a worker that stands still: {retry.error()}")
        outcome.exit_code, outcome.error, outcome.hit = stale.end(), stale.error(), stale.hit
        clean = chain.end_of("late")
        outcome.half_visible = differences(visible(settings), clean.visible)
        outcome.lost = account.faults_of_a_round(settings, "late") + after_rerun(chain, settings, "late")
    return outcome


def restart_server(chain: Chain, point: Point, mode: str, scratch: Path) -> Outcome:
    """Postgres restarts, `fast` or `immediate`, while a worker is about to send it something; then the round reruns."""
    outcome = Outcome(point, f"restart -m {mode}")
    with chain.copy(chain.before(point.round, point.step)) as settings:
        with held(chain, settings, point.round, point.step, point.call, scratch) as run:
            chain.server.ctl("restart", "-m", mode)
        outcome.exit_code, outcome.error, outcome.hit = run.end(), run.error(), run.hit
        check(outcome, chain, settings)
    return outcome
