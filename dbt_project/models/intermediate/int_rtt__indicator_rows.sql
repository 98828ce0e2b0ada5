{{ config(materialized='view') }}

with pathways as (

    -- Named thrice below, so that it is set aside: without the lists of weeks, and no more columns than are needed.
    select
        extract_id,
        source_sheet,
        source_row,
        period_start,
        part,
        provider_code,
        commissioner_code,
        is_current_for_commissioners,
        is_current_for_providers,
        known_from,
        list_sum(week_bands[1:18]) as within_18_weeks,
        list_sum(week_bands[53:]) as over_52_weeks,
        list_sum(week_bands) as with_known_start
    from {{ ref('stg_rtt__pathways') }}
    where is_counted and part in ('part_1a', 'part_1b', 'part_2')

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

counts as (

    -- Which extract counts for an organisation is decided there.
    select
        indicators.indicator_id,
        counts.*,
        case counts.measure
            when 'admitted_within_18_weeks' then 'part_1a'
            when 'nonadmitted_within_18_weeks' then 'part_1b'
            else 'part_2'
        end as part
    from {{ ref('int_rtt__indicator_counts') }} as counts
    inner join {{ ref('indicators') }} as indicators
        on counts.measure = indicators.measure and indicators.dataset = 'rtt'

),

counted_rows as (

    select
        counts.*,
        pathways.source_sheet,
        pathways.source_row,
        pathways.within_18_weeks,
        pathways.over_52_weeks,
        pathways.with_known_start
    from counts
    inner join pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.known_from = pathways.known_from
            and counts.part = pathways.part
            and counts.org_code = pathways.provider_code
            and pathways.is_current_for_providers
    where counts.org_level = 'provider'

    union all

    select
        counts.*,
        pathways.source_sheet,
        pathways.source_row,
        pathways.within_18_weeks,
        pathways.over_52_weeks,
        pathways.with_known_start
    from counts
    inner join pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.known_from = pathways.known_from
            and counts.part = pathways.part
            and counts.org_code = pathways.commissioner_code
            and pathways.is_current_for_commissioners
    where counts.org_level not in ('provider', 'national')

    union all

    select
        counts.*,
        pathways.source_sheet,
        pathways.source_row,
        pathways.within_18_weeks,
        pathways.over_52_weeks,
        pathways.with_known_start
    from counts
    inner join pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.known_from = pathways.known_from
            and counts.part = pathways.part
            and pathways.is_current_for_commissioners
    where counts.org_level = 'national'
        and pathways.commissioner_code not in (select org_code from exceptions where kind = 'outside_england')

)

select
    indicator_id,
    org_code,
    org_level,
    'month' as period_type,
    period_start,
    known_from,
    known_to,
    'rtt' as dataset,
    extract_id,
    source_sheet,
    source_row,
    -- Blank bands of an extract hold nobody.
    coalesce(
        case when measure = 'incomplete_over_52_weeks' then over_52_weeks else within_18_weeks end, 0
    )::double as numerator,
    case when measure <> 'incomplete_over_52_weeks' then coalesce(with_known_start, 0) end::double as denominator
from counted_rows
