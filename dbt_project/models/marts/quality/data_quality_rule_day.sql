{{ config(
    pre_hook="{{ delete_window('arrival_date') }}",
    indexes=[{'columns': ['arrival_date']}]
) }}

with fired as (
    select * from {{ ref('stg_rule_count') }}
    where {{ in_window('arrival_date') }}
),

ingested as (
    select * from {{ ref('stg_ingest_count') }}
),

rules as (
    select * from {{ ref('stg_rule') }}
)

select
    fired.arrival_date,
    fired.stream_id,
    fired.rule_id,
    fired.severity,
    rules.message,
    fired.row_count,
    {{ pct('fired.row_count', 'ingested.rows_in') }} as row_pct
from fired
inner join ingested
    on fired.stream_id = ingested.stream_id and fired.arrival_date = ingested.arrival_date
left join rules on fired.rule_id = rules.rule_id
