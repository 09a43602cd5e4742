select
    authority_id,
    min(authority_name) as authority_name
from {{ ref('int_parties') }}
group by authority_id
