with source as (
    select * from {{ source('quality', 'unreadable_value') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        column_name,
        present_count,
        unreadable_count
    from source
)

select * from renamed
