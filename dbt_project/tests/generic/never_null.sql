{#- Rows that lack a value in one of the columns, with the names of those. One test for all columns of a model: each test
    costs a scan and an entry in Dagster's history. -#}
{% test never_null(model, columns) %}
    select
        concat_ws(
            ', '
            {%- for column in columns %},
            case when {{ column }} is null then '{{ column }}' end
            {%- endfor %}
        ) as columns_without_value,
        *
    from {{ model }}
    where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
