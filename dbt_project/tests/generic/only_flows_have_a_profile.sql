{#-
    Only what adds up over a year is spread over it: a plan of a percentage, a rate, an average or a stock is compared
    with the year to date as it stands, and a profile on it, or on a plan of less than a year, is a mistake.
-#}
{% test only_flows_have_a_profile(model) %}
    select
        {{ model.identifier }}.indicator_id,
        {{ model.identifier }}.period_type,
        {{ model.identifier }}.profile,
        indicators.unit,
        indicators.is_stock
    from {{ model }}
    inner join {{ ref('indicators') }} as indicators using (indicator_id)
    where
        {{ model.identifier }}.profile is not null
        and (
            {{ model.identifier }}.period_type <> 'financial_year'
            or indicators.is_stock
            or not {{ is_additive('indicators.unit') }}
        )
{% endtest %}
