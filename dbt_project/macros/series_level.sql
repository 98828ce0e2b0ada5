{#- The level of a series that goes on under another name: CCG and sub-ICB location, STP and ICB. -#}
{% macro series_level() -%}
    case org_level when 'sub_icb' then 'ccg' when 'icb' then 'stp' else org_level end
{%- endmacro %}
