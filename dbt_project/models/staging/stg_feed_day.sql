with source as (
    select * from {{ source('quality', 'feed_day') }}
),

renamed as (
    select
        stream_id,
        status_date,
        charge_point_count,
        entry_count,
        observed_seconds,
        unknown_seconds,
        unreported_seconds,
        unknown_pct,
        only_state,
        is_dead
    from source
)

select * from renamed
