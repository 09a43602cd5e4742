{{ config(materialized='view') }}

-- A view: ratings and sites change with the registry, days don't.
select
    days.status_date,
    days.charge_point_id,
    days.provider_id,
    parties.provider_name,
    days.authority_id,
    parties.authority_name,
    days.stream_id,
    registry.location_name,
    coalesce(ratings.power_class, 'unknown') as power_class,
    ratings.is_rapid,
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
    days.event_count,
    days.confirmation_count,
    days.operational_pct,
    days.operational_of_known_pct,
    days.charging_pct,
    days.unknown_pct,
    case
        when ratings.is_rapid then {{ pct(uk_reliable('days.'), status_denominator('days.')) }}
    end as uk_reliability_in_area_pct,
    days.flags
from {{ source('facts', 'charge_point_status_day') }} as days
left join {{ source('facts', 'charge_point') }} as registry
    on days.charge_point_id = registry.charge_point_id and registry.valid_to is null
{{ join_ratings('days', 'status_date') }}
{{ join_parties('days') }}
