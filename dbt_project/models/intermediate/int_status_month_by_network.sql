-- Seconds only: all charge points of a month are pooled first and divided once, in the mart.
with rated_days as (
    select
        days.*,
        ratings.is_rapid
    from {{ source('facts', 'charge_point_status_day') }} as days
    {{ join_ratings('days', 'status_date') }}
    where {{ in_window('days.status_date', 'month') }}
)

select
    date_trunc('month', status_date)::date as month_date,
    provider_id,
    authority_id,
    count(distinct charge_point_id) as charge_point_count,
    sum({{ status_denominator() }}) as denominator_seconds,
    sum({{ operational() }}) as operational_seconds,
    sum(inoperative_seconds + outoforder_seconds) as down_seconds,
    sum({{ unknown() }}) as unknown_seconds,
    -- A feed that says nothing of use has no part in the charging share.
    sum(case when reports_use then charging_seconds end) as charging_seconds,
    sum(case when reports_use then {{ status_denominator() }} end) as use_denominator_seconds,
    sum(case when is_rapid then {{ uk_reliable() }} end) as rapid_reliable_seconds,
    sum(case when is_rapid then {{ status_denominator() }} end) as rapid_denominator_seconds
from rated_days
group by 1, 2, 3
