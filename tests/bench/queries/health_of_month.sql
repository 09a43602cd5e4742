-- Officers: how much of the network worked, day by day, for each provider.
\set day random(0, 334)
select status_date, provider_name, operational_pct, charging_pct, unknown_pct
from marts.network_health_day
where status_date >= date '2025-11-01' + :day and status_date < date '2025-11-01' + :day + 30
order by status_date, provider_name;
