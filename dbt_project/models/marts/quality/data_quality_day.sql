{{ config(
    pre_hook="{{ delete_window('arrival_date') }}",
    indexes=[{'columns': ['arrival_date']}]
) }}

with unmapped as (
    select
        stream_id,
        arrival_date,
        sum(row_count)::bigint as unmapped_status_count,
        string_agg(source_status, ', ' order by source_status) as unmapped_status_words
    from {{ source('quality', 'unmapped_status') }}
    group by stream_id, arrival_date
),

new_columns as (
    select
        stream_id,
        arrival_date,
        string_agg(column_name, ', ' order by column_name) as new_columns
    from {{ source('quality', 'new_column') }}
    group by stream_id, arrival_date
),

unreadable as (
    select
        stream_id,
        arrival_date,
        string_agg(
            column_name || ' ' || unreadable_count || ' of ' || present_count, ', ' order by column_name
        ) as unreadable_values
    from {{ source('quality', 'unreadable_value') }}
    group by stream_id, arrival_date
)

select
    ingested.arrival_date,
    ingested.stream_id,
    ingested.rows_in,
    ingested.accepted,
    ingested.quarantined,
    ingested.skipped,
    {{ pct('ingested.quarantined', 'ingested.rows_in') }} as quarantined_pct,
    streams.kind,
    case when streams.kind = 'status' then coalesce(unmapped.unmapped_status_count, 0) end as unmapped_status_count,
    unmapped.unmapped_status_words,
    covers.cover_at as covers_until_at,
    new_columns.new_columns,
    unreadable.unreadable_values,
    ingested.held
from {{ source('quality', 'ingest_count') }} as ingested
left join {{ source('catalogue', 'stream') }} as streams
    on ingested.stream_id = streams.stream_id
left join unmapped
    on ingested.stream_id = unmapped.stream_id and ingested.arrival_date = unmapped.arrival_date
left join {{ source('catalogue', 'arrival') }} as covers
    on ingested.stream_id = covers.stream_id and ingested.arrival_date = covers.arrival_date
left join new_columns
    on ingested.stream_id = new_columns.stream_id and ingested.arrival_date = new_columns.arrival_date
left join unreadable
    on ingested.stream_id = unreadable.stream_id and ingested.arrival_date = unreadable.arrival_date
where {{ in_window('ingested.arrival_date') }}
