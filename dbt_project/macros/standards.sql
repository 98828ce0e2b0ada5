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
    `comparator`; null where there is none). One agreed for the organisation goes before the national or local one, as
    long as it is in force and for that organisation alone; what it goes before is in `other_standard_id`,
    `other_standard` and `other_comparator`. Of several in force the one that began last holds.

    Which one that is depends on indicator, scope and day alone, and is decided for those few before the rows are joined.
-#}
{% macro with_standard_in_force(relation, standards) -%}
    with ends as (

        select distinct indicator_id, period_end from {{ relation }}

    ),

    in_force_at_ends as (

        select
            ends.period_end,
            {{ standards }}.indicator_id,
            {{ standards }}.standard_id,
            {{ standards }}.standard,
            {{ standards }}.comparator,
            case when {{ standards }}.scope not in ('national', 'local') then {{ standards }}.scope end as own_code
        from ends
        inner join {{ standards }}
            on
                ends.indicator_id = {{ standards }}.indicator_id
                and {{ is_in_force(standards, 'ends') }}
        qualify row_number() over (
            partition by {{ standards }}.indicator_id, own_code, ends.period_end
            order by {{ standards }}.valid_from desc
        ) = 1

    )

    select
        {{ relation }}.*,
        coalesce(own_standards.standard_id, general_standards.standard_id) as standard_id,
        coalesce(own_standards.standard, general_standards.standard) as standard,
        coalesce(own_standards.comparator, general_standards.comparator) as comparator,
        {%- for column in ['standard_id', 'standard', 'comparator'] %}
        case when own_standards.standard_id is not null then general_standards.{{ column }} end as other_{{ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    left join in_force_at_ends as own_standards
        on
            {{ relation }}.indicator_id = own_standards.indicator_id
            and {{ relation }}.org_code = own_standards.own_code
            and {{ relation }}.period_end = own_standards.period_end
    left join (select * from in_force_at_ends where own_code is null) as general_standards
        on
            {{ relation }}.indicator_id = general_standards.indicator_id
            and {{ relation }}.period_end = general_standards.period_end
{%- endmacro %}

{% macro is_in_force(standards, relation) -%}
    {{ relation }}.period_end between coalesce({{ standards }}.valid_from, date '1900-01-01')
            and coalesce({{ standards }}.valid_to, date '9999-12-31')
{%- endmacro %}

{#-
    Whether a value of a level is judged where the catalogue says at which levels a breach is: CCG and sub-ICB location,
    STP and ICB are one; a county is its Health and Wellbeing Board or its council, and no district (E07).
-#}
{% macro is_judged_at(judged_at, org_level, org_code) -%}
    ({{ judged_at }} is null
            or list_contains(string_split({{ judged_at }}, ' '), case
                when {{ org_level }} = 'sub_icb' then 'ccg'
                when {{ org_level }} = 'icb' then 'stp'
                when {{ org_level }} = 'hwb' then 'county'
                when {{ org_level }} = 'local_authority' and {{ org_code }} not like 'E07%' then 'county'
                else {{ org_level }}
            end))
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
