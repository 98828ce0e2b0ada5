{{ config(materialized='view') }}

with waits as (

    select * from {{ ref('stg_cancer__waits') }}
    where is_counted

),

counts as (

    {{ counts_with_indicator('cancer') }}

),

-- England is the row that the file states, else every commissioner's, the unknown one's too.
england_waits as (

    select *
    from waits
    where view <> 'provider'
    qualify is_england = bool_or(is_england) over (partition by view, measure, period_start, known_from)

)

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'cancer' as dataset,
    waits.extract_id,
    waits.source_sheet,
    waits.source_row,
    waits.patients_within::double as numerator,
    waits.patients::double as denominator
from counts
inner join waits
    on
        counts.extract_id = waits.extract_id
        and counts.period_start = waits.period_start
        and counts.known_from = waits.known_from
        and counts.measure = waits.measure
        and counts.org_code = waits.org_code
        and (counts.org_level = 'provider') = (waits.view = 'provider')
        and not waits.is_england
where counts.org_level <> 'national'
-- A hub that stands in two tables of one extract is taken from one of them.
qualify waits.view = min(waits.view) over (
    partition by counts.indicator_id, counts.org_code, counts.org_level, counts.period_start, counts.known_from
)

union all

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'cancer' as dataset,
    england_waits.extract_id,
    england_waits.source_sheet,
    england_waits.source_row,
    england_waits.patients_within::double as numerator,
    england_waits.patients::double as denominator
from counts
inner join england_waits
    on
        counts.extract_id = england_waits.extract_id
        and counts.period_start = england_waits.period_start
        and counts.known_from = england_waits.known_from
        and counts.measure = england_waits.measure
where counts.org_level = 'national'
qualify england_waits.view = min(england_waits.view) over (
    partition by counts.indicator_id, counts.period_start, counts.known_from
)
