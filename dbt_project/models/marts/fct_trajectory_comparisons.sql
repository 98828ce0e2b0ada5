with plans as (

    select * from {{ ref('int_planned_values') }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where is_preferred

),

years_to_date as (

    select * from {{ ref('int_years_to_date') }}

),

-- A plan beside the figure of its own period; a year without one is the sum of its months.
whole_periods as (

    select
        plans.*,
        'stated' as profile_used,
        1::decimal(38, 6) as share_part,
        1::decimal(38, 6) as share_whole,
        null::bigint as months_elapsed,
        indicator_values.numerator,
        indicator_values.denominator,
        coalesce(indicator_values.value::decimal(18, 6), years_to_date.actual_to_date) as actual,
        coalesce(indicator_values.value, years_to_date.actual_to_date::double) as actual_value,
        case
            when indicator_values.value is not null then indicator_values.source
            when years_to_date.actual_to_date is not null then 'summed'
        end as actual_source,
        coalesce(
            case when indicator_values.value is not null then indicator_values.is_provisional end,
            years_to_date.is_provisional,
            indicator_values.is_provisional
        ) as is_provisional,
        case
            when indicator_values.value is not null or years_to_date.period_end is null then indicator_values.caveat
            else years_to_date.caveat
        end as actual_caveat,
        case
            when indicator_values.value is not null or years_to_date.period_end is null
                then indicator_values.extract_ids
            else years_to_date.extract_ids
        end as extract_ids
    from plans
    left join indicator_values
        using (indicator_id, org_code, series_level, period_type, period_start, period_end)
    left join years_to_date
        on
            plans.period_type = 'financial_year'
            and plans.indicator_id = years_to_date.indicator_id
            and plans.org_code = years_to_date.org_code
            and plans.series_level = years_to_date.series_level
            and plans.period_start = years_to_date.financial_year_start
            and plans.period_end = years_to_date.period_end

),

parts_of_years as (

    select
        plans.* exclude (period_type, period_end),
        'ytd' as period_type,
        years_to_date.period_end,
        plans.profile as profile_used,
        case plans.profile
            when 'even' then years_to_date.months_elapsed
            when 'by_days' then datediff('day', plans.period_start, years_to_date.period_end) + 1
            when 'last_year' then years_to_date.last_year_to_date
        end::decimal(38, 6) as share_part,
        case plans.profile
            when 'even' then 12
            when 'by_days' then datediff('day', plans.period_start, plans.period_end) + 1
            when 'last_year' then nullif(years_to_date.last_year_total, 0)
        end::decimal(38, 6) as share_whole,
        years_to_date.months_elapsed,
        years_to_date.actual_to_date as actual,
        years_to_date.actual_to_date::double as actual_value,
        years_to_date.is_provisional,
        years_to_date.caveat as actual_caveat,
        years_to_date.extract_ids
    from plans
    inner join years_to_date
        on
            plans.indicator_id = years_to_date.indicator_id
            and plans.org_code = years_to_date.org_code
            and plans.series_level = years_to_date.series_level
            and plans.period_start = years_to_date.financial_year_start
    where plans.period_type = 'financial_year' and plans.profile is not null

),

compared as (

    select
        plan_id,
        plan,
        plan_version,
        indicator_id,
        org_code,
        org_level,
        breakdown,
        period_type,
        period_start,
        period_end,
        kind,
        planned_value,
        profile_used,
        share_part,
        share_whole,
        months_elapsed,
        numerator,
        denominator,
        actual,
        actual_value,
        actual_source,
        is_provisional,
        actual_caveat,
        extract_ids,
        plan_source,
        plan_note
    from whole_periods

    union all

    select
        plan_id,
        plan,
        plan_version,
        indicator_id,
        org_code,
        org_level,
        breakdown,
        period_type,
        period_start,
        period_end,
        kind,
        planned_value,
        profile_used,
        share_part,
        share_whole,
        months_elapsed,
        null as numerator,
        null as denominator,
        actual,
        actual_value,
        case when actual is not null then 'summed' end as actual_source,
        is_provisional,
        actual_caveat,
        extract_ids,
        plan_source,
        plan_note
    from parts_of_years

),

-- Both sides are multiplied out in decimals: no comparison rests on a rounded part of a plan. DuckDB multiplies decimals
-- of up to 18 digits within 18 digits, hence the wide shares.
multiplied as (

    select
        compared.*,
        indicators.unit,
        indicators.direction,
        case
            when actual is null then null
            when denominator is not null
                then numerator::decimal(18, 3) * {{ value_factor('indicators.unit') }} * share_whole
            else actual * share_whole
        end as achieved,
        case
            when denominator is not null then denominator::decimal(18, 3) * planned_value * share_part
            else planned_value * share_part
        end as required,
        (planned_value * share_part / share_whole)::double as planned_by_now,
        ((achieved - required) / (share_whole * coalesce(denominator::decimal(18, 3), 1)))::double as variance,
        case when months_elapsed is not null then planned_value - actual end as left_of_year,
        case when months_elapsed is not null then 12 - months_elapsed end as months_left
    from compared
    inner join indicators using (indicator_id)

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    plan_id,
    plan,
    plan_version,
    breakdown,
    kind,
    planned_by_now as planned_value,
    actual_value,
    variance,
    case when planned_by_now <> 0 then 100 * variance / planned_by_now end as variance_pct,
    case
        when kind = 'projection' then null
        when direction = 'lower' then achieved <= required
        when direction = 'higher' then achieved >= required
    end as is_on_plan,
    unit,
    profile_used as profile,
    case when months_elapsed is not null then planned_value::double end as planned_for_year,
    left_of_year::double as left_for_year,
    months_left,
    actual_value / months_elapsed as run_rate_to_date,
    case when months_left > 0 and left_of_year >= 0 then left_of_year::double / months_left end as run_rate_needed,
    actual_source,
    is_provisional,
    nullif(concat_ws(
        '; ',
        case when kind = 'projection' then 'a projection without the plan: not judged' end,
        case when kind <> 'projection' and direction = 'neutral' then 'not judged: neither side of it is better' end,
        case when actual is null and actual_caveat is null then 'no figure is held' end,
        case
            when profile_used = 'last_year' and planned_by_now is null
                then 'no plan to date: last year is not held in full, and the plan is to be spread as it was'
        end,
        case
            when months_left > 0 and left_of_year < 0
                then 'the plan of the year is '
                || case direction when 'lower' then 'exceeded' when 'higher' then 'reached' else 'passed' end
                || ' already'
        end,
        actual_caveat
    ), '') as caveat,
    plan_source,
    plan_note,
    extract_ids
from multiplied
