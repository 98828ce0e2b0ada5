{#- The shares of each whole add to 100, but for what their rounding explains: `rounding` for every share. -#}
{% test shares_add_to_100(model, whole, share, rounding) %}
    select {{ whole }}, valid_from, sum({{ share }}) as added, count(*) as shares
    from {{ model }}
    group by all
    having abs(sum({{ share }}) - 100) > {{ rounding }} * count(*)
{% endtest %}
