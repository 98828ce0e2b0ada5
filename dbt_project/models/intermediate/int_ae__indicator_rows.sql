{{ config(materialized='view') }}

with attendances as (

    select
        *,
        attendances_type1 + attendances_type2 + attendances_other as attendances
    from {{ ref('stg_ae__attendances') }}

),

counts as (

    {{ counts_with_indicator('ae') }}

),

provider_rows as (

    select
        counts.*,
        attendances.source_sheet,
        attendances.source_row,
        case
            -- A provider that did not report a figure adds nothing to England's.
            when counts.numerator is null then null
            when counts.measure = 'within_4_hours' then attendances.attendances - attendances.attendances_over_4hrs
            when counts.measure = 'waits_over_12_hours' then attendances.waits_over_12hrs_from_dta
            when counts.measure = 'attendances' then attendances.attendances
            when counts.measure = 'attendances_type1' then attendances.attendances_type1
            when counts.measure = 'attendances_type2' then attendances.attendances_type2
            when counts.measure = 'attendances_other' then attendances.attendances_other
        end::double as row_numerator,
        case
            when counts.measure = 'within_4_hours' and counts.denominator is not null then attendances.attendances
        end::double as row_denominator
    from counts
    inner join attendances
        on
            counts.extract_id = attendances.extract_id
            and counts.period_start = attendances.period_start
            and counts.known_from = attendances.known_from
            and counts.org_code = attendances.provider_code
    where counts.org_level = 'provider'

)

select
    indicator_id,
    org_code,
    org_level,
    'month' as period_type,
    period_start,
    known_from,
    known_to,
    'ae' as dataset,
    extract_id,
    source_sheet,
    source_row,
    row_numerator as numerator,
    row_denominator as denominator
from provider_rows

union all

select
    counts.indicator_id,
    counts.org_code,
    counts.org_level,
    'month' as period_type,
    counts.period_start,
    counts.known_from,
    counts.known_to,
    'ae' as dataset,
    provider_rows.extract_id,
    provider_rows.source_sheet,
    provider_rows.source_row,
    provider_rows.row_numerator as numerator,
    provider_rows.row_denominator as denominator
from counts
inner join provider_rows
    on
        counts.extract_id = provider_rows.extract_id
        and counts.period_start = provider_rows.period_start
        and counts.known_from = provider_rows.known_from
        and counts.indicator_id = provider_rows.indicator_id
where counts.org_level = 'national'
