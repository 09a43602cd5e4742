-- All: what to choose from.
select charge_point_id, provider_id, location_name, power_class, last_session_date, last_status_date
from marts.dim_charge_point
order by charge_point_id;
