-- Officers: which charge points were out of order longest.
\set day random(0, 357)
select charge_point_id, location_name, sum(outoforder_seconds + inoperative_seconds) as down_seconds
from marts.charge_point_health_day
where status_date >= date '2025-11-01' + :day and status_date < date '2025-11-01' + :day + 7
group by charge_point_id, location_name
order by down_seconds desc
limit 20;
