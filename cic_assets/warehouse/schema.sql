-- The warehouse's own tables: facts, quality and catalogue. dbt owns the schema `marts` (and its staging).
-- Every statement may run again. Divisions are generated columns: Spark sends exact sums only (numbers.md 1).

create schema if not exists facts;
create schema if not exists marts;
create schema if not exists quality;
create schema if not exists catalogue;

-- By which files this database was set up last, and a digest of what was there then: equal ones need no set-up.
create table if not exists catalogue.set_up (
  made_of text not null,
  gave text not null,
  made_at timestamptz not null default now()
);

-- One row per stream file, written at every load of the definitions that changed it.
create table if not exists catalogue.stream (
  stream_id text primary key,
  kind text not null,
  provider_id text not null,
  provider_name text not null,
  authority_id text not null,
  authority_name text not null,
  zone text not null,
  licence text not null,
  contact text not null,
  rule_set text not null,
  vat_basis text,
  fingerprint text not null
);
alter table catalogue.stream alter column vat_basis drop not null;
-- Of status streams: how long a state is believed (null: for ever), and whether states tell of use.
alter table catalogue.stream add column if not exists max_silence interval;
alter table catalogue.stream add column if not exists reports_use boolean;
alter table catalogue.stream add column if not exists ends date;
-- Whether its rows are of several providers, and say of which.
alter table catalogue.stream add column if not exists is_hub boolean not null default false;

-- One row per content (SHA-256 of the bytes as received) and stream. Written before the bytes are copied, so that a
-- crash between the two keeps the first arrival.
create table if not exists catalogue.object (
  stream_id text not null,
  sha256 text not null,
  arrival_date date not null,
  first_seen_at timestamptz not null,
  original_name text not null,
  path text not null,
  byte_count bigint not null,
  landed boolean not null default false,
  purged_at timestamptz,
  -- The header of the file; null until it was decoded.
  feed_columns text[],
  record_count bigint,
  primary key (stream_id, sha256)
);
-- Personal fields that the delivery lacks: it is held, nothing of it is decoded until the stream file is mended.
alter table catalogue.object add column if not exists held_fields text[];
-- Fields that the stream file reads and the decoding lacks, which stays in use as the original is gone; null otherwise.
alter table catalogue.object add column if not exists missing_fields text[];
create index if not exists object_arrival on catalogue.object (stream_id, arrival_date);

create table if not exists catalogue.sighting (
  stream_id text not null,
  sha256 text not null,
  seen_at timestamptz not null,
  original_name text not null,
  foreign key (stream_id, sha256) references catalogue.object
);
-- A landing and the crawler may say the same at once. Warehouses of before did not hinder them.
do $$
begin
  if to_regclass('catalogue.sighting_key') is null then
    delete from catalogue.sighting as s using catalogue.sighting as t
    where (s.stream_id, s.sha256, s.seen_at, s.original_name) = (t.stream_id, t.sha256, t.seen_at, t.original_name)
      and s.ctid > t.ctid;
    create unique index sighting_key on catalogue.sighting (stream_id, sha256, seen_at, original_name);
  end if;
end $$;

-- Of what another program put into `raw`: when it was written, by which a change is seen. Null: landed by us, once and for all.
alter table catalogue.object add column if not exists modified_at timestamptz;

-- Deliveries that a person lets pass though they were held, and for which findings. Only grows; the journal has the same.
create table if not exists catalogue.release (
  stream_id text not null,
  sha256 text not null,
  released_at timestamptz not null,
  released_by text not null,
  reason text not null,
  findings text[] not null,
  primary key (stream_id, sha256, released_at)
);

-- Which lake the rows below speak of (`lake.json` at its root), and where it was last.
create table if not exists catalogue.lake (
  is_only boolean primary key default true check (is_only),
  lake_id text not null,
  root text not null,
  known_since timestamptz not null default now()
);

-- Files of the lake as they were written, to know what is gone or changed: what decoding made of objects, and the accepted
-- rows. `modified_at` counts on S3, where nothing changes without it.
create table if not exists catalogue.decoded_file (
  path text primary key,
  row_count bigint not null,
  sha256 text not null
);
create table if not exists catalogue.accepted_file (
  kind text not null,
  stream_id text not null,
  arrival_date date not null,
  event_date date,
  -- Below the kind's folder, as in the table's log.
  path text not null,
  row_count bigint not null,
  byte_count bigint not null,
  modified_at timestamptz not null,
  sha256 text not null,
  primary key (kind, path)
);
create index if not exists accepted_file_arrival on catalogue.accepted_file (stream_id, arrival_date);

-- What the last ingest of a stream's arrival read, and with which stream file: equal fingerprints need no rerun.
create table if not exists catalogue.ingest (
  stream_id text not null,
  arrival_date date not null,
  fingerprint text not null,
  ingested_at timestamptz not null,
  run_id text not null,
  primary key (stream_id, arrival_date)
);

-- Arrivals that the last ingest could not take, with what it tried and how often: their streams keep what they had.
create table if not exists catalogue.ingest_failure (
  stream_id text not null,
  arrival_date date not null,
  kind text not null,
  fingerprint text not null,
  attempt_count integer not null,
  message text not null,
  run_id text not null,
  failed_at timestamptz not null default now(),
  primary key (stream_id, arrival_date)
);

-- Which ingest may replace a stream's arrival: the newest claim.
create table if not exists catalogue.arrival_claim (
  stream_id text not null,
  arrival_date date not null,
  claim_id bigint not null,
  primary key (stream_id, arrival_date)
);
-- Which accepted rows this warehouse knows of the arrival, and those that an ingest was about to put in their place: others
-- in the lake are of another warehouse, one that was lost or restored from an older dump.
alter table catalogue.arrival_claim
  add column if not exists accepted_digest text,
  add column if not exists intended_digest text;

-- When the warehouse was made anew from the lake; unfinished while `finished_at` is null.
create table if not exists catalogue.rebuild (
  started_at timestamptz not null default now(),
  finished_at timestamptz
);

-- Up to when an arrival of a status stream covers time; the stream's cover is the latest of them.
create table if not exists catalogue.stream_cover (
  stream_id text not null,
  arrival_date date not null,
  cover_at timestamptz not null,
  primary key (stream_id, arrival_date)
);

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

-- The ids that an arrival gives charge points (`charge_point_id` with the provider before it), each with another id of the
-- same one where the feed says it.
create table if not exists catalogue.charge_point_name (
  stream_id text not null,
  arrival_date date not null,
  provider_id text not null,
  charge_point_id text not null,
  charge_point_alias text
);
create index if not exists charge_point_name_arrival on catalogue.charge_point_name (stream_id, arrival_date);

-- Periods (months, or local days, by fact) that an ingest may have changed. Never deleted: a period is stale while its
-- touch is newer than its facts.
create sequence if not exists catalogue.touch_id;
create table if not exists catalogue.touched_period (
  fact text not null,
  stream_id text not null,
  period_date date not null,
  touch_id bigint not null,
  touched_at timestamptz not null default now(),
  primary key (fact, stream_id, period_date)
);

-- Which run may swap a fact's period, and up to which touch the period is computed.
create table if not exists catalogue.fact_window (
  fact text not null,
  period_date date not null,
  owner text not null,
  computed_touch_id bigint,
  computed_at timestamptz,
  primary key (fact, period_date)
);

-- Dates (UTC) whose edges are older than the accepted entries of status streams.
create table if not exists catalogue.stale_edge (
  event_date date primary key,
  touch_id bigint not null
);

-- Warehouses that were made while months were the only periods.
do $$
begin
  if to_regclass('catalogue.touched_month') is not null then
    insert into catalogue.touched_period
    select 'charging_session', stream_id, month_date, touch_id, touched_at from catalogue.touched_month
    on conflict do nothing;
    drop table catalogue.touched_month cascade;
    drop table catalogue.fact_window cascade;
    create table catalogue.fact_window (
      fact text not null,
      period_date date not null,
      owner text not null,
      computed_touch_id bigint,
      computed_at timestamptz,
      primary key (fact, period_date)
    );
  end if;
end $$;

create table if not exists facts.charging_session (
  session_id text not null,
  charge_point_id text not null,
  connector_id text,
  provider_id text not null,
  authority_id text not null,
  stream_id text not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  start_date date not null,
  duration_seconds numeric(18, 6) not null,
  energy_kwh numeric(12, 4) not null,
  revenue numeric(12, 4),
  currency text,
  flags text[] not null,
  rated_power_kw numeric(12, 4),
  record_kind text not null,
  arrival_date date not null
);
-- The date is in the key because a session that moved to another month is in both until both are restated; charge point,
-- connector and start because an id may be no id (S16).
alter table facts.charging_session drop constraint if exists charging_session_pkey;
create unique index if not exists charging_session_key on facts.charging_session
(provider_id, record_kind, session_id, start_date, charge_point_id, connector_id, started_at) nulls not distinct;
-- Whether the statistics count the session. Warehouses that were made before the column knew it by its flags.
do $$
begin
  if not exists (
    select from information_schema.columns
    where table_schema = 'facts' and table_name = 'charging_session' and column_name = 'is_counted'
  ) then
    alter table facts.charging_session add column is_counted boolean;
    update facts.charging_session set is_counted
      = not flags && array['credit', 'credited', 'credit_without_original', 'invalid', 'reservation'];
    alter table facts.charging_session alter column is_counted set not null;
  end if;
end $$;
create index if not exists charging_session_start_date on facts.charging_session (start_date);

create table if not exists facts.charging_session_day (
  charge_point_id text not null,
  provider_id text not null,
  authority_id text not null,
  stream_id text not null,
  start_date date not null,
  currency text,
  session_count bigint not null,
  failed_session_count bigint not null,
  duration_seconds_min numeric(18, 6),
  duration_seconds_mean numeric generated always as (round(duration_seconds_total / nullif(session_count, 0), 6)) stored,
  duration_seconds_max numeric(18, 6),
  duration_seconds_total numeric(24, 6) not null,
  energy_kwh_min numeric(12, 4),
  energy_kwh_mean numeric generated always as (
    round(energy_kwh_total / nullif(session_count - failed_session_count, 0), 6)
  ) stored,
  energy_kwh_max numeric(12, 4),
  energy_kwh_total numeric(18, 4) not null,
  -- Sessions whose revenue is known; the mean's denominator.
  revenue_count bigint not null,
  revenue_min numeric(12, 4),
  revenue_mean numeric generated always as (round(revenue_total / nullif(revenue_count, 0), 6)) stored,
  revenue_max numeric(12, 4),
  revenue_total numeric(18, 4),
  unique nulls not distinct (stream_id, charge_point_id, start_date, currency)
);
create index if not exists charging_session_day_start_date on facts.charging_session_day (start_date);

-- How a charge point spent a local day; a row for every day from its feed's first cover to yesterday or its end. The states,
-- unreported and unobserved add up to the day, to the microsecond. D, the denominator, is the day without unobserved, PLANNED and REMOVED time.
create table if not exists facts.charge_point_status_day (
  charge_point_id text not null,
  provider_id text not null,
  authority_id text not null,
  stream_id text not null,
  status_date date not null,
  day_seconds numeric(18, 6) not null,
  available_seconds numeric(18, 6) not null,
  blocked_seconds numeric(18, 6) not null,
  charging_seconds numeric(18, 6) not null,
  inoperative_seconds numeric(18, 6) not null,
  outoforder_seconds numeric(18, 6) not null,
  planned_seconds numeric(18, 6) not null,
  removed_seconds numeric(18, 6) not null,
  reserved_seconds numeric(18, 6) not null,
  unknown_seconds numeric(18, 6) not null,
  unreported_seconds numeric(18, 6) not null,
  unobserved_seconds numeric(18, 6) not null,
  event_count bigint not null,
  confirmation_count bigint not null,
  reports_use boolean not null,
  flags text[] not null,
  operational_pct numeric generated always as (
    round(100 * (available_seconds + charging_seconds + reserved_seconds)
      / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds, 0), 6)
  ) stored,
  operational_of_known_pct numeric generated always as (
    round(100 * (available_seconds + charging_seconds + reserved_seconds)
      / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - unknown_seconds - unreported_seconds, 0), 6)
  ) stored,
  charging_pct numeric generated always as (
    case when reports_use then round(100 * charging_seconds
      / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds, 0), 6) end
  ) stored,
  unknown_pct numeric generated always as (
    round(100 * (unknown_seconds + unreported_seconds)
      / nullif(day_seconds - unobserved_seconds - planned_seconds - removed_seconds, 0), 6)
  ) stored,
  primary key (charge_point_id, status_date),
  check (
    day_seconds = available_seconds + blocked_seconds + charging_seconds + inoperative_seconds + outoforder_seconds
      + planned_seconds + removed_seconds + reserved_seconds + unknown_seconds + unreported_seconds
      + unobserved_seconds
  )
);
create index if not exists charge_point_status_day_date on facts.charge_point_status_day (status_date);

-- All that other days must know of a charge point's date (UTC): the state at midnight comes from the newest such rows
-- before a window, and the first poll after it may say since when a state holds. Can be made anew from `accepted`.
create table if not exists facts.charge_point_edge (
  charge_point_id text not null,
  connector_id text not null,
  stream_id text not null,
  event_date date not null,
  entry_count bigint not null,
  first_event_at timestamptz,
  last_event_at timestamptz,
  last_state text,
  last_heard_at timestamptz not null,
  arrived_at timestamptz,
  source_file text,
  source_line bigint,
  primary key (charge_point_id, connector_id, stream_id, event_date)
);
alter table facts.charge_point_edge
  add column if not exists first_poll_at timestamptz,
  add column if not exists first_poll_since_at timestamptz,
  add column if not exists first_poll_state text,
  add column if not exists first_poll_arrived_at timestamptz,
  add column if not exists first_poll_source_file text,
  add column if not exists first_poll_source_line bigint,
  add column if not exists last_poll_at timestamptz,
  add column if not exists last_poll_state text;
create index if not exists charge_point_edge_date on facts.charge_point_edge (event_date);

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

-- The registry as locations streams give it, with its history: what held from valid_from until valid_to.
create table if not exists facts.charge_point (
  charge_point_id text not null,
  provider_id text not null,
  authority_id text not null,
  stream_id text not null,
  location_id text,
  location_name text,
  device_id text,
  rated_power_kw numeric(12, 4),
  latitude numeric(9, 6),
  longitude numeric(9, 6),
  valid_from timestamptz not null,
  valid_to timestamptz,
  primary key (charge_point_id, valid_from)
);

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

create table if not exists facts.charge_point_month (
  month_date date not null,
  provider_id text not null,
  authority_id text not null,
  power_class text not null,
  registered_count bigint not null,
  heard_from_count bigint not null,
  online_count bigint not null,
  primary key (month_date, provider_id, authority_id, power_class)
);

-- Words that no vocabulary knows, per stream and arrival.
create table if not exists quality.unmapped_status (
  stream_id text not null,
  arrival_date date not null,
  source_status text not null,
  row_count bigint not null,
  primary key (stream_id, arrival_date, source_status)
);

-- Fields that a feed never had before, by the arrival that brought them; what the first arrival has is where it starts.
create or replace view quality.new_column as
select
  o.stream_id,
  min(o.arrival_date) as arrival_date,
  name.column_name
from catalogue.object as o
cross join unnest(o.feed_columns) as name (column_name)
where o.landed and name.column_name <> ''
group by o.stream_id, name.column_name
having min(o.arrival_date) > (
  select min(first.arrival_date) from catalogue.object as first
  where first.landed and first.stream_id = o.stream_id and cardinality(first.feed_columns) > 0
);

-- Values that are there and could not be read (U01), per stream, arrival and column of the stream file.
create table if not exists quality.unreadable_value (
  stream_id text not null,
  arrival_date date not null,
  column_name text not null,
  present_count bigint not null,
  unreadable_count bigint not null,
  primary key (stream_id, arrival_date, column_name)
);

-- What ingest counted, per stream and arrival. rows_in = accepted + quarantined + skipped (left out by the stream).
create table if not exists quality.ingest_count (
  stream_id text not null,
  arrival_date date not null,
  rows_in bigint not null,
  accepted bigint not null,
  quarantined bigint not null,
  skipped bigint not null default 0,
  primary key (stream_id, arrival_date),
  constraint ingest_count_adds_up check (rows_in = accepted + quarantined + skipped)
);
-- Warehouses of before streams could leave records out.
alter table quality.ingest_count add column if not exists skipped bigint not null default 0;
-- Between which local dates its accepted records lie.
alter table quality.ingest_count
  add column if not exists first_date date,
  add column if not exists last_date date;
-- The version of the stream file that made them.
alter table quality.ingest_count add column if not exists stream_fingerprint text;
alter table quality.ingest_count drop constraint if exists ingest_count_check;
do $$
begin
  if not exists (
    select from pg_constraint
    where conname = 'ingest_count_adds_up' and conrelid = 'quality.ingest_count'::regclass
  ) then
    alter table quality.ingest_count add constraint ingest_count_adds_up
      check (rows_in = accepted + quarantined + skipped);
  end if;
end $$;

-- The version of a stream file with which accepted rows may leave, because somebody said so; `gone`: without any file.
create table if not exists catalogue.accepted_change (
  stream_id text primary key,
  fingerprint text not null,
  accepted_at timestamptz not null default now()
);

-- Of the quarantined rows, those of deliveries that are held: D03 and D04.
alter table quality.ingest_count add column if not exists held bigint not null default 0;
-- What each delivery is like and what is wrong with it, as its last ingest found it. `delivery` is the object, or '' for all
-- small ones of the arrival; `held_by` are those findings that hold it.
create table if not exists quality.delivery (
  stream_id text not null,
  arrival_date date not null,
  delivery text not null,
  objects text[] not null,
  file_names text[] not null,
  row_count bigint not null,
  charge_point_count bigint not null,
  median_kwh double precision,
  median_kw double precision,
  hours bigint[] not null,
  is_held boolean not null,
  held_by text[] not null,
  findings text[] not null,
  finding_texts text[] not null,
  primary key (stream_id, arrival_date, delivery)
);

-- How often each rule fired at ingest, per stream and arrival (rules that fired never have no row).
create table if not exists quality.rule_count (
  stream_id text not null,
  arrival_date date not null,
  rule_id text not null,
  severity text not null,
  row_count bigint not null,
  primary key (stream_id, arrival_date, rule_id)
);

create table if not exists quality.rule (
  rule_id text primary key,
  severity text not null,
  message text not null,
  source text not null
);

create table if not exists quality.quarantine (
  stream_id text not null,
  arrival_date date not null,
  source_file text not null,
  source_line bigint not null,
  reasons text[] not null,
  raw text
);
-- Of what could not be decoded: why.
alter table quality.quarantine add column if not exists detail text;
-- No samples of texts in Postgres' own statistics: a field may be declared personal later.
alter table quality.quarantine alter column raw set statistics 0, alter column detail set statistics 0;
create index if not exists quarantine_arrival on quality.quarantine (stream_id, arrival_date);

-- What became of the accepted rows of an arrival that start in a month, decided over all arrivals.
create table if not exists quality.disposition (
  stream_id text not null,
  arrival_date date not null,
  month_date date not null,
  in_facts bigint not null,
  open bigint not null,
  duplicates bigint not null,
  superseded bigint not null,
  primary key (stream_id, arrival_date, month_date)
);
create index if not exists disposition_month on quality.disposition (month_date);

-- The same for status streams, by the local date of the record's instant (of a poll: its time).
create table if not exists quality.status_disposition (
  stream_id text not null,
  arrival_date date not null,
  status_date date not null,
  in_facts bigint not null,
  duplicates bigint not null,
  superseded bigint not null,
  primary key (stream_id, arrival_date, status_date)
);
create index if not exists status_disposition_date on quality.status_disposition (status_date);

-- rows_in = in_facts + quarantined + skipped + open + duplicates + superseded + unresolved; unresolved is what belongs to months
-- or days that were not computed since. Locations have no facts of their own: what is accepted is in the registry.
create or replace view quality.reconciliation as
select
  i.stream_id,
  i.arrival_date,
  i.rows_in,
  i.accepted,
  i.quarantined,
  (case when s.kind = 'locations' then i.accepted else coalesce(d.in_facts, 0) end)::bigint as in_facts,
  coalesce(d.open, 0)::bigint as open,
  coalesce(d.duplicates, 0)::bigint as duplicates,
  coalesce(d.superseded, 0)::bigint as superseded,
  (case when s.kind = 'locations' then 0
    else i.accepted - coalesce(d.in_facts + d.open + d.duplicates + d.superseded, 0) end)::bigint as unresolved,
  -- Last: a view is replaced with its old columns in place.
  i.skipped
from quality.ingest_count as i
left join catalogue.stream as s using (stream_id)
left join (
  select stream_id, arrival_date, sum(in_facts) as in_facts, sum(open) as open, sum(duplicates) as duplicates,
    sum(superseded) as superseded
  from (
    select stream_id, arrival_date, in_facts, open, duplicates, superseded from quality.disposition
    union all
    select stream_id, arrival_date, in_facts, 0, duplicates, superseded from quality.status_disposition
  ) as placed
  group by stream_id, arrival_date
) as d using (stream_id, arrival_date);

-- Periods whose facts are older than what ingest has accepted since.
drop view if exists catalogue.pending_month;
create or replace view catalogue.pending_period as
select t.fact, t.period_date, max(t.touch_id) as touch_id, bool_or(w.computed_touch_id is not null) as computed_before
from catalogue.touched_period as t
left join catalogue.fact_window as w on w.fact = t.fact and w.period_date = t.period_date
where t.touch_id > coalesce(w.computed_touch_id, 0)
group by t.fact, t.period_date;

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

-- Periods of mart sets (dbt's tags; months, local days, arrival dates, one for all dimensions): due while the touch is
-- another than the built one, or made by other SQL. Never deleted.
do $$
begin
  if to_regclass('catalogue.mart_period') is null then
    create table catalogue.mart_period (
      mart_set text not null,
      period_date date not null,
      touch_id bigint not null,
      touched_at timestamptz not null default now(),
      built_touch_id bigint,
      built_with text,
      built_at timestamptz,
      primary key (mart_set, period_date)
    );
    -- Of warehouses that were made before, nobody knows how old the marts are: all are due, once.
    insert into catalogue.mart_period (mart_set, period_date, touch_id)
    select mart_set, period_date, nextval('catalogue.touch_id')
    from (
      select 'arrival' as mart_set, arrival_date as period_date from quality.ingest_count
      union
      select case fact when 'charge_point_status' then 'daily' else 'monthly' end, period_date
      from catalogue.fact_window where computed_at is not null
      union
      select 'dimension', date '2010-01-01'
    ) as known;
  end if;
end $$;
