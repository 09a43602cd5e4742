-- One name per provider and authority, whichever streams say it: the alphabetically first, so that it never flips.
-- Those that only the rows of a registry or hub name have none: marts show their id.
with streams as (
    select * from {{ ref('stg_stream') }}
),

counted as (
    select * from {{ ref('stg_charge_point_month') }}
),

parties as (
    select
        provider_id,
        authority_id,
        provider_name,
        authority_name
    from streams
    union all
    select
        provider_id,
        authority_id,
        null as provider_name,
        null as authority_name
    from counted
)

select
    provider_id,
    authority_id,
    min(provider_name) as provider_name,
    min(authority_name) as authority_name
from parties
group by provider_id, authority_id
