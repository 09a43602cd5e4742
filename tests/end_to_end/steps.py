"""The platform's steps as a program, one per call, so that a test can kill any of them from outside.

python steps.py land FILE STREAM ARRIVED_AT | ingest | facts | checksum
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sys
from pathlib import Path

from cic_assets.assets.facts import FACT, TABLES, _audit, _compute
from cic_assets.lake.ingest import ingest
from cic_assets.lake.landing import land
from cic_assets.resources.spark import SparkResource
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect
from cic_assets.warehouse.load import claim_window, swap_window
from cic_assets.work import months_work, pending_arrivals, stale_months

WAREHOUSE_TABLES = (
    "facts.charging_session",
    "facts.charging_session_day",
    "quality.quarantine",
    "quality.ingest_count",
    "quality.rule_count",
    "quality.disposition",
)


def run_ingest(settings: Settings, streams: dict[str, Stream]) -> None:
    spark = SparkResource(engine=settings.spark).session
    for arrival in pending_arrivals(settings, streams):
        ingest(settings, spark, streams[arrival.stream_id], arrival, "test", lambda count: None)


def run_facts(settings: Settings, *, asked_for: bool = False) -> None:
    stale, _ = stale_months(settings, dt.date(2026, 12, 1), asked_for=asked_for)
    for work in months_work(stale):
        end = (work.last + dt.timedelta(days=32)).replace(day=1)
        touch = claim_window(settings, FACT, work.first, end, "test")
        computed = _compute(settings, SparkResource(engine=settings.spark), work.first, end)
        assert all(result.passed for result in _audit(computed))
        tables = {".".join(key.path): (TABLES[key], rows) for key, rows in computed.rows.items()}
        swap_window(settings, FACT, work.first, end, "test", touch, tables)


def checksum(settings: Settings) -> dict[str, str]:
    """One hash per table of the warehouse and the lake, of the rows in any order."""
    from deltalake import DeltaTable

    found: dict[str, str] = {}
    with connect(settings) as connection:
        for table in WAREHOUSE_TABLES:
            rows = connection.execute(f"select t::text from {table} as t order by 1").fetchall()
            found[table] = f"{len(rows)}:{hashlib.sha256(repr(rows).encode()).hexdigest()}"
    for table in ("accepted", "quarantine"):
        path = Path(settings.lake, table, "sessions")
        if DeltaTable.is_deltatable(str(path)):
            rows = sorted(map(repr, DeltaTable(str(path)).to_pyarrow_table().to_pylist()))
            found[f"lake {table}"] = f"{len(rows)}:{hashlib.sha256(repr(rows).encode()).hexdigest()}"
    return found


def main() -> None:
    settings = load_settings()
    streams = load_streams(settings.streams)
    command, *rest = sys.argv[1:]
    if command == "land":
        land(settings, streams[rest[1]], Path(rest[0]), dt.datetime.fromisoformat(rest[2]))
    elif command == "ingest":
        run_ingest(settings, streams)
    elif command == "facts":
        run_facts(settings)
    else:
        print(json.dumps(checksum(settings)))


if __name__ == "__main__":
    main()
