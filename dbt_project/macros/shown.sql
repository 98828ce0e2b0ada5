{#-
    A figure as people read it: percentages half up to one decimal from the exact fraction, ratios to two, counts with
    thousands and one decimal where they are not whole; null where there is no value.
-#}
{% macro shown(value, unit, numerator='null', denominator='null') -%}
    case
            when {{ value }} is null then null
            when {{ unit }} = 'percent' and {{ denominator }} > 0
                then format(
                    '{:,.1f} %',
                    (
                        (
                            2000 * ({{ numerator }}::decimal(18, 3) * 1000)::hugeint
                            + ({{ denominator }}::decimal(18, 3) * 1000)::hugeint
                        ) // (2 * ({{ denominator }}::decimal(18, 3) * 1000)::hugeint)
                    )::double / 10
                )
            when {{ unit }} = 'percent' then format('{:,.1f} %', round({{ value }}::decimal(18, 6), 1)::double)
            when {{ unit }} = 'ratio' then format('{:,.2f}', round({{ value }}::decimal(18, 6), 2)::double)
            else
                regexp_replace(format('{:,.1f}', round({{ value }}::decimal(18, 6), 1)::double), '\.0$', '')
                || {{ unit_in_words(unit) }}
        end
{%- endmacro %}

{#- What follows a figure of the unit; nothing for counts. -#}
{% macro unit_in_words(unit) -%}
    case {{ unit }}
                when 'days' then ' days'
                when 'minutes' then ' minutes'
                when 'seconds' then ' seconds'
                when 'years' then ' years'
                when 'rate_per_100000' then ' per 100,000'
                when 'gbp_thousands' then ' thousand GBP'
                when 'gbp_millions' then ' million GBP'
                else ''
            end
{%- endmacro %}

{#- A standard in words: at least 92 %, at most 3.5 %, 0, above 5. -#}
{% macro standard_in_words(standard, comparator, unit) -%}
    case {{ comparator }}
            when '>=' then 'at least '
            when '<=' then 'at most '
            when '>' then 'above '
            when '<' then 'below '
            else ''
        end
        || regexp_replace(regexp_replace({{ standard }}::varchar, '(\.\d*?)0+$', '\1'), '\.$', '')
        || case {{ unit }} when 'percent' then ' %' else {{ unit_in_words(unit) }} end
{%- endmacro %}

{#- met, not met, no value, no standard or not judged. -#}
{% macro verdict(value, standard, is_met) -%}
    case
            when {{ value }} is null then 'no value'
            when {{ standard }} is null then 'no standard'
            when {{ is_met }} then 'met'
            when {{ is_met }} = false then 'not met'
            else 'not judged'
        end
{%- endmacro %}

{#- Whether a change is for the better, in the direction of an indicator. -#}
{% macro change_in_words(change, direction) -%}
    case
            when {{ change }} is null then null
            when {{ change }} = 0 then 'same'
            when {{ direction }} = 'neutral' then case when {{ change }} > 0 then 'higher' else 'lower' end
            when ({{ change }} > 0) = ({{ direction }} = 'higher') then 'better'
            else 'worse'
        end
{%- endmacro %}
