{{ config(materialized='view') }}

with pathways as (

    select * from {{ ref('stg_rtt__pathways') }}

),

parts as (

    select distinct extract_id, part, has_totals from {{ ref('int_rtt__extract_counts') }}

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

pathways_counted as (

    select pathways.*
    from pathways
    inner join parts using (extract_id, part)
    where pathways.is_all_treatment_functions or not parts.has_totals

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
    inner join pathways_counted as pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.part = pathways.part
            and counts.org_code = pathways.provider_code
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
    inner join pathways_counted as pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.part = pathways.part
            and counts.org_code = pathways.commissioner_code
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
    inner join pathways_counted as pathways
        on
            counts.extract_id = pathways.extract_id
            and counts.period_start = pathways.period_start
            and counts.part = pathways.part
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
