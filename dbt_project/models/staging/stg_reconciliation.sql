with source as (
    select * from {{ source('quality', 'reconciliation') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        rows_in,
        accepted,
        quarantined,
        skipped,
        in_facts,
        open,
        duplicates,
        superseded,
        unresolved
    from source
)

select * from renamed
