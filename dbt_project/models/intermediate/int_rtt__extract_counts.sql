{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_extracts('rtt') }}"
    )
}}
{#- Those that the hook above takes out, and those that are not there yet. -#}
{%- if is_incremental() -%}
    {%- set uncounted = "(not is_published or extract_id not in (select extract_id from " ~ this ~ "))" -%}
    {%- set to_count = extract_ids("dataset = 'rtt' and outcome = 'loaded' and " ~ uncounted) -%}
{%- endif %}

with pathways as (

    select
        extract_id,
        period_start,
        part,
        provider_code,
        provider_name,
        commissioner_code,
        commissioner_name,
        is_all_treatment_functions,
        within_18_weeks,
        over_52_weeks,
        with_known_start
    from {{ ref('stg_rtt__pathways') }}
    where
        -- Part 2A is within part 2, part 3 has no waits.
        part in ('part_1a', 'part_1b', 'part_2')
        {%- if is_incremental() %}
        and extract_id in ('{{ to_count | join("', '") }}')
        {%- else %}
        and extract_id in (select extract_id from {{ ref('stg_landing__extracts') }} where outcome = 'loaded')
        {%- endif %}

),

tables as (

    select
        extract_id,
        part,
        bool_or(is_all_treatment_functions) as has_totals
    from pathways
    group by extract_id, part

),

-- The total of treatment functions is counted, or its parts where a table has none (some workbooks of before 2011), never
-- both.
counted as (

    select
        pathways.*,
        tables.has_totals
    from pathways
    inner join tables using (extract_id, part)
    where pathways.is_all_treatment_functions or not tables.has_totals

)

{%- for view in ['provider', 'commissioner'] %}

select
    extract_id,
    '{{ view }}' as view,
    part,
    {{ view }}_code as org_code,
    max({{ view }}_name) as org_name,
    period_start,
    has_totals,
    sum(within_18_weeks)::bigint as within_18_weeks,
    sum(over_52_weeks)::bigint as over_52_weeks,
    sum(with_known_start)::bigint as with_known_start
from counted
where {{ view }}_code is not null
group by extract_id, part, {{ view }}_code, period_start, has_totals
{{ "\nunion all" if not loop.last }}
{%- endfor %}
