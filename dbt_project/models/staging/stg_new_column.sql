with source as (
    select * from {{ source('quality', 'new_column') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        column_name
    from source
)

select * from renamed
