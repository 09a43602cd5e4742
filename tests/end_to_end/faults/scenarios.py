"""What a fault is, beyond one signal or one error: a worker that wakes too late, a server that goes away, dbt's end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from cic_assets.ledger.publication import due_by_set
from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.settings import Settings
from tests.doors import connect
from tests.end_to_end.faults import account, worker
from tests.end_to_end.faults.hold import held
from tests.end_to_end.faults.inject import Outcome, Point, after_rerun, check, differences
from tests.end_to_end.faults.states import Chain, finish, visible
from tests.end_to_end.faults.steps import run_marts

# What a worker says whose window or arrival is another's by now.
LOST_WORDS = ("WindowLostError", "ArrivalLostError")
# Long enough for a whole round, on a machine that does other things too.
_RETRY_SECONDS = 600
# dbt alone takes a minute and a half on a machine of which others want ten times as much.
_PUBLISH_SECONDS = 600


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


# Who is killed: the run and its dbt, as by a power cut; the run alone, so that dbt goes on; dbt alone.
WHOM = ("run and dbt", "dbt", "run")
# Where: the tables for which whoever publishes is made to wait, one after the other; at the last it is killed.
KILLED_AT = {
    "before dbt": ("catalogue.mart_period",),
    "within dbt, charge points of months": ("facts.charge_point_month",),
    "within dbt, days": ("facts.charge_point_status_day",),
    "within dbt, arrivals": ("quality.rule_count",),
    "within dbt, names": ("catalogue.stream",),
    "between dbt and the ledger": ("facts.charging_session_day", "catalogue.mart_period"),
}
# The same where marts are there already: within the transactions that replace their rows.
KILLED_IN = {
    f"within {mart}": (f"marts.{mart}",)
    for mart in (
        "session_statistics_day", "network_overview_month", "charge_points_month", "data_quality_day",
        "data_quality_rule_day",
    )
}  # fmt: skip


def die_publishing(chain: Chain, point: Point, whom: str, scratch: Path) -> Outcome:
    """A run is killed while it publishes a round; what is half done stays due, and the rerun ends it."""
    outcome = Outcome(point, f"SIGKILL of {whom}", hit=point.call.text)
    with chain.copy(chain.before(point.round, point.step)) as settings:
        where = (KILLED_AT | KILLED_IN)[point.call.text]
        outcome.exit_code = kill_publishing(settings, chain, where, whom, scratch)
        unseen = [] if any(due_by_set(warehouse_of(settings)).values()) else ["nothing is due, though the run died"]
        check(outcome, chain, settings)
        outcome.lost += unseen
        if outcome.exit_code == 0:
            outcome.lost.append("the run did not notice")
    return outcome


def kill_publishing(settings: Settings, chain: Chain, where: Sequence[str], whom: str, scratch: Path) -> int:
    """Kills a run that publishes while it waits for the last of some tables; its exit code.

    A lock makes it wait there, so that the moment is the same however busy the machine is.
    """
    run = worker.start(scratch / "publishing.log", run_marts, settings, chain.sent, "")
    with _waits_at(settings, where, run):
        for process in _doomed(run, whom):
            process.kill()
        if whom != "dbt":
            return run.end()
    return run.end(_PUBLISH_SECONDS)


def _doomed(run: worker.Worker, whom: str) -> list[psutil.Process]:
    """The run first, as it must not see its dbt end."""
    process = psutil.Process(run.pid)
    children = process.children(recursive=True) if "dbt" in whom else []
    return [*([process] if "run" in whom else []), *children]


@contextmanager
def _waits_at(settings: Settings, where: Sequence[str], run: worker.Worker) -> Iterator[None]:
    """Within the block, the run, or its dbt, waits for the last of the tables."""
    with ExitStack() as locks:
        for table in where:
            lock = ExitStack()
            connection = lock.enter_context(connect(settings))
            connection.execute("set idle_in_transaction_session_timeout = 0")
            connection.execute(f"lock table {table} in access exclusive mode".encode())
            if table == where[0]:
                run.go()
            locks.close()
            locks.enter_context(lock)
            _wait_for_waiter(settings, table, run)
        yield


def _wait_for_waiter(settings: Settings, table: str, run: worker.Worker) -> None:
    """Until somebody waits for a table's lock."""
    until = time.monotonic() + _PUBLISH_SECONDS
    while time.monotonic() < until and run.process.is_alive():
        with connect(settings) as connection:
            row = connection.execute(
                "select exists (select from pg_locks as l join pg_database as d on d.oid = l.database"
                " where not l.granted and l.relation = %s::regclass and d.datname = current_database())",
                [table],
            ).fetchone()
        if row and row[0]:
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody came to {table}: {run.said()}")
