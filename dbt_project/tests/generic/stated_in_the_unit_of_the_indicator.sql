{#- Every row is in the unit that the catalogue gives its indicator. -#}
{% test stated_in_the_unit_of_the_indicator(model) %}
    select {{ model.identifier }}.indicator_id, {{ model.identifier }}.unit, indicators.unit as unit_of_indicator
    from {{ model }}
    inner join {{ ref('indicators') }} as indicators using (indicator_id)
    where {{ model.identifier }}.unit is distinct from indicators.unit
{% endtest %}
