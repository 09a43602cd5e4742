{{ config(
    pre_hook="{{ delete_window('month_date', 'month') }}",
    indexes=[{'columns': ['month_date']}]
) }}

with sessions as (
    select * from {{ ref('int_session_month_by_network') }}
),

status as (
    select * from {{ ref('int_status_month_by_network') }}
),

-- A month has a row where there was a session or a day of status. The status columns are the same in each currency's
-- row of a provider and authority.
months as (
    select
        coalesce(sessions.month_date, status.month_date) as month_date,
        coalesce(sessions.provider_id, status.provider_id) as provider_id,
        coalesce(sessions.authority_id, status.authority_id) as authority_id,
        sessions.currency,
        coalesce(sessions.charge_point_count, 0) as charge_point_count,
        coalesce(sessions.session_count, 0) as session_count,
        coalesce(sessions.failed_session_count, 0) as failed_session_count,
        coalesce(sessions.flagged_session_count, 0) as flagged_session_count,
        coalesce(sessions.duration_seconds_total, 0) as duration_seconds_total,
        coalesce(sessions.energy_kwh_total, 0) as energy_kwh_total,
        coalesce(sessions.revenue_count, 0) as revenue_count,
        sessions.revenue_total,
        coalesce(status.charge_point_count, 0) as status_charge_point_count,
        status.denominator_seconds,
        status.operational_seconds,
        status.down_seconds,
        status.unknown_seconds,
        status.charging_seconds,
        status.use_denominator_seconds,
        status.rapid_reliable_seconds,
        status.rapid_denominator_seconds
    from sessions
    full outer join status
        on
            sessions.month_date = status.month_date
            and sessions.provider_id = status.provider_id
            and sessions.authority_id = status.authority_id
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
    {{ ratio('months.revenue_total', 'months.revenue_count') }} as revenue_mean,
    months.status_charge_point_count,
    months.denominator_seconds as status_denominator_seconds,
    {{ pct('months.operational_seconds', 'months.denominator_seconds') }} as operational_pct,
    {{ pct('months.operational_seconds', '(months.denominator_seconds - months.unknown_seconds)') }}
        as operational_of_known_pct,
    {{ pct('months.down_seconds', 'months.denominator_seconds') }} as down_pct,
    {{ pct('months.charging_seconds', 'months.use_denominator_seconds') }} as charging_pct,
    {{ pct('months.unknown_seconds', 'months.denominator_seconds') }} as unknown_pct,
    {{ pct('months.rapid_reliable_seconds', 'months.rapid_denominator_seconds') }} as uk_reliability_in_area_pct
from months
{{ join_parties('months') }}
