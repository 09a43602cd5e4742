{% test holds(model, expression) %}
    -- Rows for which an arithmetic identity is false; null is not false.
    select * from {{ model }}
    where not ({{ expression }})
{% endtest %}
