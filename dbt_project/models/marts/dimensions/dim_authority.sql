select
    authority_id,
    coalesce(min(authority_name), authority_id) as authority_name
from {{ ref('int_parties') }}
group by authority_id
