select
    provider_id,
    coalesce(min(provider_name), provider_id) as provider_name
from {{ ref('int_parties') }}
group by provider_id
