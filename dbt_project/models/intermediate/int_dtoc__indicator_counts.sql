{%- set measures = {
    'delayed_days': 'nhs_days + social_care_days + both_days',
    'delayed_days_nhs': 'nhs_days',
    'delayed_days_social_care': 'social_care_days',
    'delayed_days_both': 'both_days',
} -%}
{#- Where England can stand, in the order in which sources of the same day of publication are taken. -#}
{%- set sources_of_england = {
    'england': 'the monthly series of England',
    'local_authority': 'the workbook by local authority',
    'provider': 'the providers together',
} -%}

with delayed_days as (

    select
        *,
        case
            when is_england then 'ENG'
            when view = 'local_authority' then local_authority_code
            else provider_code
        end as org_code,
        case
            when is_england then 'England'
            when view = 'local_authority' then local_authority_name
            else provider_name
        end as org_name,
        case when is_england then 'national' else view end as org_level,
        breakdown = 'responsible' as is_one_row
    from {{ ref('stg_dtoc__delayed_days') }}
    -- Workbooks and series give an organisation's days once by who is responsible, provider extracts a row a setting and
    -- reason; every other breakdown is of the same days again.
    where breakdown = 'responsible' or (breakdown = 'setting_and_reason' and not is_england)

),

organisations as (

    select
        view,
        is_england,
        org_code,
        max(org_name) as org_name,
        org_level,
        period_start,
        known_from,
        known_to,
        is_one_row,
        -- A workbook's row of dashes has no figures. An extract's blank is one cell of many, and adds nothing.
        {%- for days in ['nhs_days', 'social_care_days', 'both_days'] %}
        case when is_one_row then sum({{ days }}) else coalesce(sum({{ days }}), 0) end as {{ days }},
        {%- endfor %}
        count(*) filter (
            where not is_one_row and (nhs_days is null or social_care_days is null or both_days is null)
        ) as blank_rows,
        max(published_on) as published_on,
        max(caveat) as extract_caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from delayed_days
    group by view, is_england, org_code, org_level, period_start, known_from, known_to, is_one_row

),

england_of_each_source as (

    select * from organisations
    where is_england

    union all

    select
        view,
        true as is_england,
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        known_from,
        known_to,
        is_one_row,
        sum(nhs_days) as nhs_days,
        sum(social_care_days) as social_care_days,
        sum(both_days) as both_days,
        sum(blank_rows) as blank_rows,
        max(published_on) as published_on,
        max(extract_caveat) as extract_caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from organisations
    -- Workbooks state England themselves.
    where view = 'provider' and not is_one_row
    group by view, period_start, known_from, known_to, is_one_row

),

counts as (
{% for measure, days in measures.items() %}
    select '{{ measure }}' as measure, *, {{ days }} as numerator from organisations
    where not is_england
    union all
    select '{{ measure }}' as measure, *, {{ days }} as numerator from england_of_each_source
    {{ 'union all' if not loop.last }}
{%- endfor %}
),

with_other_sources as (

    select
        *
        {%- for view in sources_of_england %},
        max(numerator) filter (where is_england and view = '{{ view }}') over same_month as numerator_of_{{ view }}
        {%- endfor %}
    from counts
    window same_month as (partition by measure, org_code, org_level, period_start, known_from)
    -- England is as published last. What states no day of publication comes after what does.
    qualify not is_england or row_number() over (
        same_month
        order by
            published_on desc nulls last,
            case view {% for view in sources_of_england %}when '{{ view }}' then {{ loop.index }} {% endfor %}end
    ) = 1

)

select
    measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    numerator,
    null::bigint as denominator,
    nullif(concat_ws(
        '; ',
        case when numerator is null then 'no figures: the workbook has dashes for the organisation, not 0' end,
        {%- for view, source in sources_of_england.items() %}
        case
            when is_england and numerator_of_{{ view }} <> numerator
                then strftime(period_start, '%B %Y') || ': England is ' || numerator_of_{{ view }} || ' by {{ source }}'
        end,
        {%- endfor %}
        case
            when is_england and period_start < date '2010-11-01'
                then 'the publisher warns that August to October 2010, the first months collected, may be too low'
        end,
        case when blank_rows > 0 then 'blank where days are expected in rows of the extract: ' || blank_rows end,
        extract_caveat
    ), '') as caveat,
    edition,
    extract_id
from with_other_sources
