"""What a window of status facts reads: entries from the lake, and what came before them as edges from Postgres.

Edges are small and can be made anew from `accepted` (`facts/status.py:edges`). An ingest marks the dates whose edges
are old; whoever computes facts renews them first, so that there is one place where they are made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql
from pyspark.sql import functions as F

from cic_assets.facts.status import ENTRY_COLUMNS, Feed, edges
from cic_assets.lake import tables
from cic_assets.lake.zones import lake_of
from cic_assets.settings import Settings
from cic_assets.streams.model import StatusStream, Stream
from cic_assets.warehouse.connect import Connection, connect
from cic_assets.warehouse.load import insert_staged, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Entries that one pass may read, so that a range of 36 M events is several passes and never in memory at once.
MAX_ENTRIES = 4_000_000
# Local days reach into neighbouring UTC dates, and flapping looks back an hour.
MARGIN = dt.timedelta(days=2)
_INSTANT = pa.timestamp("us", tz="UTC")
_ENTRIES = pa.schema(
    [
        ("charge_point_id", pa.string()),
        ("connector_id", pa.string()),
        ("stream_id", pa.string()),
        ("entry", pa.string()),
        ("at", _INSTANT),
        ("state", pa.string()),
        ("arrived_at", _INSTANT),
        ("source_file", pa.string()),
        ("source_line", pa.int64()),
        ("is_record", pa.bool_()),
        ("flags", pa.list_(pa.string())),
    ]
)


def feeds_of(settings: Settings, streams: Iterable[Stream]) -> list[Feed]:
    """The status streams, with the span that their deliveries cover; after `renew_edges`."""
    with connect(settings) as connection:
        covers = dict(
            connection.execute(
                "select stream_id, max(cover_at) from catalogue.stream_cover group by stream_id"
            ).fetchall()
        )
        firsts = dict(
            connection.execute(
                "select stream_id, min(least(first_event_at, last_heard_at)) from facts.charge_point_edge group by 1"
            ).fetchall()
        )
    return [
        Feed(
            stream.id, stream.provider.id, stream.authority.id, stream.zone, stream.silence, covers.get(stream.id),
            firsts.get(stream.id), stream.reports_use,
        )
        for stream in streams
        if isinstance(stream, StatusStream)
    ]  # fmt: skip


def mark_edges(settings: Settings, dates: Iterable[dt.date]) -> None:
    """Says that the edges of these dates are old."""
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.stale_edge values (%s, nextval('catalogue.touch_id'))"
            " on conflict (event_date) do update set touch_id = excluded.touch_id",
            [[date] for date in sorted(dates)],
        )


def renew_edges(settings: Settings, spark: SparkSession) -> int:
    """Makes the edges of all marked dates anew.

    Returns:
        How many dates.
    """
    count = 0
    while stale := _stale_edges(settings):
        for dates in in_passes(settings, list(stale)):
            entries = _entries(settings, spark, dates[0], dates[-1] + dt.timedelta(days=1))
            found = edges(entries.where(F.col("event_date").isin(dates))).toArrow()
            count += _replace_edges(settings, {date: stale[date] for date in dates}, found)
    return count


def _stale_edges(settings: Settings) -> dict[dt.date, int]:
    with connect(settings) as connection:
        return dict(connection.execute("select event_date, touch_id from catalogue.stale_edge").fetchall())


def _replace_edges(settings: Settings, stale: dict[dt.date, int], found: pa.Table) -> int:
    """Replaces the edges of dates that still have the mark that they were computed for.

    Others were marked again meanwhile, or renewed by another run: an older computation must not overwrite a newer one.
    No lock is held while Spark computes, so that a worker which stands still there keeps nobody waiting.
    """
    with connect(settings) as connection:
        staged = stage_rows(connection, "facts.charge_point_edge", found)
        rows = connection.execute(
            "select event_date, touch_id from catalogue.stale_edge where event_date = any(%s)"
            " order by event_date for update",
            [list(stale)],
        ).fetchall()
        mine = [date for date, touch_id in rows if stale[date] == touch_id]
        for table in ("facts.charge_point_edge", "catalogue.stale_edge"):
            connection.execute(f"delete from {table} where event_date = any(%s)", [mine])  # noqa: S608 - the names above
        insert_staged(connection, "facts.charge_point_edge", staged, sql.SQL("event_date = any({})").format(mine))
    return len(mine)


def charge_point_count(settings: Settings) -> int:
    """Charge points that any feed ever spoke of: each has a row per day."""
    with connect(settings) as connection:
        row = connection.execute("select count(distinct charge_point_id) from facts.charge_point_edge").fetchone()
    return int(row[0]) if row else 0


def in_passes(settings: Settings, dates: list[dt.date], each: int = 0) -> Iterator[list[dt.date]]:
    """Sorted dates in groups of at most `MAX_ENTRIES` entries, with so many rows that each date has anyway."""
    counts = tables.entry_counts(lake_of(settings), "status")
    group: list[dt.date] = []
    total = 0
    for date in sorted(dates):
        weight = counts.get(date, 0) + each
        if group and total + weight > MAX_ENTRIES:
            yield group
            group, total = [], 0
        group.append(date)
        total += weight
    if group:
        yield group


def _entries(settings: Settings, spark: SparkSession, start: dt.date, end: dt.date) -> DataFrame:
    return tables.read_accepted(spark, settings.spark, lake_of(settings), "status", start, end)


def window_entries(
    settings: Settings, spark: SparkSession, start: dt.date, end: dt.date
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """What `status_facts` needs for start <= local date < end.

    Returns:
        (entries, with edges in place of what is older; all charge points; the window's records).
    """
    first = start - MARGIN
    recent = _entries(settings, spark, first, end + MARGIN)
    with connect(settings) as connection:
        older = _edge_entries(connection, first)
        heard = connection.execute("select distinct charge_point_id, stream_id from facts.charge_point_edge").fetchall()
    names = pa.schema([("charge_point_id", pa.string()), ("stream_id", pa.string())])
    points = pa.Table.from_pylist([dict(zip(names.names, row, strict=True)) for row in heard], schema=names)
    entries = recent.select(*ENTRY_COLUMNS).unionByName(tables.hand_over(spark, older).select(*ENTRY_COLUMNS))
    records = recent.where((F.col("status_date") >= F.lit(start)) & (F.col("status_date") < F.lit(end)))
    return entries, tables.hand_over(spark, points), records


def _edge_entries(connection: Connection, before: dt.date) -> pa.Table:
    """The newest edges before a date, in the shape of entries: each connector's last event, each feed's last word."""
    events = connection.execute(
        "select distinct on (charge_point_id, connector_id, stream_id) charge_point_id, connector_id, stream_id,"
        " last_event_at, last_state, arrived_at, source_file, source_line from facts.charge_point_edge"
        " where event_date < %s and last_state is not null"
        " order by charge_point_id, connector_id, stream_id, event_date desc",
        [before],
    ).fetchall()
    heard = connection.execute(
        "select charge_point_id, stream_id, max(last_heard_at) from facts.charge_point_edge where event_date < %s"
        " group by charge_point_id, stream_id",
        [before],
    ).fetchall()
    rows = [
        {
            "charge_point_id": point, "connector_id": connector, "stream_id": stream, "entry": "event", "at": at,
            "state": state, "arrived_at": arrived_at, "source_file": file, "source_line": line,
        }
        for point, connector, stream, at, state, arrived_at, file, line in events
    ] + [
        {"charge_point_id": point, "connector_id": "", "stream_id": stream, "entry": "confirmation", "at": at}
        for point, stream, at in heard
    ]  # fmt: skip
    empty: dict[str, object] = {"is_record": False, "flags": []}
    return pa.Table.from_pylist([row | empty for row in rows], schema=_ENTRIES)
