{% macro window_bound(name, default) -%}
    {#- A bound of the half-open window of local dates: a var, as unit tests give it; else a setting of the session, as
        a run gives it in PGOPTIONS, so that the SQL is the same for every window and dbt parses the project once;
        without either, everything. -#}
    {%- set said = var(name, none) -%}
    {%- if said is not none -%}
        timestamp '{{ said }}'
    {%- else -%}
        coalesce(nullif(current_setting('cic.{{ name }}', true), ''), '{{ default }}')::timestamp
    {%- endif -%}
{%- endmacro %}

{% macro in_window(column, unit='day') -%}
    {#- `month` widens to whole months: a part of a month can't replace a month's row. -#}
    {%- set start, end = window_bound('window_start', '2010-01-01'), window_bound('window_end', '2100-01-01') -%}
    {%- if unit == 'month' -%}
        {{ column }} >= date_trunc('month', {{ start }})::date
        and {{ column }} < (date_trunc('month', {{ end }} - interval '1 day') + interval '1 month')::date
    {%- else -%}
        {{ column }} >= ({{ start }})::date and {{ column }} < ({{ end }})::date
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
