with source as (
    select * from {{ source('facts', 'charge_point_rating') }}
),

renamed as (
    select
        charge_point_id,
        from_month,
        to_month,
        rated_power_kw,
        device_power_kw,
        power_class,
        is_rapid,
        rating_source
    from source
)

select * from renamed
