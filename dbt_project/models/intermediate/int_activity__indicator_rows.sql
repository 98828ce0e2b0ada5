{{ config(materialized='view') }}

with activity as (

    select * from {{ ref('stg_activity__admissions_and_attendances') }}

),

counts as (

    {{ counts_with_indicator('activity') }}

)

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'activity' as dataset,
    activity.extract_id,
    activity.source_sheet,
    activity.source_row,
    case counts.measure
        when 'elective_admissions' then activity.acute_elective_admissions
        when 'nonelective_admissions' then activity.acute_nonelective_admissions
        when 'first_attendances' then activity.acute_first_attendances
    end::double as numerator,
    null::double as denominator
from counts
inner join activity
    on
        counts.extract_id = activity.extract_id
        and counts.period_start = activity.period_start
        and counts.known_from = activity.known_from
        and (counts.org_level = 'provider') = (activity.breakdown = 'provider')
        and (counts.org_level = 'national') = (activity.breakdown = 'england')
        and (counts.org_level = 'national' or counts.org_code = activity.org_code)
