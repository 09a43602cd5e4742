-- A view: a day is well or not by the days before it, which may be restated.
select
    days.status_date,
    days.stream_id,
    streams.provider_id,
    streams.authority_id,
    days.charge_point_count,
    days.entry_count,
    {{ pct('days.unknown_seconds', 'days.observed_seconds') }} as unknown_state_pct,
    {{ pct('days.unreported_seconds', 'days.observed_seconds') }} as unreported_pct,
    days.unknown_pct,
    days.only_state,
    days.is_dead
from {{ source('quality', 'feed_day') }} as days
left join {{ source('catalogue', 'stream') }} as streams
    on days.stream_id = streams.stream_id
