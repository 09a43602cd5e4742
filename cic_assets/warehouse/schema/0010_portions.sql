-- Objects of an arrival whose rows are made and replaced together (cic_assets/ingest/portions.py), as they were ingested
-- last. An arrival without any, as of a release before, is made anew as a whole.
create table catalogue.portion (
  stream_id text not null,
  arrival_date date not null,
  portion text not null,
  -- What its rows were made with.
  recipe text not null,
  -- SHA-256, and decoded records of each.
  objects text[] not null,
  record_counts bigint[] not null,
  -- What ingest counted of its rows (cic_assets/ingest/count.py).
  counts jsonb not null,
  primary key (stream_id, arrival_date, portion)
);
alter table quality.quarantine add column portion text;
alter table quality.delivery add column portion text;
