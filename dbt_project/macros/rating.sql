{% macro rated_in_month(ratings, points, date_column) -%}
    {#- Joins a charge point's rating at the end of a date's month: the one that all marts show. -#}
    {{ points }}.charge_point_id = {{ ratings }}.charge_point_id
    and {{ ratings }}.from_month <= {{ points }}.{{ date_column }}
    and (
        {{ ratings }}.to_month is null
        or {{ ratings }}.to_month > {{ points }}.{{ date_column }}
    )
{%- endmacro %}
