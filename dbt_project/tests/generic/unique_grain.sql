{#- One row for each combination of the columns; with `only_new`, among rows of extracts that no publication holds yet. -#}
{% test unique_grain(model, columns, only_new=false) %}
    select {{ columns | join(', ') }}, count(*) as rows_found
    from {{ model }}
    {%- if only_new %}
    where {{ is_of_new_extract() }}
    {%- endif %}
    group by all
    having count(*) > 1
{% endtest %}
