{#- Distinct caveats of the rows of a group, in one text; null where no row has one. -#}
{% macro join_caveats(caveat) -%}
    nullif(array_to_string(list_sort(list_distinct(list({{ caveat }}))), '; '), '')
{%- endmacro %}
