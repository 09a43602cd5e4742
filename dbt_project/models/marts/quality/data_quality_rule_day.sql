{{ config(
    pre_hook="{{ delete_window('arrival_date') }}",
    indexes=[{'columns': ['arrival_date']}]
) }}

select
    fired.arrival_date,
    fired.stream_id,
    fired.rule_id,
    fired.severity,
    rules.message,
    fired.row_count,
    {{ pct('fired.row_count', 'ingested.rows_in') }} as row_pct
from {{ source('quality', 'rule_count') }} as fired
inner join {{ source('quality', 'ingest_count') }} as ingested
    on fired.stream_id = ingested.stream_id and fired.arrival_date = ingested.arrival_date
left join {{ source('quality', 'rule') }} as rules
    on fired.rule_id = rules.rule_id
where {{ in_window('fired.arrival_date') }}
