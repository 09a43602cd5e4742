{# numbers.md 2, Measures: all are a sum over D, the time that was observed, neither planned nor removed, and that our
   own receiver did not lose. #}
{% macro status_denominator(prefix='') -%}
    ({{ prefix }}day_seconds - {{ prefix }}unobserved_seconds - {{ prefix }}planned_seconds - {{ prefix }}removed_seconds
    - {{ prefix }}receiver_seconds)
{%- endmacro %}

{% macro unknown(prefix='') -%}
    ({{ prefix }}unknown_seconds + {{ prefix }}unreported_seconds - {{ prefix }}receiver_seconds)
{%- endmacro %}

{% macro operational(prefix='') -%}
    ({{ prefix }}available_seconds + {{ prefix }}charging_seconds + {{ prefix }}reserved_seconds)
{%- endmacro %}

{% macro uk_reliable(prefix='') -%}
    {#- After SI 2023/1168 reg. 7; opening hours are not known yet, so all hours count. -#}
    ({{ prefix }}available_seconds + {{ prefix }}charging_seconds + {{ prefix }}reserved_seconds
    + {{ prefix }}blocked_seconds + {{ unknown(prefix) }})
{%- endmacro %}
