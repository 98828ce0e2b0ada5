with pathways as (

    -- Named twice below, so that it is set aside: without the lists of weeks, and no more columns than are needed.
    select
        extract_id,
        period_start,
        part,
        provider_code,
        provider_name,
        commissioner_code,
        commissioner_name,
        is_current_for_commissioners,
        is_current_for_providers,
        known_from,
        known_to,
        edition,
        caveat,
        -- Band 1 is up to one week, band 18 over 17 to 18 weeks, band 53 over 52 weeks.
        list_sum(week_bands[1:18]) as within_18_weeks,
        list_sum(week_bands[53:]) as over_52_weeks,
        list_sum(week_bands) as with_known_start
    from {{ ref('stg_rtt__pathways') }}
    -- The total of treatment functions is counted, or its parts, never both; part 2A is within part 2, part 3 has no waits.
    where is_counted and part in ('part_1a', 'part_1b', 'part_2')

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

providers as (

    select
        part,
        provider_code as org_code,
        max(provider_name) as org_name,
        'provider' as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_18_weeks) as within_18_weeks,
        sum(over_52_weeks) as over_52_weeks,
        sum(with_known_start) as with_known_start,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from pathways
    where is_current_for_providers
    group by part, provider_code, period_start, known_from, known_to

),

commissioners as (

    select
        part,
        commissioner_code as org_code,
        max(commissioner_name) as org_name,
        {{ commissioner_level('max(commissioner_name)', 'period_start') }} as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_18_weeks) as within_18_weeks,
        sum(over_52_weeks) as over_52_weeks,
        sum(with_known_start) as with_known_start,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from pathways
    where
        is_current_for_commissioners
        -- Patients from outside England are within a provider's figures and outside England's published totals.
        and commissioner_code not in (select org_code from exceptions where kind = 'outside_england')
    group by part, commissioner_code, period_start, known_from, known_to

),

england as (

    select
        part,
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_18_weeks) as within_18_weeks,
        sum(over_52_weeks) as over_52_weeks,
        sum(with_known_start) as with_known_start,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from commissioners
    group by part, period_start, known_from, known_to

),

organisations as (

    select * from providers
    union all
    select * from commissioners
    where org_code not in (select org_code from exceptions)
    union all
    select * from england

)

select
    case part
        when 'part_1a' then 'admitted_within_18_weeks'
        when 'part_1b' then 'nonadmitted_within_18_weeks'
        else 'incomplete_within_18_weeks'
    end as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    coalesce(within_18_weeks, 0) as numerator,
    coalesce(with_known_start, 0) as denominator,
    caveat,
    edition,
    extract_id
from organisations

union all

select
    'incomplete_over_52_weeks' as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    coalesce(over_52_weeks, 0) as numerator,
    null::bigint as denominator,
    caveat,
    edition,
    extract_id
from organisations
where part = 'part_2'
