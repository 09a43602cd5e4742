with source as (
    select * from {{ source('facts', 'charging_session') }}
),

renamed as (
    select
        session_id,
        charge_point_id,
        provider_id,
        authority_id,
        stream_id,
        start_date,
        rated_power_kw,
        currency,
        flags,
        is_counted
    from source
)

select * from renamed
