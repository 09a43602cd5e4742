"""The platform's steps as a program, one per call, so that a test can kill any of them from outside.

python steps.py land FILE STREAM ARRIVED_AT | ingest | days | facts | digest | checksum
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import sys
from pathlib import Path

from cic_assets.facts.charge_point_months import CHARGE_POINT_MONTH
from cic_assets.facts.charge_point_status import CHARGE_POINT_STATUS
from cic_assets.facts.charging_session import CHARGING_SESSION
from cic_assets.facts.fact import Fact, Published, compute_window
from cic_assets.facts.status_edges import ANYBODY, mark_edges
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.lake.tables import entry_counts
from cic_assets.orchestrate.doors import lake_of, opened, parts_of, warehouse_of
from cic_assets.orchestrate.work import (
    days_work,
    months_work,
    pending_arrivals,
    stale_days,
    stale_months,
    touch_elapsed_days,
)
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from tests.doors import connect

WAREHOUSE_TABLES = (
    "facts.charging_session",
    "facts.charging_session_day",
    "quality.quarantine",
    "quality.ingest_count",
    "quality.rule_count",
    "quality.outcome",
    "facts.charge_point_status_day",
    "facts.charge_point_edge",
    "facts.charge_point",
    "facts.charge_point_rating",
    "quality.unmapped_status",
    "quality.unreadable_value",
    "quality.delivery",
)


def owner() -> str:
    """Another one in each process, as each run and each of its retries has its own."""
    return f"test {os.getpid()}"


def run_ingest(settings: Settings, streams: dict[str, Stream]) -> None:
    with opened(settings) as parts:
        pending = pending_arrivals(parts, streams)
        for stream in sorted({arrival.stream_id for arrival in pending}, key=lambda each: (streams[each].kind, each)):
            mine = [arrival for arrival in pending if arrival.stream_id == stream]
            ingest(parts, streams[stream], mine, owner(), lambda count: True)


def compute_status(settings: Settings, streams: dict[str, Stream], start: dt.date, end: dt.date) -> None:
    """Status facts of start <= local date < end."""
    compute(settings, streams, CHARGE_POINT_STATUS, start, end)


def compute(settings: Settings, streams: dict[str, Stream], fact: Fact, start: dt.date, end: dt.date) -> Published:
    """A fact of start <= date < end, as the platform's own runs compute it."""
    with opened(settings, streams.values()) as parts:
        return compute_window(fact, parts, fact.window(start, end), owner())


def run_days(settings: Settings, streams: dict[str, Stream]) -> None:
    touch_elapsed_days(warehouse_of(settings), streams.values(), dt.datetime.now(dt.UTC))
    stale, _ = stale_days(parts_of(settings), dt.date(2027, 1, 1), asked_for=True)
    for work in days_work(stale):
        compute_status(settings, streams, work.first, work.last + dt.timedelta(days=1))


def run_facts(settings: Settings, *, asked_for: bool = False) -> None:
    stale, _ = stale_months(parts_of(settings), dt.date(2026, 12, 1), asked_for=asked_for)
    for work in months_work(stale):
        compute_sessions(settings, work.first, (work.last + dt.timedelta(days=32)).replace(day=1))


def compute_sessions(settings: Settings, start: dt.date, end: dt.date) -> None:
    """Session facts of the months in [start, end)."""
    compute(settings, {}, CHARGING_SESSION, start, end)


def compute_charge_points(settings: Settings, streams: dict[str, Stream], start: dt.date, end: dt.date) -> Published:
    """Charge points of the months in [start, end)."""
    return compute(settings, streams, CHARGE_POINT_MONTH, start, end)


def digest(settings: Settings, streams: dict[str, Stream]) -> dict[str, str]:
    """Edges and status facts of all that is accepted, made anew by the engine of the settings: a hash of each table."""
    dates = sorted(entry_counts(lake_of(settings), "status"))
    mark_edges(warehouse_of(settings), ANYBODY, dates)
    end = dates[-1] + dt.timedelta(days=2)
    fact, parts = CHARGE_POINT_STATUS, parts_of(settings, streams.values())
    with parts.staging() as staging:
        computed = fact.compute(parts, fact.window(dates[0], end), staging)
        tables = {name: found.to_table().to_pylist() for name, found in computed.rows.items()}
        tables["quality.outcome"] = computed.outcomes.to_table().to_pylist()
    with connect(settings) as connection:
        edges = connection.execute("select e::text from facts.charge_point_edge as e").fetchall()
    found = {name: [tuple(row.values()) for row in rows] for name, rows in tables.items()} | {"edges": edges}
    return {name: _hash(sorted(map(repr, rows))) for name, rows in found.items()}


def _hash(rows: list[str]) -> str:
    return f"{len(rows)}:{hashlib.sha256(repr(rows).encode()).hexdigest()}"


def checksum(settings: Settings) -> dict[str, str]:
    """One hash per table of the warehouse and the lake, of the rows in any order."""
    from deltalake import DeltaTable

    found: dict[str, str] = {}
    with connect(settings) as connection:
        for table in WAREHOUSE_TABLES:
            rows = connection.execute(f"select t::text from {table} as t order by 1").fetchall()
            found[table] = _hash([row[0] for row in rows])
    for kind in KINDS:
        path = Path(settings.lake, "accepted", kind)
        if DeltaTable.is_deltatable(str(path)):
            rows = sorted(map(repr, DeltaTable(str(path)).to_pyarrow_table().to_pylist()))
            found[f"lake accepted {kind}"] = _hash(rows)
    return found


def main() -> None:
    settings = load_settings()
    streams = load_streams(settings.streams)
    command, *rest = sys.argv[1:]
    if command == "land":
        land(parts_of(settings), streams[rest[1]], Path(rest[0]), dt.datetime.fromisoformat(rest[2]))
    elif command == "ingest":
        run_ingest(settings, streams)
    elif command == "days":
        run_days(settings, streams)
    elif command == "facts":
        run_facts(settings)
    elif command == "digest":
        print(json.dumps(digest(settings, streams)))
    else:
        print(json.dumps(checksum(settings)))


if __name__ == "__main__":
    main()
