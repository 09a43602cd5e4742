-- Officers: sessions, energy and revenue by day and provider.
\set day random(0, 334)
select start_date, provider_name, session_count, energy_kwh_total, revenue_total
from marts.network_use_day
where start_date >= date '2025-11-01' + :day and start_date < date '2025-11-01' + :day + 30
order by start_date, provider_name;
