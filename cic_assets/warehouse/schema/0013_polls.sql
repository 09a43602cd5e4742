-- Feeds that are fetched (cic_assets/fetch): each poll, and each answer that it got.
create table catalogue.poll (
  stream_id text not null,
  started_at timestamptz not null,
  -- Null while it runs, as of one whose process ended before it did.
  ended_at timestamptz,
  outcome text not null check (outcome in ('running', 'new', 'unchanged', 'failed')),
  -- The stream file's `every` then.
  every_seconds double precision not null check (every_seconds > 0),
  -- date_from of a module that is asked for by time; null for all.
  reach_from timestamptz,
  -- What was updated before it, the party has sent; the next poll asks from there, less the overlap.
  reach_to timestamptz,
  response_count bigint not null default 0,
  new_count bigint not null default 0,
  byte_count bigint not null default 0,
  error text,
  -- When the other side wants to be asked again, if it said so.
  not_before timestamptz,
  primary key (stream_id, started_at),
  check ((outcome = 'failed') = (error is not null)),
  check ((outcome = 'running') = (ended_at is null))
);
create table catalogue.response (
  stream_id text not null,
  started_at timestamptz not null,
  number integer not null,
  url text not null,
  requested_at timestamptz not null,
  -- 200, 304; of a file in a folder 200.
  status integer not null,
  request_headers jsonb not null,
  response_headers jsonb not null,
  -- The object that it is, or, of a 304, that stands since.
  sha256 text not null,
  byte_count bigint not null,
  -- Of a page of OCPI: its objects, and where it goes on.
  object_count bigint,
  next_url text,
  primary key (stream_id, started_at, number),
  foreign key (stream_id, started_at) references catalogue.poll on delete cascade
);
-- By a digest: an address may be longer than an index takes.
create index response_by_url on catalogue.response (stream_id, md5(url), requested_at desc);

-- Of the unreported time, what lies between two good polls of ours of which one between failed, or was not made. Nobody
-- holds it against an operator: D is without it (numbers.md 2).
alter table facts.charge_point_status_day
add column receiver_seconds numeric(18, 6) not null default 0 check (receiver_seconds between 0 and unreported_seconds);
alter table facts.network_status_day add column receiver_seconds numeric not null default 0;
alter table facts.charge_point_status_day
alter column operational_pct set expression as (
  round(100 * (available_seconds + charging_seconds + reserved_seconds)
    / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - receiver_seconds, 0), 6)
),
alter column charging_pct set expression as (
  case when reports_use then round(100 * charging_seconds
    / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - receiver_seconds, 0), 6) end
),
alter column unknown_pct set expression as (
  round(100 * (unknown_seconds + unreported_seconds - receiver_seconds)
    / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - receiver_seconds, 0), 6)
);

-- As before, without what is not the feed's.
create or replace view quality.feed_day as
with days as (
  select
    stream_id, status_date,
    sum(charge_point_count)::bigint as charge_point_count,
    bool_and(reports_use_count = charge_point_count) as reports_use,
    sum(entry_count) as entry_count,
    sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - receiver_seconds) as observed_seconds,
    sum(available_seconds) as available_seconds,
    sum(blocked_seconds) as blocked_seconds,
    sum(charging_seconds) as charging_seconds,
    sum(inoperative_seconds) as inoperative_seconds,
    sum(outoforder_seconds) as outoforder_seconds,
    sum(reserved_seconds) as reserved_seconds,
    sum(unknown_seconds) as unknown_seconds,
    sum(unreported_seconds - receiver_seconds) as unreported_seconds
  from facts.network_status_day
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
