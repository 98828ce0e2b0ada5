{#- The first months of periods in words: `May 2014, the quarter from July 2014`. -#}
{% macro periods_in_words(starts, period_type) -%}
    array_to_string(
            list_transform(
                {{ starts }},
                first_day -> case {{ period_type }} when 'quarter' then 'the quarter from ' else '' end
                || strftime(first_day, '%B %Y')
            ), ', '
        )
{%- endmacro %}
