"""Which facts a change of sessions, of states or of the registry makes stale (numbers.md 2, Restatement).

A fact's period is stale while its newest touch is newer than the touch up to which it was computed. Which kind of
stream reaches which facts: `facts/reach.py`; how far, in pure Spark: `facts/restatement.py`. Here are the facts' names,
the catalogue, and the registry, which other facts look at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from cic_assets.calendar import month_of, months_of
from cic_assets.facts.charge_points import registry
from cic_assets.facts.linked import affected_months
from cic_assets.facts.rated import alias_frame, aliases, with_aliases
from cic_assets.facts.ratings import renew_ratings
from cic_assets.facts.restatement import affected_spans
from cic_assets.facts.status_edges import (
    ANYBODY,
    EDGES,
    LONE_GAP,
    Entries,
    edges_before,
    entries_of,
    opening,
)
from cic_assets.facts.timeline import ENTRY_COLUMNS, group_count
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.identity import identified
from cic_assets.kinds.status.stream import StatusStream
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.rows import Rows, bring_back, distinct, in_group, union
from cic_assets.lake.zones import Lake
from cic_assets.ledger import arrivals
from cic_assets.ledger.accepted_files import demand_whole
from cic_assets.ledger.arrivals import Cover
from cic_assets.ledger.periods import computed, last_computed, mark_stale, touches
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import insert_staged, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SESSIONS = "charging_session"
STATUS = "charge_point_status"
CHARGE_POINTS = "charge_point_month"
Touched = set[tuple[str, dt.date]]
# What the engine holds of each entry of which two timelines are compared: 780 measured on 19 million.
BYTES_PER_COMPARED = 1_000
# What is read of the lake before a change, so that polls find the ones before them; what is older stands in edges.
LOOKBACK = dt.timedelta(days=3)
# What the registry takes for each accepted row of locations: twice the 19,000 measured on 132,000.
BYTES_PER_LOCATION = 40_000


def touched_by_sessions(
    parts: Parts,
    stream: Stream,
    removed: Rows,
    added: Rows,
    covers: Mapping[dt.date, Cover],
    entries: Mapping[dt.date, Sequence[Entries]],
) -> Touched:
    """What a change of accepted sessions makes stale: months of sessions, and of the charge points that they name.

    Args:
        parts: lake, warehouse and engine.
        stream: whose rows they are.
        removed: accepted rows that will go.
        added: accepted rows that will come.
        covers: of no use here.
        entries: of no use here.
    """
    if not removed.count_rows() + added.count_rows():
        return set()
    mine = {month_of(date) for each in (removed, added) for date in values_of(each, "start_date") if date}
    months = _linked_months(parts, stream, removed, added, mine)
    with parts.warehouse.transaction() as connection:
        providers = {name for each in (removed, added) for name in values_of(each, "provider_id")}
        first = silent_since(connection, providers, min(months)) if months else dt.date.max
        counted = counted_since(connection, first)
    return {(SESSIONS, month) for month in months} | {(CHARGE_POINTS, month) for month in {*months, *counted}}


def _linked_months(parts: Parts, stream: Stream, removed: Rows, added: Rows, mine: set[dt.date]) -> Collection[dt.date]:
    """The months of the changed rows, and those that they reach by ids and overlaps."""
    demand_whole(parts.warehouse, parts.lake, stream.kind)
    if _are_all_of(parts, stream.kind, mine):
        # No accepted row is in another month, so none of another month can be reached: so it is with a first load.
        return mine
    changed = (removed, added)
    points, providers = (
        {value for rows in changed for value in values_of(rows, name)} for name in ("charge_point_id", "provider_id")
    )
    with parts.warehouse.transaction() as connection:
        names = aliases(connection)
        streams = _speaking(connection, stream, providers | _providers(with_aliases(names, sorted(points))))
    with parts.staging() as staging:
        accepted = tables.stream_rows(parts.lake, stream.kind, added.schema, streams)
        return affected_months(changed, accepted, names, mine, staging)


def _are_all_of(parts: Parts, kind: str, months: set[dt.date]) -> bool:
    """Whether all accepted rows of a kind are of some months: by the table's log in UTC, and as ingest has counted."""
    if not {month_of(date) for date in tables.entry_counts(parts.lake, kind)} <= months:
        return False
    with parts.warehouse.transaction() as connection:
        known = arrivals.accepted_dates(connection, kind)
    return known is not None and all(
        set(months_of(month_of(first), month_of(last))) | {month_of(last)} <= months for first, last in known
    )


def touched_by_states(
    parts: Parts,
    stream: Stream,
    removed: Rows,
    added: Rows,
    covers: Mapping[dt.date, Cover],
    entries: Mapping[dt.date, Sequence[Entries]],
) -> Touched:
    """What a change of accepted states makes stale: local days of charge points.

    Args:
        parts: lake, warehouse and engine.
        stream: whose rows they are.
        removed: accepted rows that will go.
        added: accepted rows that will come.
        covers: arrival date → from when and up to when the arrival covers time, as it will be.
        entries: arrival date → the entries of the arrival by date, as they will be.
    """
    assert isinstance(stream, StatusStream)
    return {(STATUS, day) for day in _status_days(parts, stream, removed, added, covers, entries)}


def _status_days(
    parts: Parts,
    stream: StatusStream,
    removed: Rows,
    added: Rows,
    covers: Mapping[dt.date, Cover],
    entries: Mapping[dt.date, Sequence[Entries]],
) -> set[dt.date]:
    """Local days that may differ: those that changed rows reach, or are counted in, or that the cover moved over."""
    zone = ZoneInfo(stream.zone)
    changed_at = min((moment for rows in (removed, added) if (moment := _first(rows, "at"))), default=None)
    with parts.warehouse.transaction() as connection:
        (first_before, before), (first_after, after) = _covers(connection, stream.id, covers)
        opened = _openings(connection, stream.id, covers, entries)
        last = last_computed(connection, STATUS)
        believed_since = _read_otherwise(connection, stream)
        is_new = not removed.count_rows() and not _has_words(connection, stream)
    reached = [moment.astimezone(zone).date() for moment in (before, after) if moment is not None]
    horizon = max([*reached, *([last] if last else [])], default=None)
    if horizon is None:
        return set()
    # What became of a record is counted on its day, also if it only says again what is known.
    told: set[dt.date] = {day for rows in (removed, added) for day in values_of(rows, "status_date")}
    days = told.copy()
    for edges in ((before, after), opened):
        moved = [moment.astimezone(zone).date() for moment in edges if moment is not None]
        # Years between two first days are marked by who counts the feed's days, if they were ever there.
        if edges[0] != edges[1] and max(moved) - min(moved) < LONE_GAP:
            days |= _days(min(moved), max(moved))
    if believed_since is not None:
        days |= _days(believed_since, horizon)
    firsts = [moment for moment in (first_before, first_after) if moment is not None]
    if changed_at is not None and is_new:
        # Nothing to compare with: of what was never heard of, all is another.
        days |= _days(min(changed_at, *firsts).astimezone(zone).date(), horizon)
    elif changed_at is not None:
        since = min(firsts, default=None)
        end = dt.datetime.combine(horizon, dt.time(23, 59, 59), zone)
        days |= _compared(parts, stream, removed, added, changed_at, since, end)
    # Days before the feed's first have no rows; what became of a record is told on the record's own.
    first_day = min([moment.astimezone(zone).date() for moment in opened if moment is not None], default=dt.date.min)
    return {day for day in days if day >= first_day} | told


def _compared(
    parts: Parts,
    stream: StatusStream,
    removed: Rows,
    added: Rows,
    changed_at: dt.datetime,
    feed_first: dt.datetime | None,
    horizon: dt.datetime,
) -> set[dt.date]:
    """Local days that changed rows reach, by the timelines of their charge points before and after.

    Args:
        parts: lake, warehouse and engine.
        stream: whose rows they are.
        removed: accepted rows that will go.
        added: accepted rows that will come.
        changed_at: the earliest of them.
        feed_first: from when the feed covers time, before or after the change; an old warehouse does not know it of
            what all goes.
        horizon: nothing after it has been computed or can be said yet.
    """
    changed = {point for rows in (removed, added) for point in values_of(rows, "charge_point_id")}
    days: set[dt.date] = set()
    with parts.staging() as staging:
        with parts.warehouse.transaction() as connection:
            names, silence = aliases(connection), _longest_silence(connection, stream)
            points = with_aliases(names, sorted(changed))
            streams, first = _speaking(connection, stream, _providers(points)), changed_at.date() - LOOKBACK
            known = _known_since(connection, parts, first, streams, points, staging)
            count = _entries_since(connection, streams, first) + removed.count_rows() + added.count_rows()
            feeds, heard = _firsts(connection, stream, [feed_first] if feed_first else []), _points(connection, points)
        canonical = alias_frame(parts.spark, names, staging)
        gone, come = (tables.hand_over(parts.spark, rows, staging) for rows in (removed, added))
        spans = affected_spans(
            identified(gone.select(*ENTRY_COLUMNS), canonical),
            identified(come.select(*ENTRY_COLUMNS), canonical),
            identified(known, canonical),
            heard,
            feeds,
            zone=stream.zone,
            silence=silence,
            feed_first=feed_first or changed_at,
            horizon=horizon,
            groups=group_count(count),
            passes=1 + count * BYTES_PER_COMPARED // parts.memory_bytes,
        )
        for first, last in spans:
            days |= _days(first, last)
    return days


def _has_words(connection: Connection, stream: StatusStream) -> bool:
    """Whether this feed, or another one that may speak of the same charge points, has accepted entries."""
    return _entries_since(connection, _speaking(connection, stream), dt.date.min) > 0


def _providers(points: Iterable[str]) -> set[str]:
    """Whose charge points they are."""
    return {point.partition("/")[0] for point in points}


def _speaking(connection: Connection, stream: Stream, providers: Iterable[str] = ()) -> list[str]:
    """The feed, and others that may speak of the same charge points: its provider's, some other ones', and hubs'."""
    rows = connection.execute(
        "select stream_id from catalogue.stream where stream_id = %s or provider_id = any(%s) or is_hub or %s",
        [stream.id, sorted({stream.provider.id, *providers}), stream.is_hub],
    ).fetchall()
    return sorted({stream.id, *(row[0] for row in rows)})


def _entries_since(connection: Connection, streams: Sequence[str], first: dt.date) -> int:
    """How many accepted entries some feeds have from a date on."""
    row = connection.execute(
        "select coalesce(sum(entry_count), 0) from catalogue.stream_entry"
        " where stream_id = any(%s) and event_date >= %s",
        [list(streams), first],
    ).fetchone()
    return int(row[0]) if row else 0


def values_of(rows: Rows, column: str) -> list[Any]:
    """The different values of a column."""
    return list(distinct(rows, [column])[column].to_pylist())


def _first(rows: Rows, column: str) -> dt.datetime | None:
    found: dt.datetime | None = pc.min(rows.to_table([column])[column]).as_py()
    return found


def _known_since(
    connection: Connection, parts: Parts, first: dt.date, streams: Sequence[str], points: Sequence[str], staging: Lake
) -> DataFrame:
    """Some charge points' entries since a date, and edges in place of what is older, as far as those are not old.

    Without the poll before, a poll reaches further than it does: too many days are made stale, never too few.
    """
    from pyspark.sql import functions as F

    # Other feeds' edges are of other charge points.
    is_old = min(touches(connection, EDGES, [*streams, ANYBODY]), default=first) < first
    recent = parts.accepted("status", first).where(F.col("stream_id").isin(list(streams)))
    changed = tables.hand_over(parts.spark, pa.table({"charge_point_id": pa.array(points, pa.string())}), staging)
    recent = recent.join(changed, "charge_point_id", "left_semi").select(*ENTRY_COLUMNS)
    if is_old:
        return recent
    older = edges_before(connection, first, list(points))
    return recent.unionByName(tables.hand_over(parts.spark, older, staging).select(*ENTRY_COLUMNS))


def _covers(connection: Connection, stream_id: str, covers: Mapping[dt.date, Cover]) -> tuple[Cover, Cover]:
    """From when and up to when the stream covers time now, and will once the arrivals are replaced."""
    now = arrivals.covers(connection, [stream_id]).get(stream_id, {})
    return arrivals.span(now.values()), arrivals.span({**now, **covers}.values())


def _openings(
    connection: Connection,
    stream_id: str,
    covers: Mapping[dt.date, Cover],
    entries: Mapping[dt.date, Sequence[Entries]],
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """From when the feed has days now, and will have."""
    now = entries_of(connection, [stream_id]).get(stream_id, {})
    kept = {day: dates for day, dates in now.items() if day not in covers}
    before, after = (opening(chain.from_iterable(each.values()))[0] for each in (now, {**kept, **entries}))
    return before, after


def counted_since(connection: Connection, first: dt.date) -> list[dt.date]:
    """Months of charge points that were computed, from a month on: a first word counts in all that follow."""
    return computed(connection, CHARGE_POINTS, first)


def silent_since(connection: Connection, providers: Iterable[str], first: dt.date) -> dt.date:
    """The month from which on one of some providers was silent until `first`, a month, as far as facts know.

    Without a registry, charge points are known until their provider's last word: when that comes or goes, all months
    since the word before it are others.
    """
    row = connection.execute(
        "select (date_trunc('month', min(last_date)) + interval '1 month')::date"
        " from (select max(last_date) as last_date from ("
        " select provider_id, max(start_date) as last_date from facts.charging_session"
        " where provider_id = any(%(ids)s) and start_date < %(first)s group by 1 union all"
        " select provider_id, max(status_date) from facts.network_status_day"
        " where provider_id = any(%(ids)s) and status_date < %(first)s group by 1"
        ") as words group by provider_id) as lasts",
        {"ids": list(providers), "first": first},
    ).fetchone()
    return min(first, row[0]) if row and row[0] else first


def _longest_silence(connection: Connection, stream: StatusStream) -> dt.timedelta | None:
    """Of all feeds of the provider's charge points: any of them may keep a state alive. None for ever.

    A hub speaks of any provider's.
    """
    rows = connection.execute(
        "select max_silence from catalogue.stream where kind = 'status' and stream_id <> %s"
        " and (provider_id = %s or is_hub or %s)",
        [stream.id, stream.provider.id, stream.is_hub],
    ).fetchall()
    spans: list[dt.timedelta | None] = [stream.silence, *(row[0] for row in rows)]
    known = [span for span in spans if span is not None]
    return max(known) if len(known) == len(spans) else None


def _read_otherwise(connection: Connection, stream: StatusStream) -> dt.date | None:
    """The stream's first date, where its file reads all of its days otherwise than at its last ingest; else None.

    A day earlier than the first date in UTC, as the zone may be another one.
    """
    row = connection.execute(
        "select from catalogue.stream where stream_id = %s and (max_silence, reports_use, zone, authority_id)"
        " is distinct from (%s::interval, %s::boolean, %s::text, %s::text)",
        [stream.id, stream.silence, stream.reports_use, stream.zone, stream.authority.id],
    ).fetchone()
    first_at, _ = arrivals.spans(connection).get(stream.id, (None, None))
    return first_at.astimezone(dt.UTC).date() - dt.timedelta(days=1) if row is not None and first_at else None


def _firsts(connection: Connection, stream: StatusStream, mine: list[dt.datetime]) -> pa.Table:
    """From when each feed covers time; of the stream itself, before or after the change, whichever is earlier."""
    others = {name: first_at for name, (first_at, _) in arrivals.spans(connection).items()}
    found = [*(others | {stream.id: min(mine, default=None)}).items()]
    schema = pa.schema([("stream_id", pa.string()), ("first_at", pa.timestamp("us", tz="UTC"))])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in found], schema=schema)


def _points(connection: Connection, charge_points: list[str]) -> pa.Table:
    """First word of charge points, and whether they ever were PLANNED or REMOVED, as far as edges know."""
    rows = connection.execute(
        "select coalesce(a.canonical_id, e.charge_point_id), min(least(e.first_event_at, e.first_poll_at)),"
        " bool_or(coalesce(e.last_state in ('PLANNED', 'REMOVED'), false)"
        "  or coalesce(e.last_poll_state in ('PLANNED', 'REMOVED'), false))"
        " from facts.charge_point_edge as e left join facts.charge_point_alias as a using (charge_point_id)"
        " where e.charge_point_id = any(%s) group by 1",
        [charge_points],
    ).fetchall()
    names = [("charge_point_id", pa.string()), ("first_event_at", pa.timestamp("us", tz="UTC"))]
    schema = pa.schema([*names, ("ever_stays", pa.bool_())])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _days(first: dt.date, last: dt.date) -> set[dt.date]:
    return {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}


def renew_registry(parts: Parts) -> None:
    """Builds `facts.charge_point` anew from all accepted locations, and marks what looks at it, in one transaction.

    Stale are facts whose flags S12 or E05 would be others now, and all months that count charge points: the first
    version holds since the first word.
    """
    while not _renewed(parts):
        continue


def _renewed(parts: Parts) -> bool:
    """Whether the rows that it read were still the newest when it came to replace the registry."""
    lake = parts.lake
    demand_whole(parts.warehouse, lake, "locations")
    version = tables.version(lake, "locations")
    with parts.warehouse.transaction() as connection:
        known = aliases(connection)
    accepted = tables.read_accepted(parts.spark, parts.engine, lake, "locations", KINDS["locations"].schema)
    # A charge point's history needs nothing of another one's.
    groups = 1 + sum(tables.entry_counts(lake, "locations").values()) * BYTES_PER_LOCATION // parts.memory_bytes
    with parts.staging() as staging:
        locations = identified(accepted, alias_frame(parts.spark, known, staging))
        found = [bring_back(registry(locations.where(in_group(number, groups))), staging) for number in range(groups)]
        return _replaced(parts.warehouse, lake, version, known, union(found, found[0].schema))


def _replaced(warehouse: Warehouse, lake: Lake, version: int, known: Mapping[str, str], rows: Rows) -> bool:
    """The registry's rows for those of locations' version, if that and the aliases are still the newest."""
    names = sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
    with warehouse.transaction() as connection:
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
        ):
            found = connection.execute(periods).fetchall()
            mark_stale(connection, "registry", {(fact, row[0]) for row in found})
        mark_stale(connection, "registry", {(CHARGE_POINTS, month) for month in computed(connection, CHARGE_POINTS)})
        renew_ratings(connection)
    return True


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
