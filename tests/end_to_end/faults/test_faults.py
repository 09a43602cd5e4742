"""The short sweep: a fault of each kind at the calls that matter, and a few at calls drawn by seed.

The long one is `make faults`. Both check every outcome against a clean run and against an account of every row.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from cic_assets.lake.rows import rows_of
from cic_assets.ledger.periods import Window, claim_window, swap_window
from cic_assets.ledger.publication import due_by_set
from cic_assets.orchestrate.doors import lake_of, warehouse_of
from cic_assets.settings import Settings
from tests.conftest import demand
from tests.doors import connect
from tests.end_to_end.faults import account, inject, plan, scenarios, worker
from tests.end_to_end.faults.inject import Point
from tests.end_to_end.faults.states import Chain, at_end, run_chain, visible
from tests.end_to_end.faults.steps import STEPS, run_marts
from tests.end_to_end.faults.strace import Call

Calls = dict[tuple[str, str], list[Call]]


@pytest.fixture(scope="module")
def chain(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    demand(shutil.which("strace") is not None, "strace (Debian's package of that name)")
    return run_chain(server_home, tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def calls(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """The calls of a step that change something, from a rehearsal of each."""
    scratch = tmp_path_factory.mktemp("rehearsals")
    wanted = [("late", step) for step in STEPS] + [("first", step) for step in ("ingest", "days", "months")]
    return {(round_, step): inject.rehearse(chain, round_, step, scratch) for round_, step in wanted}


def point_at(calls: Calls, round_: str, step: str, pattern: str) -> Point:
    """The first call of a step that matches."""
    for call in calls[round_, step]:
        if re.search(pattern, call.words):
            return Point(round_, step, call)
    raise AssertionError(f"no call of {step} matches {pattern}: the fault would never fire")


def test_the_account_of_a_clean_run_is_what_was_planned(chain):
    for round_ in ("first", "late"):
        assert account.faults_of_a_round(chain.end_of(round_).settings, round_) == []


@pytest.mark.parametrize("round_", ["first", "late"])
def test_the_account_sees_a_row_that_is_lost_and_one_that_is_twice(chain, round_):
    number = chain.before(round_, "months") + 1
    with chain.copy(number) as settings:
        with connect(settings) as connection:
            connection.execute("delete from facts.charging_session where session_id = 'N5'")
        wrong = account.faults_of_a_round(settings, round_)
        assert "('north_sessions', 'north_sessions_1.jsonl', 7): lost, not facts" in wrong
    with chain.copy(number) as settings:
        uri = lake_of(settings).uri("accepted/status")
        write_deltalake(uri, DeltaTable(uri).to_pyarrow_table(), mode="append")
        assert "('north_status', 'north_status_1.jsonl', 1) is there 2 times" in account.faults_of_a_half(
            settings, round_
        )
        state = chain.states[number]
        assert inject.half_visible(settings, state, state) == [
            "lake accepted status north_status: neither before nor after the step"
        ]


# What the fatal call looks like, by its name and its path or statement.
KILLS = {
    "landing": ("land", r"^rename raw/"),
    "a sighting": ("land", r"insert into catalogue.sighting"),
    "decoding": ("ingest", r"^rename decoded/"),
    "what decoding noted": ("ingest", r"update catalogue.object set feed_columns"),
    "Delta commit of sessions": ("ingest", r"^link\w* accepted/sessions/_delta_log"),
    "Delta commit of states": ("ingest", r"^link\w* accepted/status/_delta_log"),
    "Delta commit of locations": ("ingest", r"^link\w* accepted/locations/_delta_log"),
    "COPY of quarantined rows": ("ingest", r"copy \\\"staging_quality_quarantine"),
    "swap of the registry": ("ingest", r"(delete from|insert into) facts.charge_point\b"),
    "COPY of edges": ("days", r"copy \\\"staging_facts_charge_point_edge"),
    "swap of days": ("days", r"insert into \\\"facts\\\".\\\"charge_point_status_day"),
    "COPY of facts": ("months", r"copy \\\"staging_facts_charging_session\\\""),
    "swap of facts": ("months", r"insert into \\\"facts\\\".\\\"charging_session_day"),
    "commit of the swap": ("months", r"update catalogue.fact_window set computed"),
}


@pytest.mark.parametrize("kill", KILLS)
def test_a_kill_leaves_nothing_half_visible_and_a_rerun_equals_a_clean_run(kill, chain, calls, tmp_path):
    step, pattern = KILLS[kill]
    point = point_at(calls, "late", step, pattern)
    outcome = inject.strike(chain, point, "SIGKILL", tmp_path, wanted=pattern)
    assert outcome.complaints == []


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_anywhere_does_no_harm(step, chain, calls, tmp_path):
    (call,) = plan.kill_points(calls["late", step], 1, random.Random(f"4 {step}"))
    assert inject.strike(chain, Point("late", step, call), "SIGKILL", tmp_path).complaints == []


@pytest.fixture(scope="module")
def unpublished(chain: Chain) -> int:
    """The number of a state with facts of the late round and marts of the first; the next is the clean one."""
    with chain.copy(chain.before("late", "land")) as settings:
        run_marts(settings, chain.sent, "first")
        for step in STEPS.values():
            step(settings, chain.sent, "late")
        chain.keep(settings, "late", "months")
        run_marts(settings, chain.sent, "late")
        chain.keep(settings, "late", "marts")
    return len(chain.states) - 2


PUBLISHING = (
    ("before dbt", "run"),
    ("within network_overview_month", "run and dbt"),
    ("within data_quality_day", "dbt"),
    ("within dbt, days", "run and dbt"),
    ("between dbt and the ledger", "run"),
)


def test_runs_that_die_between_facts_and_ledger_leave_marts_due_and_the_next_publishes_them(
    chain, unpublished, tmp_path
):
    before, after = chain.states[unpublished], chain.states[unpublished + 1]
    with chain.copy(unpublished) as settings:
        was_due = due_by_set(warehouse_of(settings))
        assert all(was_due[name] for name in ("arrival", "daily", "monthly"))
        for where, whom in PUBLISHING:
            tables = (scenarios.KILLED_AT | scenarios.KILLED_IN)[where]
            code = scenarios.kill_publishing(settings, chain, tables, whom, tmp_path)
            assert code == (1 if whom == "dbt" else -9)
            assert due_by_set(warehouse_of(settings)) == was_due
            assert inject.half_visible(settings, before, after) == []
        run_marts(settings, chain.sent, "late")
        assert inject.differences(visible(settings), after.visible) == []
        assert inject.differences(at_end(settings), after.at_end) == []
        assert not any(due_by_set(warehouse_of(settings)).values())
    published = {unit for unit in after.visible if unit.startswith("marts.")}
    assert {unit for unit in published if before.visible.get(unit) != after.visible[unit]}, "the marts were the same"


ERRORS = {
    "landing": ("land", r"^fsync raw/", "ENOSPC"),
    # Not a write: the main thread's are also wake-ups of libraries' threads, of another number in each run.
    "decoding": ("ingest", r"^fsync decoded/", "ENOSPC"),
    # Not the file's rename: it has another name in each run, and delta-rs' threads take it as they come.
    "folder of a Delta table": ("ingest", r"^mkdir\w* accepted/sessions/stream_id=.*/event_date=[^/]*$", "ENOSPC"),
    "Delta commit": ("ingest", r"^link\w* accepted/sessions/_delta_log", "EIO"),
    "connection in a COPY": ("months", r"^recvfrom .*\"G\\0", "EIO"),
    "connection in a swap": ("days", r"^recvfrom .*INSERT 0 [1-9]", "EIO"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_of_disk_or_network_is_said_and_leaves_the_last_good_state(error, chain, calls, tmp_path):
    step, pattern, fault = ERRORS[error]
    # What would have been received is not there to be recognised.
    wanted = "^recvfrom" if "recvfrom" in pattern else pattern
    outcome = inject.strike(chain, point_at(calls, "late", step, pattern), fault, tmp_path, wanted)
    assert outcome.complaints == []
    assert outcome.exit_code == 1, "the step did not notice"


COPY_DATA = r'^sendto .*"d\\0'
HELD = {
    "ingest, first version of a table": (
        "ingest",
        r"^link\w* accepted/locations/_delta_log/0+\.json",
        "ArrivalLostError",
    ),
    "ingest, states": ("ingest", r"^link\w* accepted/status/_delta_log/0+1\.json", "ArrivalLostError"),
    # In a transaction, though without a lock: if the retry takes long, Postgres has given up on it.
    "ingest, registry": ("ingest", r"lock table facts\.charge_point", "ArrivalLostError|WarehouseError"),
    "edges": ("days", r"select period_date, touch_id from catalogue\.touched_period", "WindowLostError|WarehouseError"),
    "days": ("days", r"select period_date, owner", "WindowLostError|WarehouseError"),
    "months": ("months", r"select period_date, owner", "WindowLostError|WarehouseError"),
    # In a COPY Postgres counts no idle time: whoever stands still there must hold no lock.
    "ingest, in the COPY of quarantined rows": ("ingest", COPY_DATA, "ArrivalLostError"),
    "days, in the COPY of edges": ("days", COPY_DATA, "WindowLostError"),
    "months, in the COPY": ("months", COPY_DATA, "WindowLostError"),
    "ingest, with the registry's lock": ("ingest", r"create temporary table changed", "WarehouseError"),
    "months, in the swap": ("months", r"insert into \\\"facts\\\".\\\"charging_session_day", "WarehouseError"),
}


@pytest.mark.parametrize("where", HELD)
def test_a_worker_that_wakes_after_its_retry_overwrites_nothing(where, chain, calls, tmp_path):
    step, pattern, says = HELD[where]
    outcome = scenarios.wake_too_late(chain, point_at(calls, "first", step, pattern), tmp_path)
    assert outcome.complaints == []
    assert re.search(pattern, outcome.hit), "it stood elsewhere"
    assert re.search(says, outcome.error)


@pytest.mark.parametrize(
    ("mode", "step", "pattern"),
    [
        ("immediate", "months", r"copy \\\"staging_facts_charging_session\\\""),
        ("fast", "days", r"insert into \\\"facts\\\".\\\"charge_point_status_day"),
    ],
)
def test_postgres_restarts_in_mid_load(mode, step, pattern, chain, calls, tmp_path):
    outcome = scenarios.restart_server(chain, point_at(calls, "late", step, pattern), mode, tmp_path)
    assert outcome.complaints == []
    assert "WarehouseError" in outcome.error and "run again once it answers" in outcome.error


JANUARY = Window("charging_session", dt.date(2025, 1, 1), dt.date(2025, 2, 1), monthly=True)
EIGHT = range(8)


def swap_rows(settings: Settings, owner: str, number: int) -> None:
    """Thirty days of one charge point, all with the number as their energy."""
    rows = [
        {
            "charge_point_id": "p/1", "provider_id": "p", "authority_id": "a", "stream_id": "s",
            "start_date": dt.date(2025, 1, day), "currency": "GBP", "session_count": 1, "failed_session_count": 0,
            "duration_seconds_total": Decimal(1), "energy_kwh_total": Decimal(number), "revenue_count": 0,
        }
        for day in range(1, 31)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    swap_window(
        warehouse_of(settings), JANUARY, owner, 0, {"facts.charging_session_day": ("start_date", rows_of(table))}
    )


def claim_and_swap(settings: Settings, number: int, all_claimed: Any) -> None:
    """In a process of its own: claims the window, waits for the others if it is told to, and swaps."""
    claim_window(warehouse_of(settings), JANUARY, str(number))
    if all_claimed is not None:
        all_claimed.wait(60)
    swap_rows(settings, str(number), number)


def shown(settings: Settings) -> tuple[str, list[tuple[int, int]]]:
    """The window's owner, and how many rows there are of each energy."""
    with connect(settings) as connection:
        owner = connection.execute("select owner from catalogue.fact_window").fetchone()
        found = connection.execute(
            "select energy_kwh_total::int, count(*) from facts.charging_session_day group by 1"
        ).fetchall()
    return (owner[0] if owner else ""), found


@pytest.fixture
def empty(chain: Chain) -> Iterator[Settings]:
    with chain.copy(0) as settings:
        yield settings


def test_of_eight_processes_with_a_claim_each_the_last_to_claim_wins(empty, tmp_path):
    all_claimed = worker.CONTEXT.Barrier(len(EIGHT))
    runs = [worker.start(tmp_path / str(n), claim_and_swap, empty, n, all_claimed) for n in EIGHT]
    for run in runs:
        run.go()
    won = [number for number, run in enumerate(runs) if run.end() == 0]
    owner, found = shown(empty)
    assert won == [int(owner)]
    assert found == [(won[0], 30)]
    assert all("WindowLostError" in run.said() for number, run in enumerate(runs) if number != won[0])


def test_of_eight_processes_that_claim_and_swap_as_they_come_readers_see_one_whole_set(empty, tmp_path):
    runs = [worker.start(tmp_path / str(n), claim_and_swap, empty, n, None) for n in EIGHT]
    for run in runs:
        run.go()
    while any(run.process.is_alive() for run in runs):
        _, found = shown(empty)
        assert [rows for _, rows in found] in ([], [30])
    owner, found = shown(empty)
    assert found == [(int(owner), 30)], "the last to claim has the last word"
    lost = [run for run in runs if run.end()]
    assert all("WindowLostError" in run.said() for run in lost)


def test_of_eight_processes_with_one_claim_one_set_stays_whole(empty, tmp_path):
    claim_window(warehouse_of(empty), JANUARY, "all")
    runs = [worker.start(tmp_path / str(n), swap_rows, empty, "all", n) for n in EIGHT]
    for run in runs:
        run.go()
    assert [run.end() for run in runs] == [0] * len(EIGHT)
    assert [rows for _, rows in shown(empty)[1]] == [30]
