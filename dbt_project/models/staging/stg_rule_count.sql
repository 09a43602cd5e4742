with source as (
    select * from {{ source('quality', 'rule_count') }}
),

renamed as (
    select
        stream_id,
        arrival_date,
        rule_id,
        severity,
        row_count
    from source
)

select * from renamed
