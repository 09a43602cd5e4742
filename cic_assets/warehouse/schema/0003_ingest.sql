-- Ingest: claims and failures, what each arrival brought, and what was left out or held.

-- The last day of a feed that has ended.
alter table catalogue.stream add column if not exists ends date;
-- Whether its rows are of several providers, and say of which.
alter table catalogue.stream add column if not exists is_hub boolean not null default false;

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

-- The version of a stream file with which accepted rows may leave, because somebody said so; `gone`: without any file.
create table if not exists catalogue.accepted_change (
  stream_id text primary key,
  fingerprint text not null,
  accepted_at timestamptz not null default now()
);

-- When the warehouse was made anew from the lake; unfinished while `finished_at` is null.
create table if not exists catalogue.rebuild (
  started_at timestamptz not null default now(),
  finished_at timestamptz
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

-- rows_in = accepted + quarantined + skipped (left out by the stream).
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

-- Of what could not be decoded: why.
alter table quality.quarantine add column if not exists detail text;
-- No samples of texts in Postgres' own statistics: a field may be declared personal later.
alter table quality.quarantine alter column raw set statistics 0, alter column detail set statistics 0;

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
