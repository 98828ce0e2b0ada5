{#-
    The share (0 to 1) of a normal distribution below `deviations` standard deviations from its mean, to 1e-7: DuckDB has
    no error function, so by Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.2.17.
-#}
{% macro normal_share_below(deviations) -%}
    {%- set t -%} (1 / (1 + 0.2316419 * abs({{ deviations }}))) {%- endset -%}
    {%- set tail -%}
    exp(-({{ deviations }}) * ({{ deviations }}) / 2) / sqrt(2 * pi()) * {{ t }} * (
                0.319381530 + {{ t }} * (
                    -0.356563782 + {{ t }} * (1.781477937 + {{ t }} * (-1.821255978 + {{ t }} * 1.330274429))
                )
            )
    {%- endset -%}
    case when {{ deviations }} < 0 then {{ tail }} else 1 - {{ tail }} end
{%- endmacro %}
