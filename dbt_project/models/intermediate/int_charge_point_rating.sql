-- The registry's newest word on each charge point; "rapid" is tested on the device's power (AEVA 2018 s. 9).
with registry as (
    select * from {{ ref('stg_charge_point') }}
    where valid_to is null
),

devices as (
    select
        provider_id,
        device_id,
        max(rated_power_kw) as device_power_kw
    from registry
    group by provider_id, device_id
)

select
    registry.charge_point_id,
    registry.location_id,
    registry.location_name,
    registry.device_id,
    registry.rated_power_kw,
    {{ power_class('registry.rated_power_kw') }} as power_class,
    devices.device_power_kw >= 50 as is_rapid
from registry
left join devices
    on registry.provider_id = devices.provider_id and registry.device_id = devices.device_id
