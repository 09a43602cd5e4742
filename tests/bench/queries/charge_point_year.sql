-- Analysts: one charge point's year.
select status_date, operational_pct, charging_pct, unknown_pct, flags
from marts.charge_point_health_day
where charge_point_id = :charge_point and status_date >= date '2025-11-01'
order by status_date;
