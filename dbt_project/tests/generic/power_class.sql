{% test power_class(model, column_name) %}
    -- The classes of numbers.md 2, and what nobody says.
    select * from {{ model }}
    where {{ column_name }} not in ('0-8', '8-50', '50-150', '150+', 'unknown')
{% endtest %}
