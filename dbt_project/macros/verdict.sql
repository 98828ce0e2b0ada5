{#- A comparison with a standard in words: what has no value, no standard or no judgement is told apart. -#}
{% macro verdict(value, standard, is_met) -%}
    case
        when {{ value }} is null then 'no value'
        when {{ standard }} is null then 'no standard'
        when {{ is_met }} is null then 'not judged'
        when {{ is_met }} then 'met'
        else 'not met'
    end
{%- endmacro %}
