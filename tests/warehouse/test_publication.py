"""Marts are due from the transaction that changes what they read until they are built from that, by today's SQL."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from dataclasses import replace

import pyarrow as pa
import pytest

from cic_assets.facts.ratings import renew_ratings
from cic_assets.lake.rows import rows_of
from cic_assets.ledger import publication
from cic_assets.ledger.mart_sets import ARRIVAL, DAILY, DIMENSION, MONTHLY, mart_sets
from cic_assets.ledger.periods import Window, WindowLostError, claim_window, swap_window
from cic_assets.ledger.publication import building, due_by_set, touch
from cic_assets.ledger.published import shown, touch_published
from cic_assets.orchestrate.doors import set_up, warehouse_of
from cic_assets.orchestrate.work import due_marts
from cic_assets.settings import Settings
from tests.doors import connect
from tests.older import WITHOUT_FETCHED
from tests.warehouse.test_load import JANUARY, day_rows, swap

D = dt.date
JAN, FEB = D(2026, 1, 1), D(2026, 2, 1)


def made(settings: Settings) -> None:
    """Tables and views of all sets, as dbt would have left them; and nothing is due."""
    with connect(settings) as connection:
        for marts in mart_sets().values():
            for schema, name in sorted(marts.relations):
                connection.execute(f"create table {schema}.{name} ()".encode())
            connection.execute(
                "update catalogue.mart_period set built_touch_id = touch_id, built_with = %s where mart_set = %s",
                [marts.fingerprint, marts.name],
            )


def due(settings: Settings) -> dict[str, list[dt.date]]:
    return {
        name: [each.period for each in found] for name, found in due_by_set(warehouse_of(settings)).items() if found
    }


def touched(settings: Settings, *periods: tuple[str, dt.date]) -> None:
    with connect(settings) as connection:
        touch(connection, periods)


def build(settings: Settings, name: str, start: dt.date, end: dt.date) -> None:
    with building(warehouse_of(settings), name, start, end):
        pass


def test_of_a_fresh_warehouse_the_dimensions_alone_are_due(settings):
    assert due(settings) == {DIMENSION: [D(2010, 1, 1)]}
    made(settings)
    assert due(settings) == {}


def test_a_swap_makes_marts_due_until_they_are_built(settings):
    made(settings)
    claim_window(warehouse_of(settings), JANUARY, "a")
    swap(settings, "a", day_rows(1, 2))
    assert due(settings) == {MONTHLY: [JAN]}
    build(settings, MONTHLY, JAN, FEB)
    assert due(settings) == {}
    # Rows that go are a change too; an empty window that stays empty is none.
    swap(settings, "a", day_rows())
    assert due(settings) == {MONTHLY: [JAN]}
    build(settings, MONTHLY, JAN, FEB)
    swap(settings, "a", day_rows())
    assert due(settings) == {}


def test_a_swap_that_does_not_come_about_makes_nothing_due(settings):
    made(settings)
    claim_window(warehouse_of(settings), JANUARY, "new")
    with pytest.raises(WindowLostError):
        swap(settings, "old", day_rows(1))
    assert due(settings) == {}


def test_days_of_status_are_due_with_their_months(settings):
    made(settings)
    window = Window("charge_point_status", D(2026, 1, 30), D(2026, 2, 2), monthly=False)
    claim_window(warehouse_of(settings), window, "a")
    day = {name: [0] for name in ("available", "blocked", "charging", "inoperative", "outoforder", "planned")}
    day |= {name: [0] for name in ("removed", "reserved", "unknown", "unreported", "unobserved")}
    rows = pa.table(
        {f"{name}_seconds": seconds for name, seconds in day.items()}
        | {"day_seconds": [0], "status_date": [D(2026, 1, 31)], "charge_point_id": ["p/1"], "provider_id": ["p"]}
        | {"authority_id": ["a"], "stream_id": ["s"], "event_count": [0], "confirmation_count": [0]}
        | {"reports_use": [True], "flags": pa.array([[]], pa.list_(pa.string()))}
    )
    swap_window(
        warehouse_of(settings), window, "a", 0, {"facts.charge_point_status_day": ("status_date", rows_of(rows))}
    )
    assert due(settings) == {DAILY: window.periods, MONTHLY: [JAN, FEB]}


def test_what_is_touched_while_dbt_runs_stays_due(settings):
    made(settings)
    touched(settings, (MONTHLY, JAN), (MONTHLY, FEB))
    with building(warehouse_of(settings), MONTHLY, JAN, D(2026, 3, 1)):
        touched(settings, (MONTHLY, FEB))
    assert due(settings) == {MONTHLY: [FEB]}


def test_a_touch_that_began_before_another_and_ends_after_the_build_stays_due(settings):
    made(settings)
    touched(settings, (MONTHLY, JAN))
    with ExitStack() as late:
        # Its number is lower than all that come after it.
        touch(late.enter_context(connect(settings)), [(MONTHLY, JAN)])
        touched(settings, (MONTHLY, FEB))
        build(settings, MONTHLY, FEB, D(2026, 3, 1))
        with building(warehouse_of(settings), MONTHLY, JAN, FEB):
            late.close()
    assert due(settings) == {MONTHLY: [JAN]}


def test_a_build_that_fails_or_dies_leaves_its_window_due(settings):
    made(settings)
    touched(settings, (ARRIVAL, JAN))
    with pytest.raises(RuntimeError), building(warehouse_of(settings), ARRIVAL, JAN, FEB):
        raise RuntimeError("dbt")
    dying = building(warehouse_of(settings), ARRIVAL, JAN, FEB)
    dying.__enter__()
    del dying
    assert due(settings) == {ARRIVAL: [JAN]}


def test_other_sql_makes_all_periods_due_and_of_views_the_newest_alone(settings, monkeypatch):
    made(settings)
    periods = [(name, day) for name in (ARRIVAL, DAILY, MONTHLY) for day in (JAN, FEB)]
    touched(settings, *periods)
    for name in (ARRIVAL, DAILY, MONTHLY):
        build(settings, name, JAN, D(2026, 3, 1))
    others = {name: replace(marts, fingerprint="other") for name, marts in mart_sets().items()}
    monkeypatch.setattr(publication, "mart_sets", lambda: others)
    assert due(settings) == {ARRIVAL: [JAN, FEB], DAILY: [FEB], DIMENSION: [D(2010, 1, 1)], MONTHLY: [JAN, FEB]}
    build(settings, DAILY, FEB, D(2026, 2, 2))
    build(settings, MONTHLY, JAN, FEB)
    build(settings, DIMENSION, D(2010, 1, 1), D(2010, 1, 2))
    assert due(settings) == {ARRIVAL: [JAN, FEB], MONTHLY: [FEB]}


def test_marts_that_are_gone_are_due_and_come_back_whole(settings):
    made(settings)
    touched(settings, (MONTHLY, JAN), (MONTHLY, FEB))
    build(settings, MONTHLY, JAN, D(2026, 3, 1))
    with connect(settings) as connection:
        connection.execute("drop table marts.network_overview_month, marts.dim_date")
    assert due(settings) == {MONTHLY: [JAN, FEB], DIMENSION: [D(2010, 1, 1)]}
    with building(warehouse_of(settings), MONTHLY, FEB, D(2026, 3, 1)), connect(settings) as connection:
        connection.execute("create table marts.network_overview_month ()")
    assert due(settings)[MONTHLY] == [JAN]


def test_what_is_gone_after_it_was_built_is_other_work_for_the_daemon(settings):
    made(settings)
    touched(settings, (MONTHLY, JAN))
    (first,) = due_marts(warehouse_of(settings), MONTHLY)
    build(settings, MONTHLY, JAN, FEB)
    with connect(settings) as connection:
        connection.execute("drop table marts.network_overview_month")
    (again,) = due_marts(warehouse_of(settings), MONTHLY)
    assert (again.first, again.last) == (first.first, first.last) and again.identity != first.identity


def test_a_warehouse_of_before_is_filled_once(settings):
    with connect(settings) as connection:
        connection.execute(
            "drop table catalogue.mart_period, catalogue.schema_version, catalogue.schema_state, catalogue.arrival"
        )
        connection.execute("drop table quality.outcome cascade")
        connection.execute("drop table facts.network_status_day, facts.network_session_day cascade")
        connection.execute("drop table facts.charge_point_seen cascade")
        connection.execute(WITHOUT_FETCHED)
        connection.execute("drop table catalogue.portion")
        for table in ("quality.quarantine", "quality.delivery"):
            connection.execute(f"alter table {table} drop column portion")
        connection.execute("alter table catalogue.stream drop column has_facts")
        connection.execute("insert into quality.ingest_count values ('s', '2026-01-05', 1, 1, 0)")
        connection.execute(
            "insert into catalogue.fact_window values ('charging_session', '2026-01-01', 'a', 1, now()),"
            " ('charge_point_month', '2026-01-01', 'a', 1, now()),"
            " ('charge_point_status', '2026-01-05', 'a', 1, now()),"
            " ('charge_point_status', '2026-01-06', 'a', null, null)"
        )
    set_up(settings)
    wanted = {ARRIVAL: [D(2026, 1, 5)], DAILY: [D(2026, 1, 5)], DIMENSION: [D(2010, 1, 1)], MONTHLY: [JAN]}
    assert due(settings) == wanted
    made(settings)
    set_up(settings)
    assert due(settings) == {}


STREAM = (
    "insert into catalogue.stream (stream_id, kind, provider_id, provider_name, authority_id, authority_name, zone,"
    " licence, contact, rule_set, fingerprint) values ({!r}, 'sessions', 'p', {!r}, 'a', 'A', 'UTC', '', '', '', '')"
)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("update catalogue.stream set provider_name = 'Other'", {MONTHLY}),
        (STREAM.format("t", "Alpha"), {MONTHLY}),
        (STREAM.format("t", "Zeta"), set()),
        ("update catalogue.stream set authority_id = 'b'", {MONTHLY}),
        ("update catalogue.stream set licence = 'other'", set()),
        ("update quality.rule set message = 'other'", {ARRIVAL}),
        ("insert into quality.rule values ('S99', 'flag', 'new', 'ours')", set()),
    ],
)
def test_names_and_messages_that_change_make_rows_of_any_age_due(settings, change, names):
    made(settings)
    touched(settings, (ARRIVAL, JAN), (MONTHLY, JAN))
    with connect(settings) as connection:
        connection.execute(STREAM.format("s", "Provider").encode())
        connection.execute("insert into quality.rule values ('S01', 'reject', 'message', 'ours')")
    for name in (ARRIVAL, MONTHLY):
        build(settings, name, JAN, FEB)
    with connect(settings) as connection:
        before = shown(connection)
        connection.execute(change.encode())
        touch_published(connection, "s", [D(2026, 3, 1)], before)
    wanted = {name: [JAN] for name in names}
    assert due(settings) == {**wanted, ARRIVAL: [*wanted.get(ARRIVAL, []), D(2026, 3, 1)]}


OBJECT = (
    "insert into catalogue.object (stream_id, sha256, arrival_date, first_seen_at, original_name, path, byte_count,"
    " landed, feed_columns) values ('s', {!r}, {!r}, now(), '', '', 0, true, {!r})"
)


@pytest.mark.parametrize(
    ("day", "columns", "others"),
    [
        # The first to come, without a column that the next one has; between two, with a column of the third.
        (D(2026, 1, 1), "{a}", [D(2026, 1, 2)]),
        (D(2026, 1, 3), "{a,b,c}", [D(2026, 1, 4)]),
        (D(2026, 1, 5), "{a,b,c,d}", []),
    ],
)
def test_an_arrival_that_comes_late_may_take_new_columns_from_later_ones(settings, day, columns, others):
    made(settings)
    with connect(settings) as connection:
        for date, names in ((D(2026, 1, 2), "{a,b}"), (D(2026, 1, 4), "{a,b,c}"), (day, columns)):
            connection.execute(OBJECT.format(str(date), str(date), names).encode())
        touch_published(connection, "s", [day], shown(connection))
    found = due(settings)[ARRIVAL]
    assert day in found and set(others) <= set(found)
    # No more than those at which any column comes first.
    assert set(found) <= {day, *(date for date in (D(2026, 1, 2), D(2026, 1, 4)) if date > day)}


def test_a_rating_that_changes_makes_its_month_due_and_those_after_it(settings):
    made(settings)
    touched(settings, (MONTHLY, D(2025, 12, 1)), (MONTHLY, JAN), (MONTHLY, FEB))
    build(settings, MONTHLY, D(2025, 12, 1), D(2026, 3, 1))
    with connect(settings) as connection:
        connection.execute(
            "insert into facts.charging_session (session_id, charge_point_id, provider_id, authority_id, stream_id,"
            " started_at, ended_at, start_date, duration_seconds, energy_kwh, flags, rated_power_kw, record_kind,"
            " arrival_date, is_counted) values ('1', 'p/1', 'p', 'a', 's', now(), now(), '2026-01-09', 1, 1, '{}', 22,"
            " 'session', '2026-01-10', true)"
        )
        renew_ratings(connection)
    assert due(settings) == {MONTHLY: [JAN, FEB]}


def test_due_marts_are_ranges_that_other_touches_make_others(settings):
    made(settings)
    days = [D(2026, 1, 1), D(2026, 1, 2), D(2026, 1, 9), D(2026, 3, 1)]
    touched(settings, *((name, day) for name in (ARRIVAL, DAILY) for day in days))
    daily, arrival = due_marts(warehouse_of(settings), DAILY), due_marts(warehouse_of(settings), ARRIVAL)
    assert [(work.first, work.last) for work in daily] == [(days[0], days[1]), (days[2], days[2]), (days[3], days[3])]
    # Arrivals up to a month apart share a run, as their ingest does.
    assert [(work.first, work.last) for work in arrival] == [(days[0], days[2]), (days[3], days[3])]
    touched(settings, (DAILY, days[2]))
    again = due_marts(warehouse_of(settings), DAILY)
    assert [old.identity == new.identity for old, new in zip(daily, again, strict=True)] == [True, False, True]
