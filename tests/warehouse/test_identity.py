"""Decoded = accepted + quarantined + skipped, as written: a row that gets lost on any step ends the ingest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

from cic_assets.lake import decode, ingest, kinds, tables
from cic_assets.lake.catalogue import arrivals, ingested
from cic_assets.lake.decode import DecodeError
from cic_assets.lake.ingest import IngestError
from cic_assets.lake.landing import land
from cic_assets.lake.zones import lake_of
from cic_assets.quality import judge
from cic_assets.resources.spark import SparkResource
from cic_assets.streams.model import parse_stream
from cic_assets.warehouse.connect import connect

DAY = dt.datetime(2026, 6, 12, 6, tzinfo=dt.UTC)
STREAM = parse_stream(
    {
        "id": "poll", "kind": "status", "description": "d", "provider": {"id": "p", "name": "P"},
        "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"}, "claims": ["*.csv"],
        "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"}, "where": "cp <> 'TEST'",
        "vocabulary": {"words": {"free": "AVAILABLE"}}, "licence": "l", "contact": "c",
    }
)  # fmt: skip
FILE = "cp,word,since\n" + "".join(
    f"{cp},free,{since}\n"
    for cp, since in (
        ("A", "2026-06-11T10:00:00Z"), ("B", "2026-06-11T10:00:00Z"), ("C", "soon"), ("D", "later"),
        ("TEST", "2026-06-11T10:00:00Z"),
    )
)  # fmt: skip


@pytest.fixture
def pending(settings, tmp_path):
    file = tmp_path / "poll.csv"
    file.write_text(FILE)
    land(settings, STREAM, file, DAY)
    with connect(settings) as connection:
        return arrivals(connection, [STREAM.id])


def run(settings, pending):
    session = SparkResource(engine="embedded").session
    return ingest.ingest(settings, session, STREAM, pending, "run", lambda count: True)


def written(settings):
    lake = lake_of(settings)
    with connect(settings) as connection:
        count = connection.execute(
            "select rows_in, accepted, quarantined, skipped from quality.ingest_count"
        ).fetchall()
        quarantined = connection.execute("select count(*) from quality.quarantine").fetchone()
        done = ingested(connection)
    return count, tables.arrival_rows(lake, "status", STREAM.id, [DAY.date()]).num_rows, quarantined[0], len(done)


def test_what_is_decoded_is_accepted_quarantined_or_skipped(settings, pending):
    (count,) = run(settings, pending)
    assert (count.rows_in, count.accepted, count.quarantined, count.skipped, count.unaccounted) == (5, 2, 2, 1, 0)
    assert count.unreadable["changed_at"] == (4, 2)
    assert written(settings) == ([(5, 2, 2, 1)], 2, 2, 1)
    with connect(settings) as connection:
        said = connection.execute("select column_name, present_count, unreadable_count from quality.unreadable_value")
        assert said.fetchall() == [("changed_at", 4, 2)]


def without_one_line(original):
    """A frame's function whose result lacks the record of the second line."""
    return lambda *args, **kwargs: original(*args, **kwargs).where("source_line <> 2")


def lossy_decode(monkeypatch):
    batches = decode._batches
    monkeypatch.setattr(decode, "_batches", lambda *args: (batch.slice(1) for batch in batches(*args)))


def lossy_join(monkeypatch):
    kind = kinds.KINDS["status"]
    lost = replace(kind, harmonise=lambda frame, stream: kind.harmonise(frame.where("`cic.line` <> 2"), stream))
    monkeypatch.setitem(kinds.KINDS, "status", lost)


def lossy_judge(monkeypatch):
    monkeypatch.setattr(ingest, "judge", without_one_line(judge.judge))


def lossy_entries(monkeypatch):
    kind = kinds.KINDS["status"]
    monkeypatch.setitem(kinds.KINDS, "status", replace(kind, entries=without_one_line(kind.entries)))


def lossy_quarantine(monkeypatch):
    rows = ingest._rows
    monkeypatch.setattr(
        ingest, "_rows", lambda frame, schema: rows(frame, schema).slice(int(schema == tables.QUARANTINE))
    )


LOSSES = {
    "decode": (lossy_decode, DecodeError, "5 records were read and 4 decoded"),
    "join": (lossy_join, IngestError, "5 records were decoded, but 1 accepted"),
    "judge": (lossy_judge, IngestError, "5 records were decoded, but 1 accepted"),
    "entries": (lossy_entries, IngestError, r"but 1 accepted \+ 2 quarantined \+ 1 skipped"),
    "quarantine": (lossy_quarantine, IngestError, r"but 2 accepted \+ 1 quarantined \+ 1 skipped"),
}


@pytest.mark.parametrize("step", LOSSES)
def test_a_row_lost_before_the_swap_replaces_nothing(settings, pending, monkeypatch, step):
    break_it, error, said = LOSSES[step]
    break_it(monkeypatch)
    with pytest.raises(error, match=said):
        run(settings, pending)
    assert written(settings) == ([], 0, 0, 0)


def test_a_red_check_goes_before_the_error(settings, pending, monkeypatch):
    """The platform's own audit refuses the arrival, and its check tells how many rows are nowhere."""
    lossy_judge(monkeypatch)
    seen = []
    session = SparkResource(engine="embedded").session
    done = ingest.ingest(settings, session, STREAM, pending, "run", lambda count: seen.append(count) or False)
    assert (done, [count.unaccounted for count in seen], written(settings)) == ([], [1], ([], 0, 0, 0))


@pytest.mark.parametrize("table", ["accepted", "quarantine"])
def test_a_row_that_delta_does_not_take_leaves_the_arrival_pending(settings, pending, monkeypatch, table):
    write = tables.write_deltalake

    def lossy(target, rows: pa.Table, **how):
        lost = int(target.table_uri.rstrip("/").endswith(f"{table}/status"))
        write(target, rows.slice(lost), **how)

    monkeypatch.setattr(tables, "write_deltalake", lossy)
    with pytest.raises(IngestError, match=f"{table}/status has arrival 2026-06-12: 1 of 2 rows"):
        run(settings, pending)
    count, _, quarantined, done = written(settings)
    assert (count, quarantined, done) == ([], 0, 0)
    monkeypatch.undo()
    run(settings, pending)
    assert written(settings) == ([(5, 2, 2, 1)], 2, 2, 1)


def test_a_row_that_postgres_does_not_take_leaves_the_arrival_pending(settings, pending, monkeypatch):
    stage = ingest.stage_rows
    monkeypatch.setattr(ingest, "stage_rows", lambda connection, table, rows: stage(connection, table, rows.slice(1)))
    with pytest.raises(IngestError, match=r"quality\.quarantine has arrival 2026-06-12: 1 of 2 rows"):
        run(settings, pending)
    count, _, quarantined, done = written(settings)
    assert (count, quarantined, done) == ([], 0, 0)
