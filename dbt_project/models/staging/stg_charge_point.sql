with source as (
    select * from {{ source('facts', 'charge_point') }}
),

renamed as (
    select
        charge_point_id,
        provider_id,
        authority_id,
        location_id,
        location_name,
        device_id,
        rated_power_kw,
        latitude,
        longitude,
        valid_from,
        valid_to,
        ended_at,
        charge_point_alias,
        flags,
        also_at,
        sources
    from source
)

select * from renamed
