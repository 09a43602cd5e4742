{{ config(
    pre_hook="{{ delete_window('start_date', 'month') }}",
    indexes=[{'columns': ['start_date']}]
) }}

select
    days.start_date,
    days.stream_id,
    days.charge_point_id,
    days.provider_id,
    parties.provider_name,
    days.authority_id,
    parties.authority_name,
    days.currency,
    days.session_count,
    days.failed_session_count,
    {{ pct('days.failed_session_count', 'days.session_count') }} as failed_session_pct,
    days.duration_seconds_min,
    days.duration_seconds_mean,
    days.duration_seconds_max,
    days.duration_seconds_total,
    days.energy_kwh_min,
    days.energy_kwh_mean,
    days.energy_kwh_max,
    days.energy_kwh_total,
    days.revenue_count,
    days.revenue_min,
    days.revenue_mean,
    days.revenue_max,
    days.revenue_total
from {{ source('facts', 'charging_session_day') }} as days
{{ join_parties('days') }}
where {{ in_window('days.start_date', 'month') }}
