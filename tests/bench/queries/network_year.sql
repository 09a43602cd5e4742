-- Officers: the monthly report's first page.
select month_date, provider_name, session_count, energy_kwh_total, revenue_total, operational_pct, uk_reliability_in_area_pct
from marts.network_overview_month
where month_date >= date '2025-11-01'
order by month_date, provider_name;
