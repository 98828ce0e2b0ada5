{{ config(materialized='view') }}

with delayed_days as (

    select
        *,
        breakdown = 'responsible' as is_one_row,
        case
            when is_england then 'ENG'
            when view = 'local_authority' then local_authority_code
            else provider_code
        end as org_code
    from {{ ref('stg_dtoc__delayed_days') }}
    -- Every other breakdown is of the same days again.
    where breakdown = 'responsible' or (breakdown = 'setting_and_reason' and not is_england)

),

-- England is the row that a series or workbook states, else every row of the extract by provider.
england_days as (

    select
        *,
        case view when 'england' then 1 when 'local_authority' then 2 else 3 end as choice
    from delayed_days
    where is_england or (view = 'provider' and not is_one_row)
    qualify choice = min(choice) over (partition by extract_id, period_start, known_from)

),

counts as (

    {{ counts_with_indicator('dtoc') }}

),

counted_rows as (

    select
        counts.*,
        delayed_days.source_sheet,
        delayed_days.source_row,
        delayed_days.breakdown,
        delayed_days.nhs_days,
        delayed_days.social_care_days,
        delayed_days.both_days,
        delayed_days.is_one_row
    from counts
    inner join delayed_days
        on
            counts.extract_id = delayed_days.extract_id
            and counts.period_start = delayed_days.period_start
            and counts.known_from = delayed_days.known_from
            and counts.org_level = delayed_days.view
            and counts.org_code = delayed_days.org_code
            and not delayed_days.is_england
    where counts.org_level <> 'national'

    union all

    select
        counts.*,
        england_days.source_sheet,
        england_days.source_row,
        england_days.breakdown,
        england_days.nhs_days,
        england_days.social_care_days,
        england_days.both_days,
        england_days.is_one_row
    from counts
    inner join england_days
        on
            counts.extract_id = england_days.extract_id
            and counts.period_start = england_days.period_start
            and counts.known_from = england_days.known_from
    where counts.org_level = 'national'

),

day_rows as (

    select
        *,
        -- A blank of an extract is one cell of many and adds nothing; a workbook's dashes are no figure.
        case when is_one_row then nhs_days else coalesce(nhs_days, 0) end as nhs,
        case when is_one_row then social_care_days else coalesce(social_care_days, 0) end as social_care,
        case when is_one_row then both_days else coalesce(both_days, 0) end as both_responsible,
        case measure
            when 'delayed_days' then nhs + social_care + both_responsible
            when 'delayed_days_nhs' then nhs
            when 'delayed_days_social_care' then social_care
            when 'delayed_days_both' then both_responsible
        end::double as days
    from counted_rows

),

rates as (

    select
        indicators.indicator_id,
        rates.*
    from {{ ref('int_dtoc__delay_rates') }} as rates
    inner join {{ ref('indicators') }} as indicators
        on rates.measure = indicators.measure and indicators.dataset = 'dtoc'

),

beds as (

    select
        *,
        case when is_england then 'ENG' else provider_code end as org_code
    from {{ ref('stg_beds__beds_open_overnight') }}

)

select
    indicator_id,
    org_code,
    org_level,
    'month' as period_type,
    period_start,
    known_from,
    known_to,
    'dtoc' as dataset,
    extract_id,
    source_sheet,
    source_row,
    breakdown,
    days as numerator,
    null::double as denominator
from day_rows

union all

-- The delayed days of a rate.
select
    rates.indicator_id,
    rates.org_code,
    rates.org_level,
    'month' as period_type,
    rates.period_start,
    rates.known_from,
    rates.known_to,
    'dtoc' as dataset,
    day_rows.extract_id,
    day_rows.source_sheet,
    day_rows.source_row,
    day_rows.breakdown,
    case when rates.numerator is not null then day_rows.days end as numerator,
    null::double as denominator
from rates
inner join day_rows
    on
        rates.org_code = day_rows.org_code
        and rates.org_level = day_rows.org_level
        and rates.period_start = day_rows.period_start
        and rates.known_from >= day_rows.known_from
        and rates.known_from < day_rows.known_to
where day_rows.measure = 'delayed_days'

union all

-- The beds of a rate: what one day has occupied, times the days of the month.
select
    rates.indicator_id,
    rates.org_code,
    rates.org_level,
    'month' as period_type,
    rates.period_start,
    rates.known_from,
    rates.known_to,
    'beds' as dataset,
    beds.extract_id,
    beds.source_sheet,
    beds.source_row,
    null::varchar as breakdown,
    null::double as numerator,
    case
        when rates.denominator is not null
            then beds.occupied_general_acute_beds
                * (date_diff('day', rates.period_start, {{ period_end("'month'", 'rates.period_start') }}) + 1)
    end as denominator
from rates
inner join beds
    on
        rates.org_code = beds.org_code
        and date_trunc('quarter', rates.period_start)::date = beds.period_start
        and rates.known_from >= beds.known_from
        and rates.known_from < beds.known_to
        and list_contains(rates.extract_ids, beds.extract_id)
