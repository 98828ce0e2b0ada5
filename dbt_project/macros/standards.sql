{#- The value of an indicator from its counts: percentages 0-100, everything else the count itself. -#}
{% macro indicator_value(numerator, denominator, unit) -%}
    case
            when {{ unit }} <> 'percent' then {{ numerator }}
            when {{ denominator }} > 0 then 100 * {{ numerator }} / {{ denominator }}
        end
{%- endmacro %}

{#- What a share of the denominator is multiplied by in the unit. -#}
{% macro value_factor(unit) -%}
    case {{ unit }} when 'percent' then 100 when 'rate_per_100000' then 100000 else 1 end
{%- endmacro %}

{#-
    The rows of a relation with the standard in force at the end of their period (`standard_id`, `standard`,
    `comparator`; null where there is none). `grain` are the columns that tell its rows apart.
-#}
{% macro with_standard_in_force(relation, standards, grain) -%}
    select
        {{ relation }}.*,
        {{ standards }}.standard_id,
        {{ standards }}.standard,
        {{ standards }}.comparator
    from {{ relation }}
    left join {{ standards }}
        on
            {{ relation }}.indicator_id = {{ standards }}.indicator_id
            and {{ standards }}.scope in ('national', 'local', {{ relation }}.org_code)
            and {{ relation }}.period_end >= coalesce({{ standards }}.valid_from, date '1900-01-01')
            and {{ relation }}.period_end <= coalesce({{ standards }}.valid_to, date '9999-12-31')
    -- A standard of the organisation's own goes before the national one.
    qualify row_number() over (
        partition by {% for column in grain %}{{ relation }}.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        order by {{ standards }}.scope = {{ relation }}.org_code desc, {{ standards }}.valid_from desc
    ) = 1
{%- endmacro %}

{#-
    Whether a value meets its standard; null where either is missing. Both sides are multiplied out in decimals: a
    comparison never rests on a rounded or binary percentage. A value without parts is compared as it was reported.
-#}
{% macro is_met(numerator, denominator, value, unit, standard, comparator) -%}
    {%- set achieved -%}
    case
            when {{ denominator }} is not null then {{ numerator }}::decimal(18, 3) * {{ value_factor(unit) }}
            else {{ value }}::decimal(18, 6)
        end
    {%- endset -%}
    {%- set required -%}
    case when {{ denominator }} is not null then {{ denominator }}::decimal(18, 3) * {{ standard }} else {{ standard }} end
    {%- endset -%}
    case
            when {{ value }} is null or {{ standard }} is null then null
            {%- for comparator_sign in ['>=', '>', '<=', '<', '='] %}
            when {{ comparator }} = '{{ comparator_sign }}' then {{ achieved }} {{ comparator_sign }} {{ required }}
            {%- endfor %}
        end
{%- endmacro %}
