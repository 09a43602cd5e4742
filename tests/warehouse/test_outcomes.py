"""What became of accepted rows: two facts in one table, and what the reconciliation makes of it."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from cic_assets.facts import outcome
from cic_assets.lake.rows import rows_of
from cic_assets.ledger.periods import OUTCOME, Window, claim_window, swap_window
from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.streams.load import load_streams
from cic_assets.streams.register import register_streams
from tests.doors import connect

JANUARY, ARRIVED = dt.date(2026, 1, 1), dt.date(2026, 1, 9)
MONTH = Window("charging_session", JANUARY, dt.date(2026, 2, 1), monthly=True)
DAY = Window("charge_point_status", JANUARY, dt.date(2026, 1, 2), monthly=False)


def swap(settings, window, *counts, spared=()):
    """The window's outcomes anew: (stream, outcome, rows)."""
    rows = [
        {"fact": window.fact, "stream_id": stream_id, "arrival_date": ARRIVED, "period_date": window.start,
         "outcome": name, "row_count": count}
        for stream_id, name, count in counts
    ]  # fmt: skip
    claim_window(warehouse_of(settings), window, "a")
    placed = rows_of(pa.Table.from_pylist(rows, schema=outcome.SCHEMA))
    swap_window(warehouse_of(settings), window, "a", 0, {OUTCOME: ("period_date", placed)}, spared=spared)


def kept(settings):
    with connect(settings) as connection:
        return connection.execute(
            "select fact, stream_id, outcome, row_count::int from quality.outcome order by 1, 2, 3"
        ).fetchall()


def test_a_swap_replaces_the_outcomes_of_its_own_fact(settings):
    swap(settings, MONTH, ("s", "in_facts", 3), ("s", "open", 1))
    swap(settings, DAY, ("t", "in_facts", 2), ("t", "superseded", 5))
    swap(settings, DAY, ("t", "duplicates", 7))
    assert kept(settings) == [
        ("charge_point_status", "t", "duplicates", 7),
        ("charging_session", "s", "in_facts", 3),
        ("charging_session", "s", "open", 1),
    ]


@pytest.mark.parametrize(("window", "day", "stays"), [(MONTH, 20, True), (DAY, 1, True), (DAY, 2, False)])
def test_outcomes_of_a_spared_date_stay_those_of_a_month_if_one_of_its_dates_is_spared(settings, window, day, stays):
    swap(settings, window, ("s", "in_facts", 3), ("other", "in_facts", 3))
    swap(settings, window, ("s", "open", 1), ("other", "open", 1), spared={("s", JANUARY.replace(day=day))})
    rows = {stream_id: (name, count) for _, stream_id, name, count in kept(settings)}
    assert rows == {"other": ("open", 1), "s": ("in_facts", 3) if stays else ("open", 1)}


def test_rows_of_each_kind_add_up_and_those_of_kinds_without_facts_are_where_they_belong(settings):
    streams = [stream for name, stream in load_streams(settings.streams).items() if name.startswith("ashbourne_")]
    with connect(settings) as connection:
        register_streams(connection, streams, None)
        for name in (*(stream.id for stream in streams), "gone"):
            connection.execute(
                "insert into quality.ingest_count (stream_id, arrival_date, rows_in, accepted, quarantined, skipped)"
                " values (%s, %s, 20, 15, 3, 2)",
                [name, ARRIVED],
            )
    placed = {"in_facts": 1, "open": 2, "duplicates": 3}
    swap(settings, MONTH, *(("ashbourne_sessions", *each) for each in placed.items()))
    swap(settings, DAY, ("ashbourne_status", "in_facts", 4), ("ashbourne_status", "superseded", 11))
    with connect(settings) as connection:
        rows = connection.execute(
            "select stream_id, in_facts, open, duplicates, superseded, unresolved from quality.reconciliation"
            " where rows_in = in_facts + quarantined + skipped + open + duplicates + superseded + unresolved order by 1"
        ).fetchall()
    assert rows == [
        ("ashbourne_locations", 15, 0, 0, 0, 0),
        ("ashbourne_sessions", 1, 2, 3, 0, 9),
        ("ashbourne_status", 4, 0, 0, 11, 0),
        ("gone", 0, 0, 0, 0, 15),
    ]
