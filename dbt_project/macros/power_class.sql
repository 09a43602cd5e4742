{% macro power_class(rated_power_kw) -%}
    {#- Half-open classes in kW (DEFINITIONS 2); the same ones as in cic_assets/facts/charge_points.py. -#}
    case
        when {{ rated_power_kw }} < 8 then '0-8'
        when {{ rated_power_kw }} < 50 then '8-50'
        when {{ rated_power_kw }} < 150 then '50-150'
        when {{ rated_power_kw }} >= 150 then '150+'
        else 'unknown'
    end
{%- endmacro %}
