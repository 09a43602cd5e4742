"""Rows by what matters to a test; everything else has a plain value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from cic_assets.ingest.judged import JudgedRows
from cic_assets.kinds.sessions.schema import ACCEPTED as ACCEPTED_SESSIONS
from cic_assets.kinds.status.schema import ACCEPTED as ACCEPTED_STATUS
from cic_assets.lake.rows import rows_of
from cic_assets.lake.tables import hand_over

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def accepted(session_id: str = "1", **values: Any) -> dict[str, Any]:
    """An accepted session of one hour and 10 kWh on 5 January 2026; `start` and `minutes` move it."""
    start = values.pop("start", NOON)
    end = start + dt.timedelta(minutes=values.pop("minutes", 60))
    row: dict[str, Any] = {
        "stream_id": "s", "arrival_date": dt.date(2026, 1, 12), "event_date": start.date(), "source_file": "f.csv",
        "source_line": 2, "arrived_at": dt.datetime(2026, 1, 12, 6, tzinfo=dt.UTC), "session_id": session_id,
        "record_kind": "session", "status": "COMPLETED", "is_open": False, "cdr_session_id": None, "credit": False,
        "credit_reference_id": None, "provider_id": "p", "authority_id": "a", "charge_point_id": "p/1",
        "connector_id": "1", "started_at": start, "ended_at": end, "start_date": start.date(),
        "duration_seconds": Decimal(int((end - start).total_seconds())), "energy_kwh": Decimal(10),
        "revenue": Decimal("3.5"), "currency": "GBP", "rated_power_kw": Decimal(22), "last_updated": None,
        "flags": [], "content_hash": session_id,
    }  # fmt: skip
    unknown = set(values) - set(row)
    assert not unknown, unknown
    row |= values
    for name in ("energy_kwh", "revenue", "rated_power_kw"):
        row[name] = None if row[name] is None else Decimal(str(row[name]))
    return row


def accepted_table(*rows: dict[str, Any]) -> pa.Table:
    """Accepted sessions."""
    return pa.Table.from_pylist(list(rows), schema=pa.schema([f.with_nullable(True) for f in ACCEPTED_SESSIONS]))


def frame(spark: Any, *rows: dict[str, Any]) -> Any:
    """Accepted sessions as a DataFrame."""
    return hand_over(spark, accepted_table(*rows))


def registry(spark: Any, *listed: tuple[str, str]) -> Any:
    """(charge point, provider) pairs as a DataFrame; without any, one of nulls, which equals nothing."""
    points, providers = zip(*(listed or [(None, None)]), strict=True)
    columns = {"charge_point_id": pa.array(points, pa.string()), "provider_id": pa.array(providers, pa.string())}
    return spark.createDataFrame(pa.table(columns))


def entry(at: dt.datetime, state: str | None = "AVAILABLE", **values: Any) -> dict[str, Any]:
    """An accepted entry of a timeline: an event."""
    row: dict[str, Any] = {
        "stream_id": "s", "arrival_date": dt.date(2026, 12, 31), "event_date": at.astimezone(dt.UTC).date(),
        "source_file": "f.csv", "source_line": 2, "arrived_at": dt.datetime(2026, 12, 31, tzinfo=dt.UTC),
        "provider_id": "p", "authority_id": "a", "charge_point_id": "p/1", "connector_id": "", "entry": "event",
        "at": at, "since_at": None, "state": state, "source_status": state,
        "status_date": at.astimezone(ZoneInfo("Europe/London")).date(),
        "covers_until": None, "flags": [],
    }  # fmt: skip
    unknown = set(values) - set(row)
    assert not unknown, unknown
    return row | values


def poll(at: dt.datetime, state: str = "AVAILABLE", since: dt.datetime | None = None, **values: Any) -> dict[str, Any]:
    """A poll that sees a state, and says since when it holds: since that moment if nothing else is said."""
    return entry(at, state, entry="poll", since_at=since or at, **values)


def entries_frame(spark: Any, rows: list[dict[str, Any]]) -> Any:
    """Entries as a DataFrame."""
    table = pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in ACCEPTED_STATUS]))
    return hand_over(spark, table)


def window_frame(
    spark: Any,
    rows: list[dict[str, Any]],
    points: Iterable[tuple[str, str]],
    first: dt.date,
    last: dt.date,
    listed: Iterable[tuple[str, str]] = (),
) -> Any:
    """Entries as `status_facts` takes them, beside (charge point, stream) pairs and listed (charge point, provider)."""
    nothing = {"connector_id": None, "at": None, "state": None, "status_date": None, "source_file": None}
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    known = [entry(when, charge_point_id=point, stream_id=stream) for point, stream in sorted(set(points))]
    inside = [row if first <= row["status_date"] <= last else row | {"status_date": None} for row in rows]
    marks = [row | nothing | {"entry": "point"} for row in known]
    marks += [entry(when, charge_point_id=point) | nothing | {"entry": "listed"} for point, _ in listed]
    return entries_frame(spark, [*inside, *marks])


def judged_rows(frame: Any) -> JudgedRows:
    """Judged rows as ingest reads them."""
    return JudgedRows(rows_of(frame.toArrow()))
