with source as (
    select * from {{ source('facts', 'charging_session_day') }}
),

renamed as (
    select
        stream_id,
        charge_point_id,
        provider_id,
        authority_id,
        start_date,
        currency,
        session_count,
        failed_session_count,
        duration_seconds_min,
        duration_seconds_mean,
        duration_seconds_max,
        duration_seconds_total,
        energy_kwh_min,
        energy_kwh_mean,
        energy_kwh_max,
        energy_kwh_total,
        revenue_count,
        revenue_min,
        revenue_mean,
        revenue_max,
        revenue_total
    from source
)

select * from renamed
