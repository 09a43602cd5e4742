{{ config(
    pre_hook="{{ delete_window('month_date', 'month') }}",
    indexes=[{'columns': ['month_date']}]
) }}

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
from {{ source('facts', 'charge_point_month') }} as counts
{{ join_parties('counts') }}
where {{ in_window('counts.month_date', 'month') }}
