with source as (
    select * from {{ source('quality', 'delivery') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        delivery,
        file_names,
        row_count,
        charge_point_count,
        median_kwh,
        median_kw,
        is_held,
        findings,
        finding_texts
    from source
)

select * from renamed
