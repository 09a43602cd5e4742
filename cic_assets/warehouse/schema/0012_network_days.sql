-- Days of a whole network: what dashboards, feeds' checks and the registry's months ask of all charge points together stands
-- beside the facts, as their sums, and is swapped with them. Of 5,000 charge points, a year's days are 1.8 million rows.

-- The seconds of all charge points of a stream, provider and authority on a local day.
create table facts.network_status_day (
  status_date date not null,
  stream_id text not null,
  provider_id text not null,
  authority_id text not null,
  charge_point_count bigint not null,
  -- Of how many the feed says whether they are in use.
  reports_use_count bigint not null,
  day_seconds numeric not null,
  available_seconds numeric not null,
  blocked_seconds numeric not null,
  charging_seconds numeric not null,
  inoperative_seconds numeric not null,
  outoforder_seconds numeric not null,
  planned_seconds numeric not null,
  removed_seconds numeric not null,
  reserved_seconds numeric not null,
  unknown_seconds numeric not null,
  unreported_seconds numeric not null,
  unobserved_seconds numeric not null,
  -- Charging, and D (numbers.md 2), of those that report use.
  use_charging_seconds numeric not null,
  use_denominator_seconds numeric not null,
  entry_count bigint not null,
  primary key (status_date, stream_id, provider_id, authority_id)
);
insert into facts.network_status_day
select
  status_date, stream_id, provider_id, authority_id, count(*), count(*) filter (where reports_use), sum(day_seconds),
  sum(available_seconds), sum(blocked_seconds), sum(charging_seconds), sum(inoperative_seconds),
  sum(outoforder_seconds),
  sum(planned_seconds), sum(removed_seconds), sum(reserved_seconds), sum(unknown_seconds), sum(unreported_seconds),
  sum(unobserved_seconds),
  coalesce(sum(charging_seconds) filter (where reports_use), 0),
  coalesce(sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds) filter (where reports_use), 0),
  sum(event_count + confirmation_count)
from facts.charge_point_status_day
group by status_date, stream_id, provider_id, authority_id;

-- The sessions of all charge points of a provider, authority and currency that began on a local day.
create table facts.network_session_day (
  start_date date not null,
  provider_id text not null,
  authority_id text not null,
  currency text,
  charge_point_count bigint not null,
  session_count bigint not null,
  failed_session_count bigint not null,
  duration_seconds_total numeric not null,
  energy_kwh_total numeric not null,
  revenue_count bigint not null,
  revenue_total numeric,
  unique nulls not distinct (start_date, provider_id, authority_id, currency)
);
insert into facts.network_session_day
select
  start_date, provider_id, authority_id, currency, count(distinct charge_point_id), sum(session_count),
  sum(failed_session_count), sum(duration_seconds_total), sum(energy_kwh_total), sum(revenue_count), sum(revenue_total)
from facts.charging_session_day
group by start_date, provider_id, authority_id, currency;

-- In which months a charge point has sessions, or days of status, and the first and the last of each month: what the dimension
-- needs of all time. Days on which nobody observed it are no days of its own; that it is there, they say.
create table facts.charge_point_seen (
  month_date date not null,
  seen_in text not null check (seen_in in ('sessions', 'status')),
  charge_point_id text not null,
  provider_id text not null,
  authority_id text not null,
  first_date date,
  last_date date,
  primary key (seen_in, month_date, charge_point_id, provider_id, authority_id)
);
insert into facts.charge_point_seen
select
  date_trunc('month', start_date)::date, 'sessions', charge_point_id, provider_id, authority_id, min(start_date),
  max(start_date)
from facts.charging_session
group by 1, 2, 3, 4, 5
union all
select
  date_trunc('month', status_date)::date, 'status', charge_point_id, provider_id, authority_id,
  min(status_date) filter (where unobserved_seconds < day_seconds),
  max(status_date) filter (where unobserved_seconds < day_seconds)
from facts.charge_point_status_day
group by 1, 2, 3, 4, 5;

-- As before, of sums: how each status feed was, by local day.
create or replace view quality.feed_day as
with days as (
  select
    stream_id, status_date,
    sum(charge_point_count)::bigint as charge_point_count,
    bool_and(reports_use_count = charge_point_count) as reports_use,
    sum(entry_count) as entry_count,
    sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds) as observed_seconds,
    sum(available_seconds) as available_seconds,
    sum(blocked_seconds) as blocked_seconds,
    sum(charging_seconds) as charging_seconds,
    sum(inoperative_seconds) as inoperative_seconds,
    sum(outoforder_seconds) as outoforder_seconds,
    sum(reserved_seconds) as reserved_seconds,
    sum(unknown_seconds) as unknown_seconds,
    sum(unreported_seconds) as unreported_seconds
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
