-- The registry's sources, flags and ends, and how strong charge points are by month.

alter table facts.charge_point add column if not exists charge_point_alias text;
-- When the charge point was no more, as its registry says; null while it is there.
alter table facts.charge_point add column if not exists ended_at timestamptz;
-- Marks of the rows (L02 to L04), and `two_places` (E08): one delivery lists the charge point at other sites too.
alter table facts.charge_point add column if not exists flags text[] not null default '{}';
alter table facts.charge_point add column if not exists also_at text[] not null default '{}';
-- `column=stream`: who said what is known; a source that says nothing erases nothing.
alter table facts.charge_point add column if not exists sources text[] not null default '{}';

-- How strong a charge point and its device are, by month: what is true at a month's end by the authority's clock. "Rapid"
-- and power classes are decided here and nowhere else. from_month <= month < to_month (null: still so).
create table if not exists facts.charge_point_rating (
  charge_point_id text not null,
  from_month date not null,
  to_month date,
  rated_power_kw numeric(12, 4),
  device_power_kw numeric(12, 4),
  power_class text not null,
  is_rapid boolean,
  rating_source text,
  primary key (charge_point_id, from_month)
);

-- What that table should be. The registry's rating, else the largest that sessions said so far; of a registry's first
-- version it is taken that it held before. A device is as strong as its strongest charge point (AEVA 2018 s. 9).
create or replace view facts.charge_point_rating_now as
with versions as (
  select distinct on (c.charge_point_id, v.month_date)
    c.charge_point_id, c.provider_id, v.month_date, c.device_id, c.rated_power_kw
  from facts.charge_point as c
  inner join catalogue.stream as s on c.stream_id = s.stream_id
  cross join lateral (select date_trunc('month', c.valid_from at time zone s.zone)::date as month_date) as v
  order by c.charge_point_id asc, v.month_date asc, c.valid_from desc
),

listed as (
  select
    charge_point_id, provider_id, device_id, rated_power_kw,
    case when row_number() over (partition by charge_point_id order by month_date) = 1
      then date '2000-01-01' else month_date end as month_date
  from versions
),

said_month as (
  select charge_point_id, min(provider_id) as provider_id, date_trunc('month', start_date)::date as month_date,
    max(rated_power_kw) as rated_power_kw
  from facts.charging_session
  where rated_power_kw is not null
  group by 1, 3
),

said_since as (
  select *, max(rated_power_kw) over (
    partition by charge_point_id order by month_date rows between unbounded preceding and 1 preceding
  ) as before_kw
  from said_month
),

words as (
  select charge_point_id, provider_id, month_date, true as is_listed, device_id, rated_power_kw as listed_kw,
    null::numeric as said_kw
  from listed
  union all
  select charge_point_id, provider_id, month_date, false, null, null, rated_power_kw
  from said_since
  where before_kw is null or rated_power_kw > before_kw
),

-- A device may change with any of its charge points.
members as (
  select distinct charge_point_id, provider_id, device_id from listed where device_id is not null
),

mates as (
  select distinct member.charge_point_id, member.provider_id, changed.month_date
  from members as member
  inner join (
    select distinct m.provider_id, m.device_id, w.month_date from members as m inner join words as w using (charge_point_id)
  ) as changed using (provider_id, device_id)
),

line as (
  select charge_point_id, month_date, min(provider_id) as provider_id, bool_or(is_listed) as is_listed,
    max(device_id) as device_id, max(listed_kw) as listed_kw, max(said_kw) as said_kw
  from (
    select * from words
    union all
    select charge_point_id, provider_id, month_date, false, null, null, null from mates
  ) as every
  group by charge_point_id, month_date
),

runs as (
  select *, count(*) filter (where is_listed) over so_far as run, max(said_kw) over so_far as said_so_far
  from line
  window so_far as (partition by charge_point_id order by month_date)
),

rated as (
  select charge_point_id, provider_id, month_date,
    coalesce(first_value(device_id) over same, charge_point_id) as device,
    first_value(listed_kw) over same as registry_kw,
    said_so_far
  from runs
  window same as (partition by charge_point_id, run order by month_date)
),

decided as (
  select charge_point_id, month_date, coalesce(registry_kw, said_so_far) as rated_power_kw,
    max(coalesce(registry_kw, said_so_far)) over (partition by provider_id, device, month_date) as device_power_kw,
    case when registry_kw is not null then 'registry' when said_so_far is not null then 'sessions' end as rating_source
  from rated
),

changes as (
  select *, row_number() over in_order = 1 or (rated_power_kw, device_power_kw, rating_source) is distinct from (
    lag(rated_power_kw) over in_order, lag(device_power_kw) over in_order, lag(rating_source) over in_order
  ) as is_change
  from decided
  window in_order as (partition by charge_point_id order by month_date)
)

select
  charge_point_id,
  month_date as from_month,
  lead(month_date) over (partition by charge_point_id order by month_date) as to_month,
  rated_power_kw,
  device_power_kw,
  -- Half-open, in kW (numbers.md 2).
  case
    when rated_power_kw < 8 then '0-8'
    when rated_power_kw < 50 then '8-50'
    when rated_power_kw < 150 then '50-150'
    when rated_power_kw >= 150 then '150+'
    else 'unknown'
  end as power_class,
  device_power_kw >= 50 as is_rapid,
  rating_source
from changes
where is_change;
