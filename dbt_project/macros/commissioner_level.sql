{#-
    The level of a commissioner: PCT to March 2013, CCG to June 2022, sub-ICB location after; a hub, region or the
    national commissioning group of PCT times where its name says so.
-#}
{% macro commissioner_level(org_name, period_start) -%}
    case
        when
            regexp_matches(upper({{ org_name }}), 'HUB|REGION|AREA TEAM|^NHS ENGLAND|^NATIONAL COMMISSIONING')
            and not regexp_matches(upper({{ org_name }}), 'CCG|SUB ICB')
            then 'commissioning_hub'
        when {{ period_start }} < date '2013-04-01' then 'pct'
        when {{ period_start }} < date '2022-07-01' then 'ccg'
        else 'sub_icb'
    end
{%- endmacro %}
