{#- One row for each combination of the columns. -#}
{% test unique_grain(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as rows_found
    from {{ model }}
    group by all
    having count(*) > 1
{% endtest %}
