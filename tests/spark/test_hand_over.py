"""Tables that are handed to an engine: the same rows, in the plan or beside it."""

from __future__ import annotations

import datetime as dt
import os

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.facts.restatement import affected_spans
from cic_assets.kinds.sessions.schema import ACCEPTED as ACCEPTED_SESSIONS
from cic_assets.kinds.status.schema import ACCEPTED as ACCEPTED_STATUS
from cic_assets.lake import tables
from cic_assets.lake.rows import bring_back, pieces
from cic_assets.lake.tables import hand_over
from cic_assets.lake.zones import Lake
from tests.builders import accepted, entry

DAY = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
POINTS = pa.schema(
    [("charge_point_id", pa.string()), ("first_event_at", pa.timestamp("us", tz="UTC")), ("ever_stays", pa.bool_())]
)
FEEDS = pa.schema([("stream_id", pa.string()), ("first_at", pa.timestamp("us", tz="UTC"))])


def plan_bytes(frame) -> int:
    """What the engine is sent, so that it runs a frame."""
    return int(frame._plan.to_proto(frame.sparkSession.client).ByteSize())


def table(rows, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema([field.with_nullable(True) for field in schema]))


def in_order(rows: pa.Table) -> list[dict[str, object]]:
    return sorted(rows.to_pylist(), key=lambda row: row["source_line"])


def test_rows_are_the_same_in_the_plan_and_beside_it(spark, tmp_path, monkeypatch):
    sessions = [
        accepted(str(n), source_line=n, energy_kwh=f"{n}.1234", flags=["S07"] * (n % 3), revenue=None, last_updated=DAY)
        for n in range(5)
    ]
    states = [entry(DAY, source_line=n, flags=[], state=None if n else "REMOVED") for n in range(5)]
    for rows in (table(sessions, ACCEPTED_SESSIONS), table(states, ACCEPTED_STATUS)):
        inside = hand_over(spark, rows, Lake(str(tmp_path)))
        assert not any(tmp_path.iterdir())
        with monkeypatch.context() as patch:
            patch.setattr(tables, "IN_PLAN_BYTES", 0)
            beside = hand_over(spark, rows, Lake(str(tmp_path)))
        (file,) = tmp_path.rglob("*.parquet")
        assert pq.read_metadata(file).num_rows == 5
        assert beside.schema.simpleString() == inside.schema.simpleString()
        assert in_order(beside.toArrow()) == in_order(inside.toArrow()) == in_order(rows)
        file.unlink()
        file.parent.rmdir()


def test_rows_come_back_as_they_are(spark, tmp_path):
    """Also none at all, and lists that are all empty, which delta-rs has to take: Arrow lets them have no offsets."""
    staging, days = Lake(str(tmp_path)), [dt.date(2026, 5, 3)]
    for flags in ([], ["S07"]):
        states = [entry(DAY, source_line=n, flags=flags, stream_id="s", arrival_date=days[0]) for n in range(5)]
        given = table(states, ACCEPTED_STATUS)
        back = bring_back(hand_over(spark, given), staging, ACCEPTED_STATUS)
        assert back.schema.equals(ACCEPTED_STATUS)
        assert in_order(back.to_table()) == in_order(given)
        tables.replace_arrivals(staging, "status", "s", days, back, lambda: None)
        there = tables.arrival_rows(staging, "status", ACCEPTED_STATUS, "s", days)
        assert in_order(there.to_table()) == in_order(given)
    nothing = bring_back(hand_over(spark, given).where("state = 'NOWHERE'"), staging, ACCEPTED_STATUS)
    assert (nothing.count_rows(), list(pieces(nothing))) == (0, [])


def test_two_timelines_of_many_rows_are_compared_by_a_small_plan(spark, engine, tmp_path, monkeypatch):
    """A county's first ingest: its rows stood in the plan 30 times, 614 MB where Spark Connect takes 128 MiB."""
    added = table([entry(DAY + dt.timedelta(seconds=n), source_line=n) for n in range(10_000)], ACCEPTED_STATUS)
    assert added.nbytes > tables.IN_PLAN_BYTES
    sent: list[int] = []
    run = type(spark.client).to_table
    monkeypatch.setattr(
        type(spark.client),
        "to_table",
        lambda self, plan, *given, **named: (sent.append(plan.ByteSize()), run(self, plan, *given, **named))[1],
    )

    def spans(staging: Lake | None) -> object:
        return affected_spans(
            hand_over(spark, added.slice(0, 0)), hand_over(spark, added, staging), hand_over(spark, added.slice(0, 0)),
            POINTS.empty_table(), table([{"stream_id": "s"}], FEEDS),
            zone="Europe/London", silence=dt.timedelta(days=7), feed_first=DAY, horizon=DAY + dt.timedelta(days=30),
        )  # fmt: skip

    assert spans(Lake(str(tmp_path))) == spans(None)
    beside, inside = sent
    assert beside < added.nbytes / 2
    # Apache Spark's client sends a table beside its plan by itself.
    assert engine != "embedded" or inside > added.nbytes


def test_the_embedded_engine_waits_for_a_run_that_does_something_else(spark, engine):
    """Sail's own limit is 15 minutes of idleness; building marts took longer, and the run's next step failed."""
    assert spark.range(3).count() == 3
    assert engine != "embedded" or int(os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"]) >= 86_400
