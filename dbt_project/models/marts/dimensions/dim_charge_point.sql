-- Every charge point that any feed spoke of, with its newest rating.
with sessions as (
    select * from {{ ref('stg_charging_session') }}
),

days as (
    select * from {{ ref('stg_charge_point_status_day') }}
),

ratings as (
    select * from {{ ref('stg_charge_point_rating') }}
    where to_month is null
),

registry as (
    select * from {{ ref('stg_charge_point') }}
    where valid_to is null
),

words as (
    select
        charge_point_id,
        provider_id,
        authority_id,
        start_date as session_date,
        null::date as status_date
    from sessions
    union all
    select
        charge_point_id,
        provider_id,
        authority_id,
        null::date as session_date,
        case when unobserved_seconds < day_seconds then status_date end as status_date
    from days
    union all
    select
        charge_point_id,
        provider_id,
        authority_id,
        null::date,
        null::date
    from registry
),

charge_points as (
    select
        charge_point_id,
        min(provider_id) as provider_id,
        min(authority_id) as authority_id,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date,
        min(status_date) as first_status_date,
        max(status_date) as last_status_date
    from words
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
    registry.ended_at
from charge_points
left join ratings on charge_points.charge_point_id = ratings.charge_point_id
left join registry on charge_points.charge_point_id = registry.charge_point_id
