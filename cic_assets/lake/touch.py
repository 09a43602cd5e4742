"""Which facts an ingest makes stale, and how that is remembered (DEFINITIONS 2, Restatement).

A fact's period is stale while its newest touch is newer than the touch up to which it was computed. What reaches how
far is in `facts/restatement.py`; here are the facts' names, the catalogue, and the registry, which other facts look at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from cic_assets.facts.charge_points import registry
from cic_assets.facts.identity import identified
from cic_assets.facts.restatement import affected_months, affected_spans
from cic_assets.lake import tables
from cic_assets.lake.identity import alias_frame, aliases, aliases_of
from cic_assets.lake.zones import lake_of
from cic_assets.settings import Settings
from cic_assets.streams.model import StatusStream, Stream
from cic_assets.warehouse.connect import Connection, connect
from cic_assets.warehouse.load import insert_staged, mark_stale, stage_rows
from cic_assets.warehouse.ratings import renew_ratings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SESSIONS = "charging_session"
STATUS = "charge_point_status"
CHARGE_POINTS = "charge_point_month"
Touched = set[tuple[str, dt.date]]


def mark(settings: Settings, stream: Stream, touched: Touched) -> None:
    """Remembers that facts' periods are stale; a period computed before this moment is stale again."""
    with connect(settings) as connection:
        mark_stale(connection, stream.id, touched)


def touched_by(
    settings: Settings,
    spark: SparkSession,
    stream: Stream,
    removed: pa.Table,
    added: pa.Table,
    covers: Mapping[dt.date, dt.datetime | None],
) -> Touched:
    """What a change of accepted rows makes stale, before it happens.

    Args:
        settings: where lake and warehouse are.
        spark: the engine.
        stream: whose rows they are.
        removed: accepted rows that will go.
        added: accepted rows that will come.
        covers: arrival date → up to when the arrival covers time, as it will be.
    """
    if isinstance(stream, StatusStream):
        return {(STATUS, day) for day in _status_days(settings, spark, stream, removed, added, covers)}
    if stream.kind == "sessions" and removed.num_rows + added.num_rows:
        names = aliases_of(settings, spark)
        known = identified(tables.read_accepted(spark, settings.spark, lake_of(settings), "sessions"), names)
        changed = identified(tables.hand_over(spark, pa.concat_tables([removed, added])), names)
        months = affected_months(changed, known)
        with connect(settings) as connection:
            counted = counted_since(connection, min(months, default=dt.date.max))
        return {(SESSIONS, month) for month in months} | {(CHARGE_POINTS, month) for month in {*months, *counted}}
    return set()


def _status_days(
    settings: Settings,
    spark: SparkSession,
    stream: StatusStream,
    removed: pa.Table,
    added: pa.Table,
    covers: Mapping[dt.date, dt.datetime | None],
) -> set[dt.date]:
    """Local days that may differ: those that changed rows reach, or are counted in, or that the cover moved over."""
    zone = ZoneInfo(stream.zone)
    names = ["charge_point_id", "at", "is_record", "status_date"]
    changed = pa.concat_tables([removed.select(names), added.select(names)])
    first_at = pc.min(changed["at"]).as_py()
    with connect(settings) as connection:
        before, after = _covers(connection, stream.id, covers)
        computed = _last_computed(connection, STATUS)
        silence = _longest_silence(connection, stream)
        points = _points(connection, pc.unique(changed["charge_point_id"]).to_pylist())
        believed_since = _read_otherwise(connection, stream)
        feed_first = _feed_first(connection, stream)
    reached = [moment.astimezone(zone).date() for moment in (before, after) if moment is not None]
    horizon = max([*reached, *([computed] if computed else [])], default=None)
    if horizon is None:
        return set()
    # What became of a record is counted on its day, also if it only says again what is known.
    days = set(changed.filter(changed["is_record"])["status_date"].to_pylist())
    if before != after:
        # Of a first delivery, all of it: days on which a charge point said nothing are unreported, not missing.
        edges = [*reached, *([first_at.astimezone(zone).date()] if before is None and first_at else [])]
        days |= _days(min(edges), max(edges))
    if believed_since is not None:
        days |= _days(believed_since, horizon)
    if first_at is not None and feed_first is not None and first_at < feed_first:
        # All charge points of the feed have days since its first entry.
        days |= _days(first_at.astimezone(zone).date(), feed_first.astimezone(zone).date())
    if first_at is not None:
        spans = affected_spans(
            tables.hand_over(spark, removed),
            tables.hand_over(spark, added),
            tables.read_accepted(spark, settings.spark, lake_of(settings), "status", first_at.date()),
            tables.hand_over(spark, points),
            zone=stream.zone,
            silence=silence,
            feed_first=min(first_at, feed_first or first_at),
            horizon=dt.datetime.combine(horizon, dt.time(23, 59, 59), zone),
        )
        for first, last in spans:
            days |= _days(first, last)
    return days


def _covers(
    connection: Connection, stream_id: str, covers: Mapping[dt.date, dt.datetime | None]
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Up to when the stream covers time now, and will once the arrivals are replaced."""
    rows = connection.execute(
        "select arrival_date, cover_at from catalogue.stream_cover where stream_id = %s", [stream_id]
    ).fetchall()
    kept = [cover for day, cover in rows if day not in covers]
    coming = [cover for cover in covers.values() if cover is not None]
    return max((cover for _, cover in rows), default=None), max([*kept, *coming], default=None)


def counted_since(connection: Connection, first: dt.date) -> list[dt.date]:
    """Months of charge points that were computed, from a month on: a first word counts in all that follow."""
    rows = connection.execute(
        "select period_date from catalogue.fact_window where fact = %s and period_date >= %s", [CHARGE_POINTS, first]
    ).fetchall()
    return [row[0] for row in rows]


def _last_computed(connection: Connection, fact: str) -> dt.date | None:
    row = connection.execute(
        "select max(period_date) from catalogue.fact_window where fact = %s and computed_at is not null", [fact]
    ).fetchone()
    return row[0] if row else None


def _longest_silence(connection: Connection, stream: StatusStream) -> dt.timedelta | None:
    """Of all feeds of the provider's charge points: any of them may keep a state alive. None for ever."""
    rows = connection.execute(
        "select max_silence from catalogue.stream where provider_id = %s and kind = 'status' and stream_id <> %s",
        [stream.provider.id, stream.id],
    ).fetchall()
    spans: list[dt.timedelta | None] = [stream.silence, *(row[0] for row in rows)]
    known = [span for span in spans if span is not None]
    return max(known) if len(known) == len(spans) else None


def _read_otherwise(connection: Connection, stream: StatusStream) -> dt.date | None:
    """The stream's first date, where its file reads all of its days otherwise than at its last ingest; else None.

    A day earlier than the first date in UTC, as the zone may be another one.
    """
    row = connection.execute(
        "select min(e.event_date) - 1 from facts.charge_point_edge as e join catalogue.stream as s using (stream_id)"
        " where s.stream_id = %s and (s.max_silence, s.reports_use, s.zone, s.authority_id)"
        " is distinct from (%s::interval, %s::boolean, %s::text, %s::text)",
        [stream.id, stream.silence, stream.reports_use, stream.zone, stream.authority.id],
    ).fetchone()
    return row[0] if row else None


def _feed_first(connection: Connection, stream: StatusStream) -> dt.datetime | None:
    row = connection.execute(
        "select min(least(first_event_at, last_heard_at)) from facts.charge_point_edge where stream_id = %s",
        [stream.id],
    ).fetchone()
    return row[0] if row else None


def _points(connection: Connection, charge_points: list[str]) -> pa.Table:
    """First event of charge points, and whether they ever were PLANNED or REMOVED, as far as edges know."""
    rows = connection.execute(
        "select charge_point_id, min(first_event_at), bool_or(coalesce(last_state in ('PLANNED', 'REMOVED'), false))"
        " from facts.charge_point_edge where charge_point_id = any(%s) group by charge_point_id",
        [charge_points],
    ).fetchall()
    names = [("charge_point_id", pa.string()), ("first_event_at", pa.timestamp("us", tz="UTC"))]
    schema = pa.schema([*names, ("ever_stays", pa.bool_())])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _days(first: dt.date, last: dt.date) -> set[dt.date]:
    return {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}


def renew_registry(settings: Settings, spark: SparkSession) -> None:
    """Builds `facts.charge_point` anew from all accepted locations, and marks what looks at it, in one transaction.

    Stale are facts whose flags S12 or E05 would be others now, and all months that count charge points: the first
    version holds since the first word.
    """
    while not _renewed(settings, spark):
        continue


def _renewed(settings: Settings, spark: SparkSession) -> bool:
    """Whether the rows that it read were still the newest when it came to replace the registry."""
    lake = lake_of(settings)
    version = tables.version(lake, "locations")
    with connect(settings) as connection:
        known = aliases(connection)
    locations = tables.read_accepted(spark, settings.spark, lake, "locations")
    rows = registry(identified(locations, alias_frame(spark, known))).toArrow()
    names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    with connect(settings) as connection:
        staged = stage_rows(connection, "facts.charge_point", rows)
        connection.execute("lock table facts.charge_point in share row exclusive mode")
        if tables.version(lake, "locations") != version or aliases(connection) != known:
            return False
        connection.execute(
            sql.SQL(
                "create temporary table changed on commit drop as"
                " (select {0} from {1} except select {0} from facts.charge_point)"
                " union (select {0} from facts.charge_point except select {0} from {1})"
            ).format(names, sql.Identifier(staged.table))
        )
        row = connection.execute("select exists (select from changed)").fetchone()
        if row is None or not row[0]:
            return True
        connection.execute("delete from facts.charge_point")
        insert_staged(connection, "facts.charge_point", staged)
        for fact, periods in (
            (STATUS, _OTHERWISE_FLAGGED["E05"]),
            (SESSIONS, _OTHERWISE_FLAGGED["S12"]),
            (CHARGE_POINTS, _COUNTED),
        ):
            found = connection.execute(periods).fetchall()
            mark_stale(connection, "registry", {(fact, row[0]) for row in found})
        renew_ratings(connection)
    return True


_COUNTED = sql.SQL("select period_date from catalogue.fact_window where fact = {}").format(sql.Literal(CHARGE_POINTS))
_OTHERWISE_FLAGGED = {
    rule: sql.SQL(
        "select distinct {period} from {fact} as f"
        " where ({mark} = any(f.flags)) <> ("
        "  exists (select from facts.charge_point as r where r.provider_id = f.provider_id)"
        "  and not exists (select from facts.charge_point as r where r.charge_point_id = f.charge_point_id))"
    ).format(period=sql.SQL(period), fact=sql.Identifier("facts", fact), mark=sql.Literal(rule))
    for rule, fact, period in (
        ("E05", "charge_point_status_day", "status_date"),
        ("S12", "charging_session", "date_trunc('month', start_date)::date"),
    )
}
