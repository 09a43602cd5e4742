-- A view: what became of an arrival's rows changes with every month that is computed.
select
    stream_id,
    arrival_date,
    rows_in,
    accepted,
    quarantined,
    skipped,
    in_facts,
    open,
    duplicates,
    superseded,
    unresolved
from {{ source('quality', 'reconciliation') }}
