-- Sums only: months are pooled first and divided once, in the mart.
with flagged as (
    select
        date_trunc('month', start_date)::date as month_date,
        provider_id,
        authority_id,
        currency,
        count(*) as flagged_session_count
    from {{ source('facts', 'charging_session') }}
    where
        {{ in_window('start_date', 'month') }}
        and cardinality(flags) > 0
        and is_counted
    group by 1, 2, 3, 4
),

pooled as (
    select
        date_trunc('month', start_date)::date as month_date,
        provider_id,
        authority_id,
        currency,
        count(distinct charge_point_id) as charge_point_count,
        sum(session_count)::bigint as session_count,
        sum(failed_session_count)::bigint as failed_session_count,
        sum(duration_seconds_total) as duration_seconds_total,
        sum(energy_kwh_total) as energy_kwh_total,
        sum(revenue_count)::bigint as revenue_count,
        sum(revenue_total) as revenue_total
    from {{ source('facts', 'charging_session_day') }}
    where {{ in_window('start_date', 'month') }}
    group by 1, 2, 3, 4
)

select
    pooled.*,
    coalesce(flagged.flagged_session_count, 0) as flagged_session_count
from pooled
left join flagged
    on
        pooled.month_date = flagged.month_date
        and pooled.provider_id = flagged.provider_id
        and pooled.authority_id = flagged.authority_id
        and pooled.currency is not distinct from flagged.currency
