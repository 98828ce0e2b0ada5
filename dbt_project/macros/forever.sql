{#- The end of what is still so: `known_to` of the figures that count today. -#}
{% macro forever() -%} timestamp '9999-12-31' {%- endmacro %}

{#- Whether figures count today, or counted until a later edition came. -#}
{% macro is_current(known_to='known_to') -%} {{ known_to }} = {{ forever() }} {%- endmacro %}
