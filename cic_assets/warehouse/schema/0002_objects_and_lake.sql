-- What is known of each delivery, which lake the warehouse speaks of, and which files that should have.

-- Personal fields that the delivery lacks: it is held, nothing of it is decoded until the stream file is mended.
alter table catalogue.object add column if not exists held_fields text[];
-- Fields that the stream file reads and the decoding lacks, which stays in use as the original is gone; null otherwise.
alter table catalogue.object add column if not exists missing_fields text[];

-- Of what another program put into `raw`: when it was written, by which a change is seen. Null: landed by us, once and for all.
alter table catalogue.object add column if not exists modified_at timestamptz;

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
