{{ config(materialized='view') }}

-- All charge points of a provider and authority together: dashboards ask for days of the network, not of its parts.
with days as (
    select
        status_date,
        provider_id,
        authority_id,
        sum(charge_point_count)::bigint as charge_point_count,
        sum(day_seconds) as day_seconds,
        sum(available_seconds) as available_seconds,
        sum(blocked_seconds) as blocked_seconds,
        sum(charging_seconds) as charging_seconds,
        sum(inoperative_seconds) as inoperative_seconds,
        sum(outoforder_seconds) as outoforder_seconds,
        sum(planned_seconds) as planned_seconds,
        sum(removed_seconds) as removed_seconds,
        sum(reserved_seconds) as reserved_seconds,
        sum(unknown_seconds) as unknown_seconds,
        sum(unreported_seconds) as unreported_seconds,
        sum(receiver_seconds) as receiver_seconds,
        sum(unobserved_seconds) as unobserved_seconds,
        sum(use_denominator_seconds) as use_denominator_seconds,
        sum(use_charging_seconds) as use_charging_seconds
    from {{ source('facts', 'network_status_day') }}
    group by status_date, provider_id, authority_id
)

select
    days.status_date,
    days.provider_id,
    parties.provider_name,
    days.authority_id,
    parties.authority_name,
    days.charge_point_count,
    days.day_seconds,
    days.available_seconds,
    days.blocked_seconds,
    days.charging_seconds,
    days.inoperative_seconds,
    days.outoforder_seconds,
    days.planned_seconds,
    days.removed_seconds,
    days.reserved_seconds,
    days.unknown_seconds,
    days.unreported_seconds,
    days.receiver_seconds,
    days.unobserved_seconds,
    {{ pct(operational('days.'), status_denominator('days.')) }} as operational_pct,
    {{ pct(
        operational('days.'),
        '(' ~ status_denominator('days.') ~ ' - ' ~ unknown('days.') ~ ')'
    ) }} as operational_of_known_pct,
    {{ pct('days.use_charging_seconds', 'days.use_denominator_seconds') }} as charging_pct,
    {{ pct(unknown('days.'), status_denominator('days.')) }} as unknown_pct
from days
{{ join_parties('days') }}
