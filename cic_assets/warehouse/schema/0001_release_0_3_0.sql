-- The tables of release 0.3.0: facts, quality and catalogue. dbt owns the schema `marts` (and its staging).
-- Divisions are generated columns: Spark sends exact sums only (numbers.md 1).
--
-- 0001 to 0008 also run on warehouses without `catalogue.schema_version`, whose tables are of 0.1.0 to 0.3.0 or later, so each
-- statement here takes what it finds. Migrations from 0009 on need not: they run once, in order.

create schema if not exists facts;
create schema if not exists marts;
create schema if not exists quality;
create schema if not exists catalogue;

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
create index if not exists object_arrival on catalogue.object (stream_id, arrival_date);

create table if not exists catalogue.sighting (
  stream_id text not null,
  sha256 text not null,
  seen_at timestamptz not null,
  original_name text not null,
  foreign key (stream_id, sha256) references catalogue.object
);

-- What the last ingest of a stream's arrival read, and with which stream file: equal fingerprints need no rerun.
create table if not exists catalogue.ingest (
  stream_id text not null,
  arrival_date date not null,
  fingerprint text not null,
  ingested_at timestamptz not null,
  run_id text not null,
  primary key (stream_id, arrival_date)
);

-- Up to when an arrival of a status stream covers time; the stream's cover is the latest of them.
create table if not exists catalogue.stream_cover (
  stream_id text not null,
  arrival_date date not null,
  cover_at timestamptz not null,
  primary key (stream_id, arrival_date)
);

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
  arrival_date date not null,
  -- The date is in the key because a session that moved to another month is in both until both are restated.
  primary key (provider_id, record_kind, session_id, start_date)
);
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

-- How a charge point spent a local day; a row for every day since its feed's first entry. The states, unreported and unobserved
-- add up to the day, to the microsecond. D, the denominator, is the day without unobserved, PLANNED and REMOVED time.
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

-- All that later days must know of a charge point's date (UTC): the state at midnight and the first event ever come from
-- the newest such row before a window. Can be made anew from `accepted`.
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
create index if not exists charge_point_edge_date on facts.charge_point_edge (event_date);

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

-- What ingest counted, per stream and arrival. rows_in = accepted + quarantined.
create table if not exists quality.ingest_count (
  stream_id text not null,
  arrival_date date not null,
  rows_in bigint not null,
  accepted bigint not null,
  quarantined bigint not null,
  primary key (stream_id, arrival_date),
  check (rows_in = accepted + quarantined)
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

-- Periods whose facts are older than what ingest has accepted since.
drop view if exists catalogue.pending_month;
create or replace view catalogue.pending_period as
select t.fact, t.period_date, max(t.touch_id) as touch_id, bool_or(w.computed_touch_id is not null) as computed_before
from catalogue.touched_period as t
left join catalogue.fact_window as w on w.fact = t.fact and w.period_date = t.period_date
where t.touch_id > coalesce(w.computed_touch_id, 0)
group by t.fact, t.period_date;
