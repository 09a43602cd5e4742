-- Status: a feed's days go from its first cover to its end, polls are events too, and feeds are looked after by day.

-- From when an arrival covers time: its first poll, or the first entry of a log. The feed's days begin with the earliest.
alter table catalogue.stream_cover add column if not exists first_at timestamptz;

-- The entries of an arrival of a status stream by date (UTC), and the first of each: a few that stand alone, years before
-- all others, give no days (`facts/status_edges.py:opening`).
create table if not exists catalogue.stream_entry (
  stream_id text not null,
  arrival_date date not null,
  event_date date not null,
  entry_count bigint not null,
  first_at timestamptz not null,
  primary key (stream_id, arrival_date, event_date)
);

-- The days that a status stream has by the calendar alone, up to yesterday or its end, as far as they were marked as touched.
create table if not exists catalogue.feed_span (
  feed text primary key,
  first_date date not null,
  last_date date not null
);

-- Of other days a charge point's date must know the last poll before it, and the first after it: since when a state holds.
alter table facts.charge_point_edge
  add column if not exists first_poll_at timestamptz,
  add column if not exists first_poll_since_at timestamptz,
  add column if not exists first_poll_state text,
  add column if not exists first_poll_arrived_at timestamptz,
  add column if not exists first_poll_source_file text,
  add column if not exists first_poll_source_line bigint,
  add column if not exists last_poll_at timestamptz,
  add column if not exists last_poll_state text;

-- Ids as feeds give them, and the charge point's id in facts, where that is another one.
create table if not exists facts.charge_point_alias (
  charge_point_id text primary key,
  canonical_id text not null
);

-- Edges under the charge points' ids in facts, with the first and the last word that a date's log or polls say; two feeds'
-- edges of one charge point and date are two rows.
create or replace view facts.charge_point_word as
select
  coalesce(a.canonical_id, e.charge_point_id) as charge_point_id, e.connector_id, e.stream_id, e.event_date,
  least(e.first_event_at, e.first_poll_at) as first_event_at,
  greatest(e.last_event_at, e.last_poll_at) as last_event_at,
  case when e.last_poll_at > coalesce(e.last_event_at, '-infinity') then e.last_poll_state else e.last_state end
    as last_state,
  e.last_heard_at, e.arrived_at, e.source_file, e.source_line
from facts.charge_point_edge as e
left join facts.charge_point_alias as a using (charge_point_id);

-- How each status feed was, by local day: what share of its charge points' time (D, numbers.md 2) nobody knows, and whether
-- it is dead: for a week its charge points were in no state at all but UNKNOWN and unreported; or, where it reports use, five or
-- more of them in one and the same state (ours: five chargers that nobody uses, breaks or repairs for a week are a broken feed).
create or replace view quality.feed_day as
with days as (
  select
    stream_id, status_date,
    count(*) as charge_point_count,
    bool_and(reports_use) as reports_use,
    sum(event_count + confirmation_count) as entry_count,
    sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds) as observed_seconds,
    sum(available_seconds) as available_seconds,
    sum(blocked_seconds) as blocked_seconds,
    sum(charging_seconds) as charging_seconds,
    sum(inoperative_seconds) as inoperative_seconds,
    sum(outoforder_seconds) as outoforder_seconds,
    sum(reserved_seconds) as reserved_seconds,
    sum(unknown_seconds) as unknown_seconds,
    sum(unreported_seconds) as unreported_seconds
  from facts.charge_point_status_day
  group by stream_id, status_date
),

weeks as (
  select
    days.*,
    count(*) over week as day_count,
    bool_or(unknown_seconds > 0) over week as has_unknown,
    array_remove(array[
      case when bool_or(available_seconds > 0) over week then 'AVAILABLE' end,
      case when bool_or(blocked_seconds > 0) over week then 'BLOCKED' end,
      case when bool_or(charging_seconds > 0) over week then 'CHARGING' end,
      case when bool_or(inoperative_seconds > 0) over week then 'INOPERATIVE' end,
      case when bool_or(outoforder_seconds > 0) over week then 'OUTOFORDER' end,
      case when bool_or(reserved_seconds > 0) over week then 'RESERVED' end
    ], null) as states
  from days
  window week as (
    partition by stream_id order by status_date range between interval '6 days' preceding and current row
  )
)

select
  stream_id, status_date, charge_point_count, entry_count, observed_seconds, unknown_seconds, unreported_seconds,
  round(100 * (unknown_seconds + unreported_seconds) / nullif(observed_seconds, 0), 6) as unknown_pct,
  case when cardinality(states) = 1 and not has_unknown then states[1] end as only_state,
  day_count = 7 and observed_seconds > 0 and (
    cardinality(states) = 0
    or (cardinality(states) = 1 and not has_unknown and reports_use and charge_point_count >= 5)
  ) as is_dead
from weeks;
