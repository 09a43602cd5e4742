-- The warehouse's own tables: facts, quality and catalogue. dbt owns the schema `marts` (and its staging).
-- Every statement may run again. Divisions are generated columns: Spark sends exact sums only (DEFINITIONS 1).

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
  vat_basis text not null,
  fingerprint text not null
);

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

-- Months whose facts an ingest may have changed. Never deleted: a month is stale while its touch is newer than its facts.
create sequence if not exists catalogue.touch_id;
create table if not exists catalogue.touched_month (
  stream_id text not null,
  month_date date not null,
  touch_id bigint not null,
  touched_at timestamptz not null default now(),
  primary key (stream_id, month_date)
);

-- Which run may swap a fact's month, and up to which touch the month is computed.
create table if not exists catalogue.fact_window (
  fact text not null,
  month_date date not null,
  owner text not null,
  computed_touch_id bigint,
  computed_at timestamptz,
  primary key (fact, month_date)
);

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

-- rows_in = in_facts + quarantined + open + duplicates + superseded + unresolved; unresolved is what starts in months
-- that were not computed since.
create or replace view quality.reconciliation as
select
  i.stream_id,
  i.arrival_date,
  i.rows_in,
  i.accepted,
  i.quarantined,
  coalesce(d.in_facts, 0)::bigint as in_facts,
  coalesce(d.open, 0)::bigint as open,
  coalesce(d.duplicates, 0)::bigint as duplicates,
  coalesce(d.superseded, 0)::bigint as superseded,
  (i.accepted - coalesce(d.in_facts + d.open + d.duplicates + d.superseded, 0))::bigint as unresolved
from quality.ingest_count as i
left join (
  select stream_id, arrival_date, sum(in_facts) as in_facts, sum(open) as open, sum(duplicates) as duplicates,
    sum(superseded) as superseded
  from quality.disposition
  group by stream_id, arrival_date
) as d using (stream_id, arrival_date);

-- Months whose facts are older than what ingest has accepted since.
create or replace view catalogue.pending_month as
select f.fact, t.month_date, max(t.touch_id) as touch_id, bool_or(w.computed_touch_id is not null) as computed_before
from catalogue.touched_month as t
cross join (values ('charging_session')) as f (fact)
left join catalogue.fact_window as w on w.fact = f.fact and w.month_date = t.month_date
where t.touch_id > coalesce(w.computed_touch_id, 0)
group by f.fact, t.month_date;
