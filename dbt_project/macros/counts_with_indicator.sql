{#-
    The counts of a dataset, each with its indicator. Which extract counts for an organisation, and whether it has a
    figure at all, is decided in the model of the counts.
-#}
{% macro counts_with_indicator(dataset) -%}
    select
        indicators.indicator_id,
        indicators.measure,
        counts.* exclude (measure)
    from {{ ref('int_' ~ dataset ~ '__indicator_counts') }} as counts
    inner join {{ ref('indicators') }} as indicators
        on counts.measure = indicators.measure and indicators.dataset = '{{ dataset }}'
{%- endmacro %}
