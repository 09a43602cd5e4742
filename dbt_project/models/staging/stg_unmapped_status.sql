with source as (
    select * from {{ source('quality', 'unmapped_status') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        source_status,
        row_count
    from source
)

select * from renamed
