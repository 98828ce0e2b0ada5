{{ config(materialized='view') }}

with quarters as (

    select * from {{ ref('stg_cancelled_operations__quarters') }}

),

counts as (

    {{ counts_with_indicator('cancelled_operations') }}

)

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    counts.period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'cancelled_operations' as dataset,
    quarters.extract_id,
    quarters.source_sheet,
    quarters.source_row,
    quarters.not_treated_within_28_days::double as numerator,
    null::double as denominator
from counts
inner join quarters
    on
        counts.extract_id = quarters.extract_id
        and counts.period_start = quarters.period_start
        and counts.known_from = quarters.known_from
        and (counts.org_level = 'national') = quarters.is_england
        and (counts.org_level = 'national' or counts.org_code = quarters.provider_code)
