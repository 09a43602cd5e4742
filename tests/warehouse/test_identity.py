"""Decoded = accepted + quarantined + skipped, as written: a row that gets lost on any step ends the ingest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

from cic_assets.facts import rated as identity
from cic_assets.facts import reach, touch
from cic_assets.ingest import by_columns, decode, decoded, ingest, judge
from cic_assets.ingest import replace as replacing
from cic_assets.ingest.decode import DecodeError
from cic_assets.ingest.landing import land
from cic_assets.ingest.replace import IngestError
from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.kinds.sessions.stream import SessionsStream
from cic_assets.lake import tables
from cic_assets.lake.rows import rows_of
from cic_assets.lake.zones import Lake
from cic_assets.ledger.arrivals import ingested
from cic_assets.ledger.catalogue import arrivals
from cic_assets.ledger.periods import Window, claim_window
from cic_assets.orchestrate.doors import lake_of, parts_of, warehouse_of
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.warehouse.load import insert_staged, stage_rows
from tests.builders import accepted
from tests.doors import connect

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
    land(parts_of(settings), STREAM, file, DAY)
    with connect(settings) as connection:
        return arrivals(connection, [STREAM.id])


def run(settings, pending):
    session = SparkResource(engine="embedded").session
    return ingest.ingest(parts_of(settings, session=lambda: session), STREAM, pending, "run", lambda count: True)


def written(settings):
    lake = lake_of(settings)
    with connect(settings) as connection:
        count = connection.execute(
            "select rows_in, accepted, quarantined, skipped from quality.ingest_count"
        ).fetchall()
        quarantined = connection.execute("select count(*) from quality.quarantine").fetchone()
        done = ingested(connection)
    return (
        count,
        tables.arrival_rows(lake, "status", KINDS["status"].schema, STREAM.id, [DAY.date()]).count_rows(),
        quarantined[0],
        len(done),
    )


def test_what_is_decoded_is_accepted_quarantined_or_skipped(settings, pending):
    (count,) = run(settings, pending)
    assert (count.rows_in, count.accepted, count.quarantined, count.skipped, count.unaccounted) == (5, 2, 2, 1, 0)
    assert count.unreadable["changed_at"] == (4, 2)
    assert written(settings) == ([(5, 2, 2, 1)], 2, 2, 1)
    with connect(settings) as connection:
        said = connection.execute("select column_name, present_count, unreadable_count from quality.unreadable_value")
        assert said.fetchall() == [("changed_at", 4, 2)]


def test_a_stream_whose_ids_become_none_changes_its_sessions(tmp_path):
    old, new = (
        rows_of(pa.Table.from_pylist([{**accepted("1"), "session_id": name}], schema=KINDS["sessions"].schema))
        for name in ("1", "by start")
    )
    stream, lake = STREAM.model_construct(kind="sessions"), Lake(str(tmp_path))
    changed = replacing._changed(old, stream, new, lake)
    assert [rows.to_table()["session_id"].to_pylist() for rows in changed] == [["1"], ["by start"]]
    assert [rows.count_rows() for rows in replacing._changed(old, stream, old, lake)] == [0, 0]


@pytest.fixture
def spoken(settings):
    """Sessions of p in January and April and of q in March; charge points were counted in all months until June."""
    names = [
        "session_id", "charge_point_id", "provider_id", "authority_id", "stream_id", "started_at", "ended_at",
        "start_date", "duration_seconds", "energy_kwh", "flags", "record_kind", "arrival_date",
    ]  # fmt: skip
    rows = [
        {**accepted(str(month)), "provider_id": owner, "start_date": dt.date(2026, month, 5)}
        for month, owner in ((1, "p"), (4, "p"), (3, "q"))
    ]
    table = pa.Table.from_pylist([{**{name: row[name] for name in names}, "is_counted": True} for row in rows])
    with connect(settings) as connection:
        staged = stage_rows(connection, "facts.charging_session", rows_of(table))
        insert_staged(connection, "facts.charging_session", staged)
    claim_window(
        warehouse_of(settings),
        Window(touch.CHARGE_POINTS, dt.date(2026, 1, 1), dt.date(2026, 7, 1), monthly=True),
        "run",
    )
    return settings


@pytest.mark.parametrize(("first", "expected"), [(4, 2), (2, 2), (1, 1), (9, 5)])
def test_months_are_others_since_the_provider_fell_silent(spoken, first, expected):
    with connect(spoken) as connection:
        found = touch.silent_since(connection, ["p"], dt.date(2026, first, 1))
    assert found == dt.date(2026, expected, 1)


@pytest.mark.parametrize("comes", [True, False])
def test_a_session_after_a_silence_changes_the_months_of_the_silence(spoken, comes):
    """Without a registry, points are known until the provider's last word: June's makes May's row, or takes it."""
    rows = pa.Table.from_pylist(
        [accepted("6", start=dt.datetime(2026, 6, 5, tzinfo=dt.UTC))], schema=KINDS["sessions"].schema
    )
    nothing, some = rows_of(rows.slice(1)), rows_of(rows)
    removed, added = (nothing, some) if comes else (some, nothing)
    session = SparkResource(engine="embedded").session
    stream = STREAM.model_construct(**{**dict(STREAM), "kind": "sessions"})
    stream = SessionsStream.model_construct(**dict(stream))
    found = reach.touched_by(parts_of(spoken, session=lambda: session), stream, removed, added, {}, {})
    assert {month.month for fact, month in found if fact == touch.SESSIONS} == {6}
    assert {month.month for fact, month in found if fact == touch.CHARGE_POINTS} == {5, 6}


def test_identity_is_decided_anew_only_for_names_that_are_new(settings, monkeypatch):
    decided = []
    renew = identity._renew_identity
    monkeypatch.setattr(identity, "_renew_identity", lambda connection: bool(decided.append(1)) or renew(connection))

    def arrives(stream, kind, day, *heard):
        rows = [
            {"stream_id": stream, "arrival_date": dt.date(2026, 6, day), "provider_id": "p",
             "charge_point_id": f"p/{name}", "charge_point_alias": None} for name in heard
        ]  # fmt: skip
        schema = pa.schema([(name, pa.date32() if name == "arrival_date" else pa.string()) for name in identity._NAMES])
        decided.clear()
        with connect(settings) as connection:
            names = identity.stage_names(connection, pa.Table.from_pylist(rows, schema=schema))
            connection.execute(
                "insert into catalogue.stream (stream_id, kind, provider_id, provider_name, authority_id,"
                " authority_name, zone, licence, contact, rule_set, fingerprint) values"
                " (%s, %s, 'p', 'P', 'a', 'A', 'Europe/London', 'l', 'c', 'default', 'f') on conflict do nothing",
                [stream, kind],
            )
            identity.renew_names(connection, stream, [dt.date(2026, 6, day)], names)
            return len(decided), identity.aliases(connection)

    one, two, plain = "DE*ABC*E1*12", "DE*ABC*E11*2", "DEABCE112"
    assert arrives("poll", "status", 1, one, "B") == (1, {})
    assert arrives("poll", "status", 2, one, "B") == arrives("poll", "status", 2, one) == (0, {})
    # In turn they are one; side by side they are two, whatever else says so.
    assert arrives("poll", "status", 3, two) == (1, {f"p/{two}": f"p/{one}"})
    assert arrives("poll", "status", 4, one, two) == (1, {})
    assert arrives("poll", "status", 5, one, two) == (0, {})
    assert arrives("cdr", "sessions", 5, one.lower(), plain) == (1, {f"p/{one.lower()}": f"p/{one}"})
    assert arrives("cdr", "sessions", 6, plain)[0] == 0
    assert arrives("list", "locations", 1, one, "B")[0] == 1
    assert arrives("list", "locations", 2, "B", one)[0] == 0
    assert arrives("list", "locations", 3, "B", "b")[0] == 1
    assert arrives("list", "locations", 3, "B", one)[0] == 1


def without_one_line(original):
    """A frame's function whose result lacks the record of the second line."""
    return lambda *args, **kwargs: original(*args, **kwargs).where("source_line <> 2")


def lossy_decode(monkeypatch):
    batches = decoded.batches
    monkeypatch.setattr(decode, "by_columns", lambda *_: None)
    monkeypatch.setattr(decoded, "batches", lambda *args: (batch.slice(1) for batch in batches(*args)))


def lossy_columns(monkeypatch):
    for way in (by_columns._Columns, by_columns._Shapes):
        batches = way.batches
        lossy = lambda *args, batches=batches: (batch.slice(1) for batch in batches(*args))  # noqa: E731
        monkeypatch.setattr(way, "batches", lossy)


def replace_work(monkeypatch, **functions):
    work = replace(KINDS["status"].work, **functions)
    monkeypatch.setitem(KINDS, "status", replace(KINDS["status"], load=lambda: work))


def lossy_join(monkeypatch):
    work = KINDS["status"].work
    replace_work(monkeypatch, harmonise=lambda frame, stream: work.harmonise(frame.where("`cic.line` <> 2"), stream))


def lossy_judge(monkeypatch):
    monkeypatch.setattr(ingest, "judge", without_one_line(judge.judge))


def lossy_entries(monkeypatch):
    replace_work(monkeypatch, entries=without_one_line(KINDS["status"].work.entries))


def lossy_quarantine(monkeypatch):
    whole = ingest.split

    def lossy(*given):
        accepted, quarantined = whole(*given)
        return accepted, rows_of(quarantined.to_table().slice(1))

    monkeypatch.setattr(ingest, "split", lossy)


LOSSES = {
    "decode": (lossy_decode, DecodeError, "5 records were read and 4 decoded"),
    "columns": (lossy_columns, DecodeError, "5 records were read and 4 decoded"),
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
    done = ingest.ingest(
        parts_of(settings, session=lambda: session), STREAM, pending, "run", lambda count: seen.append(count) or False
    )
    assert (done, [count.unaccounted for count in seen], written(settings)) == ([], [1], ([], 0, 0, 0))


def test_a_row_that_delta_does_not_take_leaves_the_arrival_pending(settings, pending, monkeypatch):
    write = tables.write_deltalake

    def lossy(target, rows: pa.Table, **how):
        write(target, rows.slice(1), **how)

    monkeypatch.setattr(tables, "write_deltalake", lossy)
    with pytest.raises(IngestError, match="accepted/status has arrival 2026-06-12: 1 of 2 rows"):
        run(settings, pending)
    count, _, quarantined, done = written(settings)
    assert (count, quarantined, done) == ([], 0, 0)
    monkeypatch.undo()
    run(settings, pending)
    assert written(settings) == ([(5, 2, 2, 1)], 2, 2, 1)


def test_a_row_that_postgres_does_not_take_leaves_the_arrival_pending(settings, pending, monkeypatch):
    stage = replacing.stage_rows

    def lossy(connection, table, rows):
        return stage(connection, table, rows_of(rows.to_table().slice(1)))

    monkeypatch.setattr(replacing, "stage_rows", lossy)
    with pytest.raises(IngestError, match=r"quality\.quarantine has arrival 2026-06-12: 1 of 2 rows"):
        run(settings, pending)
    count, _, quarantined, done = written(settings)
    assert (count, quarantined, done) == ([], 0, 0)
