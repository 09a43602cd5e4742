select
    provider_id,
    min(provider_name) as provider_name
from {{ ref('int_parties') }}
group by provider_id
