{{ config(materialized='view') }}

with activity as (

    select * from {{ ref('stg_mar__activity') }}

),

counts as (

    {{ counts_with_indicator('mar') }}

)

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'mar' as dataset,
    activity.extract_id,
    activity.source_sheet,
    activity.source_row,
    activity.gp_referrals_made::double as numerator,
    null::double as denominator
from counts
inner join activity
    on
        counts.extract_id = activity.extract_id
        and counts.period_start = activity.period_start
        and counts.known_from = activity.known_from
        and (counts.org_level = 'national') = activity.is_england
        and (counts.org_level = 'national' or (counts.org_level = 'provider') = (activity.view = 'provider'))
        and (counts.org_level = 'national' or counts.org_code = activity.org_code)
-- Where one extract has both tables, England is the row of the table by commissioner.
qualify
    counts.org_level <> 'national'
    or activity.view = min(activity.view) over (
        partition by counts.indicator_id, counts.org_level, counts.period_start, counts.known_from
    )
