with source as (
    select * from {{ source('quality', 'ingest_count') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        rows_in,
        accepted,
        quarantined,
        skipped,
        held
    from source
)

select * from renamed
