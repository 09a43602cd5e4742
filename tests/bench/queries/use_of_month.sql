-- Officers: sessions, energy and revenue by day and provider.
\set day random(0, 334)
select start_date, provider_name, sum(session_count), sum(energy_kwh_total), sum(revenue_total)
from marts.session_statistics_day
where start_date >= date '2025-11-01' + :day and start_date < date '2025-11-01' + :day + 30
group by start_date, provider_name
order by start_date, provider_name;
