{{ config(materialized='view') }}

-- A view: ratings and sites change with the registry, days don't.
with days as (
    select * from {{ ref('stg_charge_point_status_day') }}
),

parties as (
    select * from {{ ref('int_parties') }}
),

ratings as (
    select * from {{ ref('stg_charge_point_rating') }}
),

registry as (
    select * from {{ ref('stg_charge_point') }}
    where valid_to is null
)

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
from days
left join parties
    on days.provider_id = parties.provider_id and days.authority_id = parties.authority_id
left join registry
    on days.charge_point_id = registry.charge_point_id
left join ratings
    on {{ rated_in_month('ratings', 'days', 'status_date') }}
