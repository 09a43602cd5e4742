"""Connections are kept within a step, and a broken one is no step's end."""

from __future__ import annotations

import datetime as dt
import sys

import psycopg
import pytest

from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import opened, warehouse_of
from cic_assets.orchestrate.work import pending_arrivals
from cic_assets.streams.load import parse_stream
from tests.doors import connect

STREAM = parse_stream(
    {
        "id": "one",
        "kind": "status",
        "description": "One state.",
        "provider": {"id": "GB*ONE", "name": "One"},
        "authority": {"id": "X-ONE", "name": "One"},
        "zone": "Europe/London",
        "format": {"type": "jsonl"},
        "claims": ["one_*.jsonl"],
        "columns": {"charge_point": "evse", "status": "status", "changed_at": "at"},
        "vocabulary": {"standard": "OCPI 2.2.1"},
        "max_silence": "P1D",
        "licence": "CC0-1.0",
        "contact": "data@one.example",
    }
)
_watched: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _watched:
        _watched[-1].append(str(arguments[0]))


sys.addaudithook(_hear)


def test_an_ingest_of_one_row_opens_two_connections_at_most_and_starts_no_child(settings, tmp_path, monkeypatch):
    file = tmp_path / "one_1.jsonl"
    file.write_text('{"evse": "E1", "status": "AVAILABLE", "at": "2026-04-01T00:00:00Z"}\n')
    opens: list[str] = []
    real = psycopg.connect
    with opened(settings) as parts:
        land(parts, STREAM, file, dt.datetime(2026, 4, 1, 1, tzinfo=dt.UTC))
        assert parts.spark.range(1).count() == 1
    monkeypatch.setattr(psycopg, "connect", lambda *args, **how: opens.append("") or real(*args, **how))
    children: list[str] = []
    _watched.append(children)
    try:
        with opened(settings) as parts:
            (count,) = ingest(parts, STREAM, pending_arrivals(parts, {STREAM.id: STREAM}), "run", lambda count: True)
    finally:
        _watched.pop()
    assert (count.rows_in, count.accepted) == (1, 1)
    assert len(opens) in (1, 2) and children == []


def test_a_connection_that_the_server_ended_is_opened_anew(settings):
    with warehouse_of(settings) as warehouse:
        with warehouse.transaction() as connection:
            pid = connection.info.backend_pid
        with warehouse.transaction() as connection:
            assert connection.info.backend_pid == pid, "kept"
        with connect(settings) as other:
            other.execute("select pg_terminate_backend(%s, 10000)", [pid])
        with warehouse.transaction() as connection:
            assert connection.info.backend_pid != pid


def test_a_transaction_that_could_not_be_ended_is_no_part_of_the_next(settings, monkeypatch):
    with connect(settings) as connection:
        connection.execute("create table facts.kept (n integer)")
    with warehouse_of(settings) as warehouse:
        with pytest.raises(KeyboardInterrupt), warehouse.transaction() as connection:
            # The way out of the block is interrupted, and nothing is rolled back.
            monkeypatch.setattr(type(connection), "_rollback_gen", _interrupted, raising=False)
            monkeypatch.setattr(psycopg.Transaction, "_rollback_gen", _interrupted)
            raise ValueError
        monkeypatch.undo()
        with warehouse.transaction() as connection:
            connection.execute("insert into facts.kept values (1)")
    with connect(settings) as connection:
        assert connection.execute("select count(*) from facts.kept").fetchone() == (1,)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_transaction_within_another_has_a_connection_of_its_own(settings):
    with warehouse_of(settings) as warehouse:
        with warehouse.transaction() as outer, warehouse.transaction() as inner:
            assert outer is not inner
            outer.execute("create table facts.outer_one (n integer)")
            found = inner.execute("select to_regclass('facts.outer_one')").fetchone()
        assert found == (None,), "not committed yet"
        with warehouse.transaction() as connection:
            assert connection.execute("select to_regclass('facts.outer_one') is null").fetchone() == (False,)
