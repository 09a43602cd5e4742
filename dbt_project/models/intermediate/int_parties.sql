-- One name per provider and authority, whichever streams say it: the alphabetically first, so that it never flips.
-- Those that only the rows of a registry or hub name have none: marts show their id.
with parties as (
    select
        provider_id,
        authority_id,
        provider_name,
        authority_name
    from {{ source('catalogue', 'stream') }}
    union all
    select
        provider_id,
        authority_id,
        null as provider_name,
        null as authority_name
    from {{ source('facts', 'charge_point_month') }}
)

select
    provider_id,
    authority_id,
    min(provider_name) as provider_name,
    min(authority_name) as authority_name
from parties
group by provider_id, authority_id
