{#- A count as text: whole numbers without decimals, half patients with one. -#}
{% macro plain_number(number) -%}
    regexp_replace({{ number }}::decimal(18, 1)::varchar, '\.0$', '')
{%- endmacro %}
