with returned as (

    select * from {{ ref('stg_local_returns__values') }}
    where {{ is_current() }}

),

derived as (

    select * from {{ ref('fct_indicator_values') }}
    where source = 'derived' and unit = 'percent'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

-- As the return states them: what cannot be the indicator has no value in the marts.
stated as (

    select
        returned.*,
        indicators.indicator_name,
        indicators.unit,
        indicators.may_exceed_100,
        max(returned.value_decimals) over (
            partition by returned.extract_id, returned.indicator_id
        ) as decimals_of_return,
        case
            when indicators.unit in ('count', 'days') then returned.numerator
            when indicators.unit = 'percent' and returned.denominator > 0
                then 100 * returned.numerator / returned.denominator
        end as value_of_counts
    from returned
    inner join indicators using (indicator_id)

),

-- One question a series: what is no percentage in one month seldom is one in the next.
other_kinds as (

    select
        indicator_id,
        max(indicator_name) as indicator_name,
        org_code,
        org_level,
        period_type,
        max(unit) as unit,
        min(period_start) as first_start,
        max(period_end) as last_end,
        count(*) as faults,
        count(*) filter (where value > 100) as above_100,
        min(value) as lowest,
        max(value) as highest,
        string_agg(distinct stated_unit, ', ' order by stated_unit) as stated_units
    from stated
    where
        value is not null
        and (stated_unit <> unit or (unit = 'percent' and not may_exceed_100 and denominator is null and value > 100))
    group by indicator_id, org_code, org_level, period_type

),

impossible as (

    select
        case when unit = 'percent' and above_100 > 0 then 'percentage_holds_counts' else 'unit_differs' end as finding,
        'local_returns' as dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        first_start as period_start,
        last_end as period_end,
        'reported' as source,
        indicator_name
        || case when unit = 'percent' then ' is a percentage, and holds ' else ' is in ' || unit || ', and holds ' end
        || {{ figure_in_words('lowest') }}
        || case when highest > lowest then ' to ' || {{ figure_in_words('highest') }} else '' end
        || '. Are they ' || case when unit = 'percent' then 'counts' else coalesce(stated_units, 'another unit') end
        || '? Ask for what the heading says; none of them is used.' as question,
        'periods: ' || faults
        || case when unit = 'percent' then ', above 100: ' || above_100 else '' end
        || coalesce('; the return says ' || stated_units, '') as evidence
    from other_kinds

    union all

    select
        'numerator_above_denominator' as finding,
        'local_returns' as dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        'reported' as source,
        indicator_name || ': more met the condition than were counted in '
        || {{ period_in_words('period_type', 'period_start', 'period_end') }}
        || '. Are the two swapped, or of different periods? Ask for both again.' as question,
        'numerator ' || {{ figure_in_words('numerator') }} || ', denominator ' || {{ figure_in_words('denominator') }}
            as evidence
    from stated
    where unit = 'percent' and not may_exceed_100 and numerator > denominator

    union all

    select
        'numerator_above_denominator' as finding,
        indicators.dataset,
        derived.indicator_id,
        derived.org_code,
        derived.org_level,
        derived.period_type,
        derived.period_start,
        derived.period_end,
        derived.source,
        indicators.indicator_name || ': more met the condition than were counted in '
        || {{ period_in_words('derived.period_type', 'derived.period_start', 'derived.period_end') }}
        || '. Are the two swapped in the file, or of different periods? Ask the publisher.' as question,
        'numerator ' || {{ figure_in_words('derived.numerator') }} || ', denominator '
        || {{ figure_in_words('derived.denominator') }} as evidence
    from derived
    inner join indicators using (indicator_id)
    where derived.numerator > derived.denominator and not indicators.may_exceed_100

    union all

    select
        'value_not_its_counts' as finding,
        'local_returns' as dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        'reported' as source,
        indicator_name || ': the value returned for '
        || {{ period_in_words('period_type', 'period_start', 'period_end') }}
        || ' is not what its counts give. Which of them is wrong? Ask for all again.' as question,
        'value ' || {{ figure_in_words('value') }} || ', numerator ' || {{ figure_in_words('numerator') }}
        || coalesce(', denominator ' || {{ figure_in_words('denominator') }}, '')
        || ', which gives ' || {{ figure_in_words('value_of_counts') }} as evidence
    from stated
    -- Half a unit of the last digit is rounding.
    where
        abs(value - value_of_counts) > 0.5 * pow(10, -decimals_of_return) + 1e-9
        and (numerator <= denominator or denominator is null or may_exceed_100)

)

select
    finding,
    dataset,
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    null::varchar as subject,
    question,
    evidence
from impossible
