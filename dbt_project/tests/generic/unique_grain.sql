{#-
    One row for each combination of the columns, and a value in every column of `never_null`; with `only_new_of`, among
    rows of extracts of a dataset that no publication holds yet. One test for all of that: each costs a night about a
    twentieth of a second, a scan and an entry in Dagster's history.
-#}
{% test unique_grain(model, columns, never_null=[], only_new_of=none) %}
    with tested as (

        {{ rows_of_new_extracts(model, only_new_of) }}

    )

    select {{ columns | join(', ') }}, count(*) as rows_found, null::varchar as columns_without_value
    from tested
    group by all
    having count(*) > 1
    {%- if never_null %}

    union all

    select
        {{ columns | join(', ') }},
        1 as rows_found,
        concat_ws(
            ', '
            {%- for column in never_null %},
            case when {{ column }} is null then '{{ column }}' end
            {%- endfor %}
        ) as columns_without_value
    from tested
    where {% for column in never_null %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
    {%- endif %}
{% endtest %}
