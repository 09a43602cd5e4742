{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    pre_hook="{{ delete_window('month_date', 'month') }}",
    indexes=[{'columns': ['month_date']}]
) }}

with months as (
    select * from {{ ref('int_session_month_by_network') }}
),

parties as (
    select * from {{ ref('int_parties') }}
)

select
    months.month_date,
    months.provider_id,
    parties.provider_name,
    months.authority_id,
    parties.authority_name,
    months.currency,
    months.charge_point_count,
    months.session_count,
    months.failed_session_count,
    {{ pct('months.failed_session_count', 'months.session_count') }} as failed_session_pct,
    months.flagged_session_count,
    months.duration_seconds_total,
    {{ ratio('months.duration_seconds_total', 'months.session_count') }} as duration_seconds_mean,
    months.energy_kwh_total,
    {{ ratio('months.energy_kwh_total', '(months.session_count - months.failed_session_count)') }} as energy_kwh_mean,
    months.revenue_count,
    months.revenue_total,
    {{ ratio('months.revenue_total', 'months.revenue_count') }} as revenue_mean
from months
left join parties
    on months.provider_id = parties.provider_id and months.authority_id = parties.authority_id
