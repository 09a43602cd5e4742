-- An arrival has one row: who may replace its rows, as what it was ingested last, which accepted rows are known of it,
-- and of a status stream, from when and up to when it covers time.
create table catalogue.arrival (
  stream_id text not null,
  arrival_date date not null,
  -- The newest claim may replace it.
  claim_id bigint,
  -- What the last ingest read, and with which stream file; null before the first and while a swap is under way.
  fingerprint text,
  ingested_at timestamptz,
  run_id text,
  first_at timestamptz,
  cover_at timestamptz,
  -- The accepted rows that this warehouse knows, and those that an ingest was about to put in their place: others in the
  -- lake are of another warehouse, one that was lost or restored from an older dump.
  accepted_digest text,
  intended_digest text,
  primary key (stream_id, arrival_date)
);
insert into catalogue.arrival
select stream_id, arrival_date, c.claim_id, i.fingerprint, i.ingested_at, i.run_id, s.first_at, s.cover_at,
  c.accepted_digest, c.intended_digest
from catalogue.arrival_claim as c
full join catalogue.ingest as i using (stream_id, arrival_date)
full join catalogue.stream_cover as s using (stream_id, arrival_date);
drop table catalogue.arrival_claim, catalogue.ingest, catalogue.stream_cover;

-- Dates whose edges are old are touched like any other period; they are due until somebody has renewed them.
insert into catalogue.touched_period (fact, stream_id, period_date, touch_id)
select 'charge_point_edge', 'edges', event_date, touch_id from catalogue.stale_edge;
drop table catalogue.stale_edge;
