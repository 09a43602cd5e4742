{{ config(materialized='view') }}

select
    days.start_date,
    days.provider_id,
    parties.provider_name,
    days.authority_id,
    parties.authority_name,
    days.currency,
    days.charge_point_count,
    days.session_count,
    days.failed_session_count,
    {{ pct('days.failed_session_count', 'days.session_count') }} as failed_session_pct,
    days.duration_seconds_total,
    {{ ratio('days.duration_seconds_total', 'days.session_count') }} as duration_seconds_mean,
    days.energy_kwh_total,
    {{ ratio('days.energy_kwh_total', '(days.session_count - days.failed_session_count)') }} as energy_kwh_mean,
    days.revenue_count,
    days.revenue_total,
    {{ ratio('days.revenue_total', 'days.revenue_count') }} as revenue_mean
from {{ source('facts', 'network_session_day') }} as days
{{ join_parties('days') }}
