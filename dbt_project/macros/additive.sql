{#- Whether values of a unit add up over periods: what happened in months can be summed to a year. -#}
{% macro is_additive(unit) -%}
    {{ unit }} in ('count', 'days', 'gbp_thousands', 'gbp_millions')
{%- endmacro %}
