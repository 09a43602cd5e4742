with source as (
    select * from {{ source('catalogue', 'stream') }}
),

renamed as (
    select
        stream_id,
        kind,
        provider_id,
        provider_name,
        authority_id,
        authority_name,
        zone,
        licence
    from source
)

select * from renamed
