with sessions as (
    select * from {{ ref('stg_charging_session') }}
),

charge_points as (
    select
        charge_point_id,
        min(provider_id) as provider_id,
        min(authority_id) as authority_id,
        min(start_date) as first_session_date,
        max(start_date) as last_session_date,
        max(rated_power_kw) as rated_power_kw
    from sessions
    group by charge_point_id
)

select
    charge_point_id,
    provider_id,
    authority_id,
    first_session_date,
    last_session_date,
    rated_power_kw,
    case
        when rated_power_kw < 8 then '0-8'
        when rated_power_kw < 50 then '8-50'
        when rated_power_kw < 150 then '50-150'
        when rated_power_kw >= 150 then '150+'
    end as power_class
from charge_points
