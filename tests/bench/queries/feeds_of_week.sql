-- Data engineers: which feeds are late, unknown or dead.
\set day random(0, 357)
select status_date, stream_id, unknown_pct, unreported_pct, is_dead
from marts.feed_health_day
where status_date >= date '2025-11-01' + :day and status_date < date '2025-11-01' + :day + 7
order by status_date, stream_id;
