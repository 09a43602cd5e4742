-- Officers: charge points registered and online, by month and power.
select month_date, power_class, sum(registered_count), sum(online_count)
from marts.charge_points_month
where month_date >= date '2025-11-01'
group by month_date, power_class
order by month_date, power_class;
