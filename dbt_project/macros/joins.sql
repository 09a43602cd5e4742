{% macro join_parties(rows) -%}
    {#- Adds `parties`: the names of the rows' provider and authority. -#}
    left join {{ ref('int_parties') }} as parties
        on {{ rows }}.provider_id = parties.provider_id and {{ rows }}.authority_id = parties.authority_id
{%- endmacro %}

{% macro join_ratings(rows, date_column) -%}
    {#- Adds `ratings`: a charge point's power class and `is_rapid` at the end of a date's month. -#}
    left join {{ source('facts', 'charge_point_rating') }} as ratings
        on
            {{ rows }}.charge_point_id = ratings.charge_point_id
            and ratings.from_month <= {{ rows }}.{{ date_column }}
            and (ratings.to_month is null or ratings.to_month > {{ rows }}.{{ date_column }})
{%- endmacro %}
