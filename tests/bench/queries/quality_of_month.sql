-- Data engineers: what was rejected.
\set day random(0, 334)
select *
from marts.data_quality_day
where arrival_date >= date '2025-11-01' + :day and arrival_date < date '2025-11-01' + :day + 30
order by arrival_date, stream_id;
