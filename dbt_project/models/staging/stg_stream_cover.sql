with source as (
    select * from {{ source('catalogue', 'stream_cover') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        cover_at
    from source
)

select * from renamed
