with waits as (

    select
        *,
        -- Six bands of a week each are under six weeks.
        list_sum(week_bands[1:6]) as within_6_weeks
    from {{ ref('stg_diagnostics__waits') }}
    -- The total of tests is counted, not the tests.
    where is_all_tests

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

providers as (

    select
        provider_code as org_code,
        max(provider_name) as org_name,
        'provider' as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_6_weeks) as within_6_weeks,
        sum(waiting_list) as waiting_list,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from waits
    where is_current_for_providers and not is_england
    group by provider_code, period_start, known_from, known_to

),

commissioners as (

    select
        commissioner_code as org_code,
        max(commissioner_name) as org_name,
        {{ commissioner_level('max(commissioner_name)', 'period_start') }} as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_6_weeks) as within_6_weeks,
        sum(waiting_list) as waiting_list,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from waits
    where
        is_current_for_commissioners
        and not is_england
        and commissioner_code not in (select org_code from exceptions)
    group by commissioner_code, period_start, known_from, known_to

),

-- England is the published total by provider: the Total row of a workbook, or the sum of all providers of an extract.
england_by_view as (

    select
        1 as choice,
        period_start,
        known_from,
        known_to,
        case when bool_or(is_england) then sum(within_6_weeks) filter (where is_england) else sum(within_6_weeks) end
            as within_6_weeks,
        case when bool_or(is_england) then sum(waiting_list) filter (where is_england) else sum(waiting_list) end
            as waiting_list,
        null as view_caveat,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from waits
    where is_current_for_providers
    group by period_start, known_from, known_to

    union all

    select
        2 as choice,
        period_start,
        known_from,
        known_to,
        sum(within_6_weeks) as within_6_weeks,
        sum(waiting_list) as waiting_list,
        'total by commissioner: no extract by provider is held for the month' as view_caveat,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from waits
    where is_current_for_commissioners and is_england
    group by period_start, known_from, known_to

),

england as (

    select
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        known_from,
        known_to,
        within_6_weeks,
        waiting_list,
        nullif(concat_ws('; ', view_caveat, caveat), '') as caveat,
        edition,
        extract_id
    from england_by_view
    qualify row_number() over (partition by period_start, known_from order by choice) = 1

),

organisations as (

    select * from providers
    union all
    select * from commissioners
    union all
    select * from england

)

select
    'within_6_weeks' as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    within_6_weeks as numerator,
    waiting_list as denominator,
    caveat,
    edition,
    extract_id
from organisations
