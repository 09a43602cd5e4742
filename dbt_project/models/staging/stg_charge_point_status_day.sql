with source as (
    select * from {{ source('facts', 'charge_point_status_day') }}
),

renamed as (
    select
        charge_point_id,
        provider_id,
        authority_id,
        stream_id,
        status_date,
        day_seconds,
        available_seconds,
        blocked_seconds,
        charging_seconds,
        inoperative_seconds,
        outoforder_seconds,
        planned_seconds,
        removed_seconds,
        reserved_seconds,
        unknown_seconds,
        unreported_seconds,
        unobserved_seconds,
        event_count,
        confirmation_count,
        reports_use,
        flags,
        operational_pct,
        operational_of_known_pct,
        charging_pct,
        unknown_pct
    from source
)

select * from renamed
