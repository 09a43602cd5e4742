from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

from cic_assets.facts.network_days import renew_session_days
from cic_assets.lake.rows import rows_of as arrow_rows
from cic_assets.ledger.periods import (
    Window,
    WindowLostError,
    claim_window,
    mark_stale,
    swap_window,
    take_touches,
    touches,
)
from cic_assets.orchestrate.doors import set_up, warehouse_of
from cic_assets.warehouse import embedded
from cic_assets.warehouse.load import LockedBeforeCopyError, stage_rows
from tests.doors import connect
from tests.network_days import differences
from tests.older import WITHOUT_FETCHED

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
    swap_window(
        warehouse_of(settings), JANUARY, owner, 0, {"facts.charging_session_day": ("start_date", arrow_rows(rows))}
    )


def rows_of(settings, query):
    with connect(settings) as connection:
        return connection.execute(query).fetchall()


def test_a_swap_replaces_exactly_the_window_and_postgres_divides(settings):
    claim_window(warehouse_of(settings), JANUARY, "a")
    swap(settings, "a", day_rows(1, 2, 3))
    swap(settings, "a", day_rows(5))
    found = rows_of(settings, "select start_date, energy_kwh_mean, revenue_mean from facts.charging_session_day")
    assert found == [(dt.date(2026, 1, 5), Decimal("0.750000"), None)]


def test_what_is_spared_stays_and_is_due_and_the_rest_is_replaced(settings):
    touch = "insert into catalogue.touched_period values ('charging_session', 's', '2026-01-01', 7)"
    with connect(settings) as connection:
        connection.execute(touch)
    claim_window(warehouse_of(settings), JANUARY, "a")
    swap(settings, "a", day_rows(1, 2))
    spared = {("s", dt.date(2026, 1, 2)), ("other", dt.date(2026, 1, 1))}
    tables = {"facts.charging_session_day": ("start_date", arrow_rows(day_rows(1, 2, energy="9")))}
    swap_window(warehouse_of(settings), JANUARY, "a", 7, tables, spared=spared)
    found = "select extract(day from start_date)::int, energy_kwh_total from facts.charging_session_day order by 1"
    assert rows_of(settings, found) == [(1, Decimal("9.0000")), (2, Decimal("1.5000"))]
    due = "select period_date, computed_before from catalogue.pending_period"
    assert rows_of(settings, due) == [(dt.date(2026, 1, 1), True)]
    swap_window(warehouse_of(settings), JANUARY, "a", 7, tables)
    assert [energy for _, energy in rows_of(settings, found)] == [Decimal(9), Decimal(9)]
    assert rows_of(settings, due) == []


def test_sums_are_swapped_with_their_days_and_spared_with_them(settings):
    claim_window(warehouse_of(settings), JANUARY, "a")
    tables = {"facts.charging_session_day": ("start_date", arrow_rows(day_rows(1, 2)))}
    swap_window(warehouse_of(settings), JANUARY, "a", 0, tables, then=renew_session_days)
    total = "select sum(energy_kwh_total), sum(charge_point_count) from facts.network_session_day"
    assert differences(settings) == [] and rows_of(settings, total) == [(3, 2)]
    tables = {"facts.charging_session_day": ("start_date", arrow_rows(day_rows(2, 3, energy="9")))}
    spared = {("s", dt.date(2026, 1, 2))}
    swap_window(warehouse_of(settings), JANUARY, "a", 0, tables, then=renew_session_days, spared=spared)
    assert differences(settings) == [] and rows_of(settings, total) == [(Decimal("10.5"), 2)]
    # A day beyond the window is not its business.
    with connect(settings) as connection:
        connection.execute("delete from facts.charging_session_day")
        renew_session_days(connection, replace(JANUARY, end=dt.date(2026, 1, 3)))
    assert rows_of(settings, total) == [(9, 1)] and differences(settings)


def test_what_somebody_else_has_touched_since_stays_touched(settings):
    days = [dt.date(2026, 1, day) for day in (1, 2, 3)]
    with connect(settings) as connection:
        mark_stale(connection, "one", {("edge", day) for day in days})
        done = touches(connection, "edge")
        mark_stale(connection, "other", {("edge", days[1])})
        assert list(touches(connection, "edge", ["other"])) == [days[1]] and touches(connection, "edge", []) == {}
        assert touches(connection, "edge", ["one"]) == done
        assert take_touches(connection, "edge", done) == [days[0], days[2]]
        assert list(touches(connection, "edge")) == [days[1]]
        assert take_touches(connection, "edge", touches(connection, "edge")) == [days[1]]
        assert touches(connection, "edge") == {}


def test_a_run_that_lost_its_window_changes_nothing(settings):
    claim_window(warehouse_of(settings), JANUARY, "old")
    swap(settings, "old", day_rows(1))
    claim_window(warehouse_of(settings), JANUARY, "new")
    with pytest.raises(WindowLostError, match="2026-01-01"):
        swap(settings, "old", day_rows(2, 3))
    assert rows_of(settings, "select count(*) from facts.charging_session_day") == [(1,)]


def test_eight_swaps_of_one_window_at_once_leave_one_of_them_whole(settings):
    claim_window(warehouse_of(settings), JANUARY, "a")
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


def test_a_warehouse_made_for_months_only_is_changed_and_loses_no_touch(settings):
    old = f"""
        {WITHOUT_FETCHED}
        drop table catalogue.schema_version, catalogue.schema_state, catalogue.arrival;
        drop table quality.outcome cascade;
        drop table facts.network_status_day, facts.network_session_day, facts.charge_point_seen cascade;
        drop table catalogue.portion;
        alter table quality.quarantine drop column portion;
        alter table quality.delivery drop column portion;
        alter table catalogue.stream drop column has_facts;
        drop table catalogue.touched_period, catalogue.fact_window cascade;
        create table catalogue.touched_month (stream_id text, month_date date, touch_id bigint, touched_at timestamptz
          default now(), primary key (stream_id, month_date));
        create table catalogue.fact_window (fact text, month_date date, owner text, computed_touch_id bigint,
          computed_at timestamptz, primary key (fact, month_date));
        create view catalogue.pending_month as select month_date from catalogue.touched_month;
        insert into catalogue.touched_month values ('s', '2026-01-01', 7);
    """
    with connect(settings) as connection:
        connection.execute(old.encode())
    set_up(settings)
    set_up(settings)
    pending = rows_of(settings, "select fact, period_date, computed_before from catalogue.pending_period")
    assert pending == [("charging_session", dt.date(2026, 1, 1), False)]
    claim_window(warehouse_of(settings), JANUARY, "a")


STATES = (
    "available", "blocked", "charging", "inoperative", "outoforder", "planned", "removed", "reserved", "unknown",
    "unreported", "unobserved",
)  # fmt: skip
MEASURES = (
    "select operational_pct, operational_of_known_pct, charging_pct, unknown_pct from facts.charge_point_status_day"
)


def status_day(settings, reports_use=True, **minutes: float) -> tuple[Decimal | None, ...]:
    """The measures of a day that spent these minutes in these states."""
    spent = {name: Decimal(minutes.get(name, 0)) * 60 for name in STATES}
    row = {
        "charge_point_id": "p/1", "provider_id": "p", "authority_id": "a", "stream_id": "s",
        "status_date": dt.date(2026, 1, 5), "day_seconds": sum(spent.values()),
        **{f"{name}_seconds": value for name, value in spent.items()}, "event_count": 1, "confirmation_count": 0,
        "reports_use": reports_use, "flags": [],
    }  # fmt: skip
    window = Window("charge_point_status", dt.date(2026, 1, 5), dt.date(2026, 1, 6), monthly=False)
    claim_window(warehouse_of(settings), window, "a")
    rows = pa.Table.from_pylist([row])
    swap_window(
        warehouse_of(settings), window, "a", 0, {"facts.charge_point_status_day": ("status_date", arrow_rows(rows))}
    )
    (found,) = rows_of(settings, MEASURES)
    return found


def test_measures_of_the_worked_month_and_of_days_without_a_denominator(settings):
    """numbers.md 2: of 43,200 min, 40,000 working, 2,000 unknown, 200 blocked, 500 inoperative, 500 out of order."""
    month = {"available": 30_000, "charging": 9_000, "reserved": 1_000, "blocked": 200}
    silent = {**month, "inoperative": 500, "outoforder": 500, "unknown": 1_500, "unreported": 500}
    assert [str(value) for value in status_day(settings, **silent)] == [
        "92.592593",
        "97.087379",
        "20.833333",
        "4.629630",
    ]
    # Planned, removed and unobserved time is out of D; of a feed that says nothing of use there is no charging share.
    beside = {**silent, "planned": 100, "removed": 1_000, "unobserved": 333}
    assert status_day(settings, reports_use=False, **beside) == (
        Decimal("92.592593"), Decimal("97.087379"), None, Decimal("4.629630"),
    )  # fmt: skip
    assert status_day(settings, removed=1_440) == (None,) * 4
    assert status_day(settings, unreported=1_440) == (Decimal(0), None, Decimal(0), Decimal(100))


def test_a_day_whose_seconds_do_not_add_up_is_refused(settings):
    status_day(settings, available=1_440)
    with pytest.raises(psycopg.errors.CheckViolation), connect(settings) as connection:
        connection.execute("update facts.charge_point_status_day set unknown_seconds = 0.000001")


@pytest.mark.parametrize(
    "locking",
    [
        "select from catalogue.arrival for update",
        "lock table facts.charge_point in share mode",
        "delete from quality.quarantine where false",
    ],
)
def test_nothing_is_copied_while_a_lock_is_held(settings, locking):
    """A worker that stands still in a COPY would keep the lock for ever: four of 31 stale workers did."""
    with (
        pytest.raises(LockedBeforeCopyError, match="staged before anything is locked"),
        connect(settings) as connection,
    ):
        connection.execute(locking)
        stage_rows(connection, "facts.charging_session_day", arrow_rows([]))


TEXTS = [
    "",
    "NULL",
    "null",
    "\\N",
    "a,b",
    'say "x"',
    "back\\slash",
    "two\nlines\r\n",
    "{}",
    "é 東",
    " ",
    None,
    "\\",
    '"',
]
MOMENT = dt.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=dt.UTC)


def test_values_of_every_type_arrive_as_they_are(settings):
    count = len(TEXTS)
    lists = [[text] for text in TEXTS[:-2]] + [TEXTS, []]
    columns = {
        "word": (pa.array(TEXTS, pa.string()), "text"),
        "words": (pa.array([None, *lists[1:]], pa.list_(pa.string())), "text[]"),
        "amount": (pa.array([Decimal("-0.0001"), Decimal("12345678901234.5000")] * (count // 2), pa.decimal128(22, 4)),
                   "numeric"),
        "number": (pa.array([None, -(2**63)] * (count // 2), pa.int64()), "bigint"),
        "share": (pa.array([0.1, 1e-300] * (count // 2), pa.float64()), "double precision"),
        "is_so": (pa.array([True, None] * (count // 2)), "boolean"),
        "day": (pa.array([dt.date(1970, 1, 1), dt.date(9999, 12, 31)] * (count // 2)), "date"),
        "moment": (pa.array([MOMENT, None] * (count // 2), pa.timestamp("us", tz="UTC")), "timestamptz"),
        "clock": (pa.array([MOMENT.replace(tzinfo=None)] * count, pa.timestamp("us")), "timestamp"),
        "nothing": (pa.nulls(count), "text"),
    }  # fmt: skip
    table = pa.table({name: values for name, (values, _) in columns.items()})
    with connect(settings) as connection:
        said = ", ".join(f"{name} {kind}" for name, (_, kind) in columns.items())
        connection.execute(f"create table public.every ({said})".encode())
        # A piece that begins within a table has its lists behind others.
        for rows in (table, table.slice(3, 4)):
            staged = stage_rows(connection, "public.every", arrow_rows(rows))
            found = connection.execute(f"select {', '.join(columns)} from {staged.table}".encode()).fetchall()
            assert found == [tuple(row.values()) for row in rows.to_pylist()]
            connection.execute(f"drop table {staged.table}".encode())
