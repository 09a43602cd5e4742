-- What became of accepted rows stands in one table for all facts, and which streams' rows end in facts stands beside the stream.

create table quality.outcome (
  fact text not null,
  stream_id text not null,
  arrival_date date not null,
  -- The month or local day of the fact in which the rows are.
  period_date date not null,
  outcome text not null check (outcome in ('in_facts', 'open', 'duplicates', 'superseded')),
  row_count bigint not null,
  -- In this order, as a swap replaces some periods of one fact.
  primary key (fact, period_date, stream_id, arrival_date, outcome)
);
insert into quality.outcome
select 'charging_session', d.stream_id, d.arrival_date, d.month_date, o.outcome, o.row_count
from quality.disposition as d
cross join lateral (
  values ('in_facts', d.in_facts), ('open', d.open), ('duplicates', d.duplicates), ('superseded', d.superseded)
) as o (outcome, row_count)
where o.row_count > 0
union all
select 'charge_point_status', d.stream_id, d.arrival_date, d.status_date, o.outcome, o.row_count
from quality.status_disposition as d
cross join lateral (
  values ('in_facts', d.in_facts), ('duplicates', d.duplicates), ('superseded', d.superseded)
) as o (outcome, row_count)
where o.row_count > 0;

-- False where no fact is made of the stream's rows: the registry is.
alter table catalogue.stream add column has_facts boolean not null default true;
update catalogue.stream set has_facts = false where kind = 'locations';

-- rows_in = in_facts + quarantined + skipped + open + duplicates + superseded + unresolved; unresolved is what belongs to months
-- or days that were not computed since. Rows of streams without facts are where they belong once they are accepted.
create or replace view quality.reconciliation as
select
  i.stream_id,
  i.arrival_date,
  i.rows_in,
  i.accepted,
  i.quarantined,
  (case when s.has_facts is false then i.accepted else coalesce(o.in_facts, 0) end)::bigint as in_facts,
  coalesce(o.open, 0)::bigint as open,
  coalesce(o.duplicates, 0)::bigint as duplicates,
  coalesce(o.superseded, 0)::bigint as superseded,
  (case when s.has_facts is false then 0 else i.accepted - coalesce(o.placed, 0) end)::bigint as unresolved,
  -- Last: a view is replaced with its old columns in place.
  i.skipped
from quality.ingest_count as i
left join catalogue.stream as s using (stream_id)
left join (
  select
    stream_id,
    arrival_date,
    sum(row_count) as placed,
    sum(row_count) filter (where outcome = 'in_facts') as in_facts,
    sum(row_count) filter (where outcome = 'open') as open,
    sum(row_count) filter (where outcome = 'duplicates') as duplicates,
    sum(row_count) filter (where outcome = 'superseded') as superseded
  from quality.outcome
  group by stream_id, arrival_date
) as o using (stream_id, arrival_date);
drop table quality.disposition, quality.status_disposition;
