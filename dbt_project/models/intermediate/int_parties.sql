-- One name per provider and authority, whichever streams say it: the alphabetically first, so that it never flips.
with streams as (
    select * from {{ ref('stg_stream') }}
)

select
    provider_id,
    authority_id,
    min(provider_name) as provider_name,
    min(authority_name) as authority_name
from streams
group by provider_id, authority_id
