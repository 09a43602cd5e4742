{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    pre_hook="{{ delete_window('arrival_date') }}",
    indexes=[{'columns': ['arrival_date']}]
) }}

select
    arrival_date,
    stream_id,
    rows_in,
    accepted,
    quarantined,
    {{ pct('quarantined', 'rows_in') }} as quarantined_pct
from {{ ref('stg_ingest_count') }}
where {{ in_window('arrival_date') }}
