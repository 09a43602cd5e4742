{{ config(
    pre_hook="{{ delete_window('month_date', 'month') }}",
    indexes=[{'columns': ['month_date']}]
) }}

with counts as (
    select * from {{ ref('stg_charge_point_month') }}
    where {{ in_window('month_date', 'month') }}
),

parties as (
    select * from {{ ref('int_parties') }}
)

select
    counts.month_date,
    counts.provider_id,
    parties.provider_name,
    counts.authority_id,
    parties.authority_name,
    counts.power_class,
    counts.registered_count,
    counts.heard_from_count,
    counts.online_count
from counts
left join parties
    on counts.provider_id = parties.provider_id and counts.authority_id = parties.authority_id
