"""Charge points per month: how many the registry had, were heard from, and were online."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.calendar import next_month
from cic_assets.facts.charge_points import charge_point_month
from cic_assets.facts.fact import Computed, Fact, FactNeedsError, Table
from cic_assets.facts.finding import Check, Finding
from cic_assets.facts.rated import aliases_of
from cic_assets.facts.status_edges import renew_edges
from cic_assets.facts.touch import CHARGE_POINTS, STATUS
from cic_assets.kinds.identity import identified
from cic_assets.kinds.status.stream import StatusStream
from cic_assets.kinds.stream import today_of
from cic_assets.lake.rows import bring_back, pieces, rows_of
from cic_assets.lake.tables import hand_over
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import Window, due_periods
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection

MONTH = "facts.charge_point_month"
_POINT = [
    ("month_date", pa.date32()),
    ("charge_point_id", pa.string()),
    ("provider_id", pa.string()),
    ("authority_id", pa.string()),
    ("power_class", pa.string()),
]
_WORDS = [("is_heard", pa.bool_()), ("is_online", pa.bool_())]
# How many charge points a message names.
SHOWN = 5
# What is known of all time, once for all months of a window: each of these goes through all sessions or all edges, a
# tenth of a county's year in half a second, which fourteen months took each.
_OF_ALL_TIME = """
create temporary table known_zone on commit drop as
select charge_point_id, coalesce(min(zone) filter (where is_listed), min(zone)) as zone
from (
  select c.charge_point_id, s.zone, true as is_listed
  from facts.charge_point as c join catalogue.stream as s using (stream_id)
  union
  select w.charge_point_id, s.zone, false
  from facts.charge_point_word as w join catalogue.stream as s using (stream_id)
  union
  select c.charge_point_id, s.zone, false
  from facts.charging_session as c join catalogue.stream as s using (stream_id)
) as said
group by 1;

create temporary table known_first on commit drop as
select charge_point_id, min(first_at) as first_at
from (
  select charge_point_id, min(first_event_at) as first_at from facts.charge_point_word group by 1
  union all
  select charge_point_id, min(started_at) from facts.charging_session group by 1
) as words
group by 1;

create temporary table known_owner on commit drop as
select charge_point_id, min(provider_id) as provider_id, min(authority_id) as authority_id
from (
  select distinct w.charge_point_id, split_part(w.charge_point_id, '/', 1) as provider_id, s.authority_id
  from facts.charge_point_word as w join catalogue.stream as s using (stream_id)
  union all
  select distinct charge_point_id, provider_id, authority_id from facts.charging_session
) as found
group by 1;

create temporary table known_until on commit drop as
select provider_id, date_trunc('month', max(last_date))::date as month_date
from (
  select provider_id, max(start_date) as last_date from facts.charging_session group by 1
  union all
  select provider_id, max(status_date) from facts.network_status_day group by 1
) as days
group by 1;

create temporary table known_removed on commit drop as
select distinct charge_point_id from facts.charge_point_word where last_state = 'REMOVED';

analyze known_zone;
analyze known_first;
analyze known_owner;
analyze known_removed
"""
# The registry at a month's end by the authority's clock: what locations streams list, and of providers without any,
# what their feeds spoke of, until the last month in which they spoke. A charge point whose last word before the end
# is REMOVED has left it.
_KNOWN = """
with ends as (
  select charge_point_id, (%(end)s::date::timestamp at time zone zone) as end_at from known_zone
),
declared as (
  select charge_point_id, provider_id, authority_id, valid_from, valid_to, ended_at,
    min(valid_from) over (partition by charge_point_id) as first_from
  from facts.charge_point
),
registry as (
  -- The first version holds since the first word, if that came before it.
  select d.charge_point_id, d.provider_id, d.authority_id,
    case when d.valid_from = d.first_from then least(d.valid_from, s.first_at) else d.valid_from end as valid_from,
    d.valid_to, d.ended_at
  from declared as d left join known_first as s using (charge_point_id)
  union all
  select o.charge_point_id, o.provider_id, o.authority_id, s.first_at, null, null
  from known_owner as o join known_first as s using (charge_point_id) join known_until as h using (provider_id)
  where h.month_date >= %(start)s
    and not exists (select from facts.charge_point as c where c.provider_id = o.provider_id)
),
late as (
  select * from unnest(%(late_points)s::text[], %(late_connectors)s::text[], %(late_at)s::timestamptz[],
    %(late_states)s::text[]) as words (charge_point_id, connector_id, last_event_at, last_state)
),
last_words as (
  select distinct on (charge_point_id, connector_id) charge_point_id, last_state
  from (
    select w.charge_point_id, w.connector_id, w.last_event_at, w.last_state, w.arrived_at, w.source_file, w.source_line
    from facts.charge_point_word as w join ends as e using (charge_point_id)
    where w.last_event_at < e.end_at and w.last_state is not null and w.charge_point_id in (
      select charge_point_id from known_removed
      union select charge_point_id from late where last_state = 'REMOVED'
    )
    union all
    select charge_point_id, connector_id, last_event_at, last_state, null, null, null from late
  ) as words
  order by charge_point_id, connector_id, last_event_at desc, arrived_at desc, source_file desc, source_line desc
),
removed as (
  select charge_point_id from last_words group by 1 having bool_and(last_state = 'REMOVED')
)
select r.charge_point_id, r.provider_id, r.authority_id, coalesce(p.power_class, 'unknown')
from registry as r join ends as e using (charge_point_id)
left join facts.charge_point_rating as p on p.charge_point_id = r.charge_point_id
  and p.from_month <= %(start)s and (p.to_month is null or p.to_month > %(start)s)
where r.valid_from < e.end_at and (r.valid_to is null or r.valid_to >= e.end_at)
  and (r.ended_at is null or r.ended_at >= e.end_at)
  and r.charge_point_id not in (select charge_point_id from removed)
"""
# Heard from: an event, a poll or a session within the month. A state that is carried over from before is no word.
_ACTIVITY = """
with spoke as (
  select charge_point_id, provider_id, authority_id, sum(event_count + confirmation_count) > 0 as is_heard,
    bool_or(available_seconds + charging_seconds + reserved_seconds > 0) as is_online
  from facts.charge_point_status_day
  where status_date >= %(start)s and status_date < %(end)s
  group by 1, 2, 3
  union all
  select distinct charge_point_id, provider_id, authority_id, true, true
  from facts.charging_session
  where start_date >= %(start)s and start_date < %(end)s
)
select s.charge_point_id, min(s.provider_id), min(s.authority_id), coalesce(min(p.power_class), 'unknown'),
  bool_or(s.is_heard), bool_or(s.is_online)
from spoke as s
left join facts.charge_point_rating as p on p.charge_point_id = s.charge_point_id
  and p.from_month <= %(start)s and (p.to_month is null or p.to_month > %(start)s)
group by 1
having bool_or(s.is_heard) or bool_or(s.is_online)
"""


def online_were_heard(carried: Sequence[tuple[dt.date, str]]) -> Finding:
    """Warns of charge points, by month, that were online by a state carried over only, and names them."""
    named = ", ".join(f"{point} in {month:%Y-%m}" for month, point in sorted(carried)[:SHOWN])
    said = f"{len(carried)} times online by a state carried over, not heard from: {named}"
    return Finding(
        check="online_were_heard",
        table=MONTH,
        passed=not carried,
        is_warning=True,
        text=said if carried else None,
        figures={"count": len(carried)},
    )


class MissingDaysError(FactNeedsError):
    """Days of status that were delivered have never been computed; the message names them and the command."""


def _compute(parts: Parts, window: Window, staging: Lake) -> Computed:
    """The rows of the window's months, and what was online and not heard from."""
    renew_edges(parts)
    zones = {stream.zone for stream in parts.streams if isinstance(stream, StatusStream)}
    found: list[pa.Table] = []
    carried: list[tuple[dt.date, str]] = []
    for known, activity in _months(parts, window.periods, zones):
        silent = activity.filter(pc.field("is_online") & ~pc.field("is_heard"))
        carried += zip(silent["month_date"].to_pylist(), silent["charge_point_id"].to_pylist(), strict=True)
        with parts.staging() as scratch:
            frames = [hand_over(parts.spark, table, scratch) for table in (known, activity)]
            # Counts per provider, authority and power class: few, however many charge points there are.
            found.append(charge_point_month(*frames).toArrow())
    return Computed({MONTH: rows_of(pa.concat_tables(found))}, findings=(online_were_heard(carried),))


def _months(parts: Parts, months: Sequence[dt.date], zones: set[str]) -> list[tuple[pa.Table, pa.Table]]:
    """Of each month: charge points in the registry at its end, and those with a word or a state in it."""
    values = []
    for month in months:
        late = [word for zone in sorted(zones) for word in _late_words(parts, next_month(month), zone)]
        names = ("late_points", "late_connectors", "late_at", "late_states")
        columns = {name: [word[place] for word in late] for place, name in enumerate(names)}
        values.append({"start": month, "end": next_month(month), **columns})
    with parts.warehouse.transaction() as connection:
        connection.execute(_OF_ALL_TIME)
        return [
            (_table(connection, _KNOWN, said, _POINT), _table(connection, _ACTIVITY, said, _POINT + _WORDS))
            for said in values
        ]


def _late_words(parts: Parts, following: dt.date, zone: str) -> list[tuple[str, str, dt.datetime, str]]:
    """Last states before a month's end that edges, which go by UTC, don't show: later words of that UTC date hide them.

    Returns:
        (charge point, connector, instant, state).
    """
    from pyspark.sql import functions as F

    end_at = dt.datetime.combine(following, dt.time(), ZoneInfo(zone)).astimezone(dt.UTC)
    date = end_at.date()
    with parts.warehouse.transaction() as connection:
        hidden = connection.execute(
            "select exists (select from facts.charge_point_edge as e join catalogue.stream as s using (stream_id)"
            " where e.event_date = %s and greatest(e.last_event_at, e.last_poll_at) >= %s and s.zone = %s)",
            [date, end_at, zone],
        ).fetchone()
        mine = connection.execute("select stream_id from catalogue.stream where zone = %s", [zone]).fetchall()
    if end_at.time() == dt.time() or not hidden or not hidden[0]:
        return []
    entries = parts.accepted("status", date, date + dt.timedelta(days=1))
    events = entries.where(F.col("at") < F.lit(end_at))
    events = events.where(F.col("stream_id").isin([row[0] for row in mine]))
    last = F.max(F.struct("at", "arrived_at", "source_file", "source_line", "state")).alias("last")
    with parts.staging() as staging:
        events = identified(events, aliases_of(parts.warehouse, parts.spark, staging))
        found = events.groupBy("charge_point_id", "connector_id").agg(last)
        words = found.select("charge_point_id", "connector_id", "last.at", "last.state")
        rows = [row for piece in pieces(bring_back(words, staging)) for row in piece.to_pylist()]
    return [(row["charge_point_id"], row["connector_id"], row["at"], row["state"]) for row in rows]


def _table(
    connection: Connection, query: str, values: Mapping[str, object], fields: Sequence[tuple[str, pa.DataType]]
) -> pa.Table:
    """What a query finds, behind its month."""
    schema = pa.schema(fields)
    rows = ((values["start"], *row) for row in connection.execute(query, values))
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _demand_days(parts: Parts, window: Window) -> None:
    """A month fails, and says why, while one of its days has been delivered and never computed."""
    end = min(window.end, today_of(parts.streams, dt.datetime.now(dt.UTC)))
    with parts.warehouse.transaction() as connection:
        missing = never_computed(connection, window.start, end)
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise MissingDaysError(
            f"{len(missing)} days of status were never computed: {shown}; run `cic run daily --from {missing[0]} "
            f"--to {missing[-1]}` first"
        )


def never_computed(connection: Connection, start: dt.date, end: dt.date) -> list[dt.date]:
    """Days in [start, end) that a status feed has touched and no run has ever computed."""
    found = due_periods(connection, [STATUS])
    return [each.period for each in found if not each.is_restatement and start <= each.period < end]


CHARGE_POINT_MONTH = Fact(
    name=CHARGE_POINTS,
    asset="charge_point_facts",
    is_monthly=True,
    tables=(
        Table(
            MONTH,
            "month_date",
            "Per month, provider, authority and power class: charge points in the registry at the month's end by the "
            "authority's clock, heard from in it (an event, a poll or a session within the month), and online in it "
            "(AVAILABLE, CHARGING or RESERVED at some time, or a session).",
        ),
    ),
    reads=("facts.charge_point_status_day", "facts.charging_session"),
    compute=_compute,
    checks=(
        Check(
            "online_were_heard",
            MONTH,
            "online charge points were heard from in the month, and not online by a state carried over",
        ),
    ),
    demand=_demand_days,
)
