-- Officers: how much of the network worked, day by day, for each provider.
\set day random(0, 334)
select
    status_date,
    provider_name,
    sum(available_seconds + charging_seconds + reserved_seconds) as operational_seconds,
    sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds) as denominator_seconds
from marts.charge_point_health_day
where status_date >= date '2025-11-01' + :day and status_date < date '2025-11-01' + :day + 30
group by status_date, provider_name
order by status_date, provider_name;
