{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- A mart's schema is `marts` for everybody who queries it, not <target>_marts. -#}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
