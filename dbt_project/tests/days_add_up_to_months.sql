{{ config(meta={'dagster': {'ref': {'name': 'network_overview_month'}}}) }}

-- The overview pools the same sessions as the daily statistics: per month, provider, authority and currency.
with days as (
    select
        date_trunc('month', start_date)::date as month_date,
        provider_id,
        authority_id,
        currency,
        sum(session_count) as session_count,
        sum(energy_kwh_total) as energy_kwh_total
    from {{ ref('session_statistics_day') }}
    where {{ in_window('start_date', 'month') }}
    group by 1, 2, 3, 4
),

months as (
    select
        month_date,
        provider_id,
        authority_id,
        currency,
        session_count,
        energy_kwh_total
    from {{ ref('network_overview_month') }}
    where {{ in_window('month_date', 'month') }} and session_count > 0
),

differences as (
    (
        select * from days
        except
        select * from months
    )
    union all
    (
        select * from months
        except
        select * from days
    )
)

select * from differences
