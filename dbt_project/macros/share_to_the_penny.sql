{#-
    The share part / whole of an amount in GBP, to the penny, half a penny up: in whole numbers throughout, as division
    would make binary fractions of decimals. The amount has two decimals, part and whole three; none is negative.
-#}
{% macro share_to_the_penny(amount_gbp, part, whole) -%}
    {%- set pence_of_part -%} ({{ amount_gbp }} * 100)::hugeint * ({{ part }} * 1000)::hugeint {%- endset -%}
    {%- set thousandths -%} ({{ whole }} * 1000)::hugeint {%- endset -%}
    (((2 * {{ pence_of_part }} + {{ thousandths }}) // (2 * {{ thousandths }}))::decimal(18, 0) * 0.01::decimal(3, 2))::decimal(18, 2)
{%- endmacro %}
