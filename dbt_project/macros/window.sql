{% macro in_window(column, unit='day') -%}
    {#- `month` widens to whole months: a part of a month can't replace a month's row. -#}
    {%- set start, end = var("window_start") | string, var("window_end") | string -%}
    {%- if unit == 'month' -%}
        {{ column }} >= date_trunc('month', timestamp '{{ start }}')::date
        and {{ column }} < (date_trunc('month', timestamp '{{ end }}' - interval '1 day') + interval '1 month')::date
    {%- else -%}
        {{ column }} >= date '{{ start }}' and {{ column }} < date '{{ end }}'
    {%- endif -%}
{%- endmacro %}

{% macro delete_window(column, unit='day') -%}
    {#- A pre-hook runs in the model's transaction: readers see the old window or the new one. delete+insert by key
        would keep dates that have no rows any more. Without the lock, two runs of one window insert it twice; readers
        don't wait for it. -#}
    {%- if is_incremental() -%}
        lock table {{ this }} in share row exclusive mode;
        delete from {{ this }} where {{ in_window(column, unit) }}
    {%- endif -%}
{%- endmacro %}

{% macro pct(part, whole) -%}
    round(100.0 * {{ part }} / nullif({{ whole }}, 0), 6)
{%- endmacro %}

{% macro ratio(part, whole) -%}
    round({{ part }} / nullif({{ whole }}, 0)::numeric, 6)
{%- endmacro %}
