"""What a window of status facts reads: entries from the lake, and what came before and after as edges from Postgres.

Edges are small and can be made anew from `accepted` (`facts/status.py:edges`). An ingest marks the dates whose edges
are old; whoever computes facts renews them first, so that there is one place where they are made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg import sql
from pyspark.sql import functions as F

from cic_assets.facts.rated import alias_frame, aliases
from cic_assets.facts.status import EDGES as EDGE_ROWS
from cic_assets.facts.status import LISTED, POINT, Feed, edges
from cic_assets.facts.timeline import group_count, table_of
from cic_assets.kinds.identity import identified
from cic_assets.kinds.status.stream import StatusStream
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.rows import Rows, bring_back
from cic_assets.lake.zones import Lake
from cic_assets.ledger import arrivals
from cic_assets.ledger.consent import given_up
from cic_assets.ledger.periods import mark_stale, take_touches, touches
from cic_assets.ledger.polls import Gap, gaps
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import insert_staged, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# What a pass takes for each entry, at most: so a range of 36 M events is several passes and never in memory at once.
BYTES_PER_ENTRY = 3_000
# Local days reach into neighbouring UTC dates, and flapping looks back an hour.
MARGIN = dt.timedelta(days=2)
_INSTANT = pa.timestamp("us", tz="UTC")
ENTRIES = pa.schema(
    [
        ("charge_point_id", pa.string()),
        ("connector_id", pa.string()),
        ("stream_id", pa.string()),
        ("entry", pa.string()),
        ("at", _INSTANT),
        ("since_at", _INSTANT),
        ("state", pa.string()),
        ("arrived_at", _INSTANT),
        ("source_file", pa.string()),
        ("source_line", pa.int64()),
        ("flags", pa.list_(pa.string())),
        # Of records: what became of them is told on their day.
        ("arrival_date", pa.date32()),
        ("status_date", pa.date32()),
    ]
)


# In the ledger, of dates (UTC).
EDGES = "charge_point_edge"
# An entry that stands so long before all others, and is one of so many or more, opens no days: one record of 2010 gave
# 50 charge points 307,350 days, 10 minutes of work.
LONE_GAP = dt.timedelta(days=366)
LONE_SHARE = 50
# From so many entries on, one that is alone is an oddity.
LONE_FROM = 20


@dataclass(frozen=True)
class Entries:
    """A feed's entries of one date (UTC): how many, and the instant of the first."""

    date: dt.date
    count: int
    first_at: dt.datetime


def opening(entries: Iterable[Entries]) -> tuple[dt.datetime | None, list[Entries]]:
    """From when a feed has days, and the dates with entries before that, which are too few and too far away.

    Depends on the feed's entries alone, in whatever order and arrivals they came.
    """
    dates: dict[dt.date, Entries] = {}
    for each in entries:
        one = dates.setdefault(each.date, each)
        if one is not each:
            dates[each.date] = Entries(each.date, one.count + each.count, min(one.first_at, each.first_at))
    line = [dates[date] for date in sorted(dates)]
    total, before, opens = sum(each.count for each in line), 0, 0
    for place, (last, each) in enumerate(pairwise(line), 1):
        before += last.count
        is_few = before * LONE_SHARE < total or (before == 1 and total >= LONE_FROM)
        if is_few and each.date - last.date >= LONE_GAP:
            opens = place
    return (line[opens].first_at if line else None), line[:opens]


def entries_of(connection: Connection, stream_ids: Iterable[str]) -> dict[str, dict[dt.date, list[Entries]]]:
    """Of each status stream the entries of each arrival.

    Of arrivals that an earlier release took in only the first entry is known; so none of them is taken for few.
    """
    ids = list(stream_ids)
    rows = connection.execute(
        "select stream_id, arrival_date, event_date, entry_count, first_at from catalogue.stream_entry"
        " where stream_id = any(%s)",
        [ids],
    ).fetchall()
    said: dict[tuple[str, dt.date], list[Entries]] = {}
    for stream_id, arrival, date, count, first_at in rows:
        said.setdefault((stream_id, arrival), []).append(Entries(date, int(count), first_at))
    return {
        stream_id: {
            day: said.get((stream_id, day)) or [Entries(first_at.astimezone(dt.UTC).date(), _MANY, first_at)]
            for day, (first_at, _) in each.items()
            if first_at is not None
        }
        for stream_id, each in arrivals.covers(connection, ids).items()
    }


_MANY = 1_000_000_000


def early_entries(warehouse: Warehouse, streams: Iterable[Stream]) -> dict[str, list[Entries]]:
    """Of each status stream that has such, the dates with entries that open no days."""
    with warehouse.transaction() as connection:
        found = entries_of(connection, [stream.id for stream in streams])
    early = {stream_id: opening(chain.from_iterable(each.values()))[1] for stream_id, each in found.items()}
    return {stream_id: dates for stream_id, dates in sorted(early.items()) if dates}


def feeds_of(
    warehouse: Warehouse, streams: Iterable[Stream], around: tuple[dt.date, dt.date] | None = None
) -> list[Feed]:
    """The status streams, with the span of time that their deliveries cover.

    Args:
        warehouse: its ledger.
        streams: all that are known.
        around: the local days, from and to, whose gaps are wanted; None: of no feed any.

    A feed whose stream file is gone, or broken, goes on as it was at its last ingest until somebody gives it up
    (`ingest/change.py`): a renamed file must not take an operator's days out of the marts.
    """
    streams = list(streams)
    with warehouse.transaction() as connection:
        orphans = _orphans(connection, [stream.id for stream in streams])
        spans = arrivals.spans(connection)
        entries = entries_of(connection, spans)
        # A file that is broken, or gone, is our own trouble as well.
        fetched = [stream.id for stream in streams if stream.source is not None] + [orphan[0] for orphan in orphans]
        lost = _gaps(connection, fetched, around) if around else {}
    opens = {stream_id: opening(chain.from_iterable(each.values()))[0] for stream_id, each in entries.items()}
    return [
        Feed(
            stream.id, stream.provider.id, stream.authority.id, stream.zone, stream.silence,
            spans.get(stream.id, (None, None))[1], spans.get(stream.id, (None, None))[0], stream.reports_use,
            stream.ends, opens.get(stream.id), lost.get(stream.id, ()),
        )
        for stream in streams
        if isinstance(stream, StatusStream)
    ] + [
        Feed(
            stream_id, provider, authority, zone, silence, spans.get(stream_id, (None, None))[1],
            spans.get(stream_id, (None, None))[0], reports_use, ends, opens.get(stream_id), lost.get(stream_id, ()),
        )
        for stream_id, provider, authority, zone, silence, reports_use, ends in orphans
    ]  # fmt: skip


def _gaps(connection: Connection, fetched: Sequence[str], around: tuple[dt.date, dt.date]) -> dict[str, list[Gap]]:
    """When feeds were not fetched, around local days of any zone."""
    first, last = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in around)
    return gaps(connection, fetched, first - MARGIN, last + MARGIN, dt.datetime.now(dt.UTC))


def _orphans(connection: Connection, known: Sequence[str]) -> list[tuple[Any, ...]]:
    """Status streams without a file, as they were last: id, provider, authority, zone, silence, use, end."""
    return connection.execute(
        "select stream_id, provider_id, authority_id, zone, max_silence, coalesce(reports_use, true), ends"
        " from catalogue.stream where kind = 'status' and stream_id <> all(%s) order by 1",
        [[*known, *given_up(connection)]],
    ).fetchall()


# Who marks the edges of charge points of which nobody knows whose they are.
ANYBODY = "edges"


def mark_edges(warehouse: Warehouse, source: str, dates: Iterable[dt.date]) -> None:
    """Says that the edges of these dates are old, of charge points of which a stream speaks."""
    with warehouse.transaction() as connection:
        mark_stale(connection, source, {(EDGES, date) for date in dates})


def mark_all_edges(warehouse: Warehouse, dates: Iterable[dt.date]) -> None:
    """Says that all edges are old, and those of some dates that may have none yet."""
    with warehouse.transaction() as connection:
        rows = connection.execute("select distinct event_date from facts.charge_point_edge").fetchall()
    mark_edges(warehouse, ANYBODY, {*dates, *(row[0] for row in rows)})


def renew_edges(parts: Parts) -> int:
    """Makes the edges of all marked dates anew.

    Returns:
        How many dates.
    """
    count = 0
    while stale := _stale_edges(parts.warehouse):
        for dates in in_passes(parts, list(stale)):
            entries = _entries(parts, dates[0], dates[-1] + dt.timedelta(days=1))
            counts = tables.entry_counts(parts.lake, "status")
            groups = group_count(sum(counts.get(date, 0) for date in dates))
            with parts.staging() as staging:
                mine = entries.where(F.col("event_date").isin(dates))
                found = bring_back(edges(mine, groups), staging, EDGE_ROWS)
                count += _replace_edges(parts.warehouse, {date: stale[date] for date in dates}, found)
    return count


def _stale_edges(warehouse: Warehouse) -> dict[dt.date, int]:
    with warehouse.transaction() as connection:
        return touches(connection, EDGES)


def _replace_edges(warehouse: Warehouse, stale: dict[dt.date, int], found: Rows) -> int:
    """Replaces the edges of dates that still have the mark that they were computed for.

    Others were marked again meanwhile, or renewed by another run: an older computation must not overwrite a newer one.
    No lock is held while Spark computes, so that a worker which stands still there keeps nobody waiting.
    """
    with warehouse.transaction() as connection:
        staged = stage_rows(connection, "facts.charge_point_edge", found)
        mine = take_touches(connection, EDGES, stale)
        connection.execute("delete from facts.charge_point_edge where event_date = any(%s)", [mine])
        insert_staged(connection, "facts.charge_point_edge", staged, sql.SQL("event_date = any({})").format(mine))
    return len(mine)


def charge_point_count(warehouse: Warehouse) -> int:
    """Charge points that any feed ever spoke of: each has a row per day."""
    with warehouse.transaction() as connection:
        row = connection.execute("select count(distinct charge_point_id) from facts.charge_point_edge").fetchone()
    return int(row[0]) if row else 0


def in_passes(parts: Parts, dates: list[dt.date], each: int = 0) -> Iterator[list[dt.date]]:
    """Sorted dates in groups of as many entries as memory has room for, with so many rows that each date has anyway."""
    room = parts.memory_bytes // BYTES_PER_ENTRY
    counts = tables.entry_counts(parts.lake, "status")
    group: list[dt.date] = []
    total = 0
    for date in sorted(dates):
        weight = counts.get(date, 0) + each
        if group and total + weight > room:
            yield group
            group, total = [], 0
        group.append(date)
        total += weight
    if group:
        yield group


def _entries(parts: Parts, start: dt.date, end: dt.date) -> DataFrame:
    return parts.accepted("status", start, end)


def window_entries(
    parts: Parts, start: dt.date, end: dt.date, listed: Iterable[str], staging: Lake
) -> tuple[DataFrame, int]:
    """What `status_facts` needs for start <= local date < end; some of it lies in staging.

    Args:
        parts: lake, warehouse and engine.
        start: the first day.
        end: after the last.
        listed: charge points of registries.
        staging: scratch that lives as long as the entries are used.

    Returns:
        Entries, with edges in place of what is older or later, all charge points, and those that are listed, under
        their canonical ids; and about how many rows that is.
    """
    first, last = start - MARGIN, end + MARGIN
    recent = _entries(parts, first, last)
    with parts.warehouse.transaction() as connection:
        around = [edges_before(connection, first), _polls_after(connection, last)]
        heard = connection.execute("select distinct charge_point_id, stream_id from facts.charge_point_edge").fetchall()
        names = alias_frame(parts.spark, aliases(connection), staging)
    around.append(_marks(POINT, heard))
    around.append(_marks(LISTED, [(point, None) for point in listed]))
    beside = pa.concat_tables(around)
    entries = recent.select(*ENTRIES.names).unionByName(tables.hand_over(parts.spark, beside, staging))
    counts = tables.entry_counts(parts.lake, "status")
    rows = sum(count for date, count in counts.items() if first <= date < last) + beside.num_rows
    return identified(entries, names), rows


def _marks(entry: str, rows: Sequence[tuple[str, str | None]]) -> pa.Table:
    """Rows among entries that are none: (charge point, stream)."""
    points, streams = ([row[n] for row in rows] for n in range(2))
    return table_of(
        ENTRIES, len(rows), charge_point_id=pa.array(points, pa.string()), stream_id=pa.array(streams, pa.string()),
        entry=pa.array([entry] * len(rows), pa.string()),
    )  # fmt: skip


# Of each connector and stream, the last event before a date: that of a log; of polls, what the last date shows by
# itself, else what its first poll shows beside the one before (`facts/status.py:polled_events`, in SQL).
_EVENTS_BEFORE = """
with covered as (
  select * from unnest(%(streams)s::text[], %(firsts)s::timestamptz[]) as feed (stream_id, first_at)
),
dated as (
  select e.*, least(e.first_poll_since_at, e.first_poll_at) as since_at, c.first_at as covers_from,
    coalesce(a.canonical_id, e.charge_point_id) as point, lag(e.last_poll_at) over line as before_at,
    lag(e.last_poll_state) over line as before
  from facts.charge_point_edge as e
  left join facts.charge_point_alias as a using (charge_point_id)
  left join covered as c using (stream_id)
  where e.event_date < %(date)s and (%(points)s::text[] is null or e.charge_point_id = any(%(points)s::text[]))
  -- A feed may have changed from one id of a charge point to another.
  window line as (
    partition by coalesce(a.canonical_id, e.charge_point_id), e.connector_id, e.stream_id
    order by e.event_date, e.first_poll_at
  )
),
told as (
  select *, case
      when before_at is null then greatest(since_at, covers_from)
      when since_at > before_at then since_at
      when first_poll_state <> before then first_poll_at
    end as began
  from dated
)
select distinct on (point, connector_id, stream_id) point, connector_id, stream_id,
  coalesce(last_event_at, began), coalesce(last_state, first_poll_state),
  case when last_state is null then first_poll_arrived_at else arrived_at end,
  case when last_state is null then first_poll_source_file else source_file end,
  case when last_state is null then first_poll_source_line else source_line end
from told
where coalesce(last_event_at, began) is not null
order by point, connector_id, stream_id, event_date desc, coalesce(last_event_at, began) desc
"""
_POLLS_BEFORE = """
select distinct on (charge_point_id, connector_id, stream_id) charge_point_id, connector_id, stream_id, last_poll_at,
  last_poll_state
from facts.charge_point_edge as e
where event_date < %(date)s and last_poll_at is not null
  and (%(points)s::text[] is null or charge_point_id = any(%(points)s::text[]))
order by charge_point_id, connector_id, stream_id, event_date desc
"""
_HEARD_BEFORE = """
select charge_point_id, stream_id, max(last_heard_at) from facts.charge_point_edge as e
where event_date < %(date)s and (%(points)s::text[] is null or charge_point_id = any(%(points)s::text[]))
group by charge_point_id, stream_id
"""
_POLLS_AFTER = """
select k.charge_point_id, k.connector_id, k.stream_id, n.first_poll_at, n.first_poll_since_at, n.first_poll_state,
  n.first_poll_arrived_at, n.first_poll_source_file, n.first_poll_source_line
from (
  select distinct charge_point_id, connector_id, stream_id from facts.charge_point_edge where first_poll_at is not null
) as k
cross join lateral (
  select * from facts.charge_point_edge as e
  where e.charge_point_id = k.charge_point_id and e.connector_id = k.connector_id and e.stream_id = k.stream_id
    and e.event_date >= %(date)s and e.first_poll_at is not null
  order by e.event_date limit 1
) as n
"""
_WORD = ("charge_point_id", "connector_id", "stream_id", "at", "state", "arrived_at", "source_file", "source_line")
_POLL = (*_WORD[:4], "since_at", *_WORD[4:])


def edges_before(connection: Connection, before: dt.date, points: list[str] | None = None) -> pa.Table:
    """The newest edges before a UTC date, in the shape of entries; of some charge points, or of all.

    Each connector's last event, its last poll (which shows no change of its own), each feed's last word.
    """
    firsts = {stream_id: first_at for stream_id, (first_at, _) in arrivals.spans(connection).items()}
    values = {"date": before, "points": points, "streams": [*firsts], "firsts": [*firsts.values()]}
    rows = [
        *_as_entries("event", _WORD, connection.execute(_EVENTS_BEFORE, values).fetchall()),
        *_as_entries("poll", _WORD[:5], connection.execute(_POLLS_BEFORE, values).fetchall()),
        *_as_entries(
            "heard", ("charge_point_id", "stream_id", "at"), connection.execute(_HEARD_BEFORE, values).fetchall()
        ),
    ]
    return pa.Table.from_pylist(rows, schema=ENTRIES)


def _polls_after(connection: Connection, after: dt.date) -> pa.Table:
    """Each connector's and feed's first poll on or after a UTC date: its state may have begun before."""
    found = connection.execute(_POLLS_AFTER, {"date": after}).fetchall()
    return pa.Table.from_pylist(_as_entries("poll", _POLL, found), schema=ENTRIES)


def _as_entries(entry: str, names: Sequence[str], rows: list[tuple[object, ...]]) -> list[dict[str, object]]:
    empty: dict[str, object] = {"entry": entry, "connector_id": "", "flags": []}
    return [empty | dict(zip(names, row, strict=True)) for row in rows]
