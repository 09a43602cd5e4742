-- Every charge point in any feed's sessions, status or registry, with its newest rating.
with mentions as (
    select
        charge_point_id,
        provider_id,
        authority_id,
        seen_in,
        first_date,
        last_date
    from {{ source('facts', 'charge_point_seen') }}
    union all
    select
        charge_point_id,
        provider_id,
        authority_id,
        null as seen_in,
        null::date as first_date,
        null::date as last_date
    from {{ source('facts', 'charge_point') }}
    where valid_to is null
),

charge_points as (
    select
        charge_point_id,
        min(provider_id) as provider_id,
        min(authority_id) as authority_id,
        min(first_date) filter (where seen_in = 'sessions') as first_session_date,
        max(last_date) filter (where seen_in = 'sessions') as last_session_date,
        min(first_date) filter (where seen_in = 'status') as first_status_date,
        max(last_date) filter (where seen_in = 'status') as last_status_date
    from mentions
    group by charge_point_id
)

select
    charge_points.charge_point_id,
    charge_points.provider_id,
    -- A hub's states and sessions come under the hub's own authority where they don't say another.
    coalesce(registry.authority_id, charge_points.authority_id) as authority_id,
    charge_points.first_session_date,
    charge_points.last_session_date,
    ratings.rated_power_kw,
    nullif(ratings.power_class, 'unknown') as power_class,
    charge_points.first_status_date,
    charge_points.last_status_date,
    registry.location_id,
    registry.location_name,
    registry.device_id,
    ratings.is_rapid,
    registry.charge_point_alias,
    registry.flags,
    registry.also_at,
    registry.sources,
    registry.ended_at,
    registry.tariff_ids
from charge_points
left join {{ source('facts', 'charge_point_rating') }} as ratings
    on charge_points.charge_point_id = ratings.charge_point_id and ratings.to_month is null
left join {{ source('facts', 'charge_point') }} as registry
    on charge_points.charge_point_id = registry.charge_point_id and registry.valid_to is null
