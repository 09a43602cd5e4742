from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

from cic_assets.warehouse import embedded
from cic_assets.warehouse.connect import connect
from cic_assets.warehouse.load import Window, WindowLostError, claim_window, swap_window

JANUARY = Window("charging_session", dt.date(2026, 1, 1), dt.date(2026, 2, 1), monthly=True)


def day_rows(*days: int, energy: str = "1.5") -> pa.Table:
    count = len(days)
    return pa.table(
        {
            "charge_point_id": [f"p/{n}" for n in range(count)],
            "provider_id": ["p"] * count,
            "authority_id": ["a"] * count,
            "stream_id": ["s"] * count,
            "start_date": [dt.date(2026, 1, day) for day in days],
            "currency": [None] * count,
            "session_count": [3] * count,
            "failed_session_count": [1] * count,
            "duration_seconds_total": [Decimal(100)] * count,
            "energy_kwh_total": [Decimal(energy)] * count,
            "revenue_count": [0] * count,
        }
    )


def swap(settings, owner, rows):
    swap_window(settings, JANUARY, owner, 0, {"facts.charging_session_day": ("start_date", rows)})


def rows_of(settings, query):
    with connect(settings) as connection:
        return connection.execute(query).fetchall()


def test_a_swap_replaces_exactly_the_window_and_postgres_divides(settings):
    claim_window(settings, JANUARY, "a")
    swap(settings, "a", day_rows(1, 2, 3))
    swap(settings, "a", day_rows(5))
    found = rows_of(settings, "select start_date, energy_kwh_mean, revenue_mean from facts.charging_session_day")
    assert found == [(dt.date(2026, 1, 5), Decimal("0.750000"), None)]


def test_a_run_that_lost_its_window_changes_nothing(settings):
    claim_window(settings, JANUARY, "old")
    swap(settings, "old", day_rows(1))
    claim_window(settings, JANUARY, "new")
    with pytest.raises(WindowLostError, match="2026-01-01"):
        swap(settings, "old", day_rows(2, 3))
    assert rows_of(settings, "select count(*) from facts.charging_session_day") == [(1,)]


def test_eight_swaps_of_one_window_at_once_leave_one_of_them_whole(settings):
    claim_window(settings, JANUARY, "a")
    seen: list[int] = []
    swaps = [
        threading.Thread(target=swap, args=(settings, "a", day_rows(*range(1, 20), energy=str(n)))) for n in range(8)
    ]
    for thread in swaps:
        thread.start()
    while any(thread.is_alive() for thread in swaps):
        seen += [count for (count,) in rows_of(settings, "select count(*) from facts.charging_session_day")]
    assert set(seen) <= {0, 19}
    found = rows_of(settings, "select count(*), count(distinct energy_kwh_total) from facts.charging_session_day")
    assert found == [(19, 1)]


def test_the_analyst_reads_marts_and_nothing_else(settings):
    with connect(settings) as connection:
        connection.execute("create table marts.shown as select 1 as n")
    with connect(settings, "analyst") as connection:
        assert connection.execute("select n from marts.shown").fetchone() == (1,)
    for query in (
        "select * from facts.charging_session",
        "delete from marts.shown",
        "reset role; drop table marts.shown",
    ):
        with pytest.raises(psycopg.Error), connect(settings, "analyst") as connection:
            connection.execute(query.encode(), prepare=True)


def test_nobody_elses_folder_changes_its_mode(tmp_path, server_home):
    home = tmp_path / "home" / "project"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    embedded.start(home)
    try:
        assert home.parent.stat().st_mode & 0o777 == 0o700
        assert embedded.start(home).is_running()
    finally:
        embedded.delete(home)
