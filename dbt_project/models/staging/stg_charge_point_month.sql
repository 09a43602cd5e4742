with source as (
    select * from {{ source('facts', 'charge_point_month') }}
),

renamed as (
    select
        month_date,
        provider_id,
        authority_id,
        power_class,
        registered_count,
        heard_from_count,
        online_count
    from source
)

select * from renamed
