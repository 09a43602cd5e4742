{% macro in_window(column) -%}
    {{ column }} >= date '{{ var("window_start") }}' and {{ column }} < date '{{ var("window_end") }}'
{%- endmacro %}

{% macro delete_window(column) -%}
    {#- A pre-hook runs in the model's transaction: readers see the old window or the new one. delete+insert by key
        would keep dates that have no rows any more. -#}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ in_window(column) }}
    {%- endif -%}
{%- endmacro %}

{% macro pct(part, whole) -%}
    round(100.0 * {{ part }} / nullif({{ whole }}, 0), 6)
{%- endmacro %}

{% macro ratio(part, whole) -%}
    round({{ part }} / nullif({{ whole }}, 0)::numeric, 6)
{%- endmacro %}
