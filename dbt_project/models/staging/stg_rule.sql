with source as (
    select * from {{ source('quality', 'rule') }}
),

renamed as (
    select
        rule_id,
        message
    from source
)

select * from renamed
