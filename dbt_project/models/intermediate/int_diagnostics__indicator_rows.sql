{{ config(materialized='view') }}

with waits as (

    select
        *,
        list_sum(week_bands[1:6]) as within_6_weeks
    from {{ ref('stg_diagnostics__waits') }}
    where is_all_tests

),

counts as (

    {{ counts_with_indicator('diagnostics') }}

),

-- England is the total by provider, stated or summed; without one, the total by commissioner.
england_waits as (

    select *
    from (
        select
            *,
            1 as choice
        from waits
        where is_current_for_providers
        qualify is_england = bool_or(is_england) over (partition by period_start, known_from)

        union all

        select
            *,
            2 as choice
        from waits
        where is_current_for_commissioners and is_england
    )
    qualify choice = min(choice) over (partition by period_start, known_from)

)

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'diagnostics' as dataset,
    waits.extract_id,
    waits.source_sheet,
    waits.source_row,
    waits.within_6_weeks::double as numerator,
    waits.waiting_list::double as denominator
from counts
inner join waits
    on
        counts.extract_id = waits.extract_id
        and counts.period_start = waits.period_start
        and counts.known_from = waits.known_from
        and counts.org_code = waits.provider_code
        and waits.is_current_for_providers
        and not waits.is_england
where counts.org_level = 'provider'

union all

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'diagnostics' as dataset,
    waits.extract_id,
    waits.source_sheet,
    waits.source_row,
    waits.within_6_weeks::double as numerator,
    waits.waiting_list::double as denominator
from counts
inner join waits
    on
        counts.extract_id = waits.extract_id
        and counts.period_start = waits.period_start
        and counts.known_from = waits.known_from
        and counts.org_code = waits.commissioner_code
        and waits.is_current_for_commissioners
        and not waits.is_england
where counts.org_level not in ('provider', 'national')

union all

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'diagnostics' as dataset,
    england_waits.extract_id,
    england_waits.source_sheet,
    england_waits.source_row,
    england_waits.within_6_weeks::double as numerator,
    england_waits.waiting_list::double as denominator
from counts
inner join england_waits
    on
        counts.extract_id = england_waits.extract_id
        and counts.period_start = england_waits.period_start
        and counts.known_from = england_waits.known_from
where counts.org_level = 'national'
