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

forecasts as (

    select * from {{ ref('int_forecasts') }}

),

-- The plan of a year, for years to date whose plan is stated: that of the year, else that to the end of its last month.
plans_of_years as (

    select
        plan_id,
        indicator_id,
        org_code,
        org_level,
        coalesce(breakdown, '') as breakdown_or_none,
        period_start,
        arg_min(planned_value, period_type) as planned_for_year
    from plans
    where
        is_current_version
        and (period_type = 'financial_year' or (period_type = 'ytd' and month(period_end) = 3))
    group by all

),

-- A plan beside the figure of its own period; a year or year to date without one is that of its months.
whole_periods as (

    select
        plans.*,
        'stated' as profile_used,
        1::decimal(38, 6) as share_part,
        1::decimal(38, 6) as share_whole,
        case
            when plans.period_type = 'ytd' then datediff('month', plans.period_start, plans.period_end) + 1
        end as months_elapsed,
        plans_of_years.planned_for_year,
        case when indicator_values.value is not null then indicator_values.numerator else years_to_date.numerator_to_date end
            as numerator,
        case
            when indicator_values.value is not null then indicator_values.denominator
            else years_to_date.denominator_to_date
        end as denominator,
        coalesce(indicator_values.value::decimal(18, 6), years_to_date.actual_to_date) as actual,
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
        end as extract_ids,
        null::varchar as plan_caveat
    from plans
    left join indicator_values
        using (indicator_id, org_code, series_level, period_type, period_start, period_end)
    left join years_to_date
        on
            plans.period_type in ('financial_year', 'ytd')
            and plans.indicator_id = years_to_date.indicator_id
            and plans.org_code = years_to_date.org_code
            and plans.series_level = years_to_date.series_level
            and plans.period_start = years_to_date.financial_year_start
            and plans.period_end = years_to_date.period_end
            -- Where a return says that there is no figure of a share or stock, none is made.
            and (indicator_values.source is null or years_to_date.measured_as = 'flow')
    left join plans_of_years
        on
            plans.period_type = 'ytd'
            and plans.plan_id = plans_of_years.plan_id
            and plans.indicator_id = plans_of_years.indicator_id
            and plans.org_code = plans_of_years.org_code
            and plans.org_level = plans_of_years.org_level
            and coalesce(plans.breakdown, '') = plans_of_years.breakdown_or_none
            and plans.period_start = plans_of_years.period_start

),

-- Months or quarters planned, added up to the end of each. Of several versions those that are current.
parts_planned as (

    select
        plans.*,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start,
        {{ period_length('period_type') }} as part_length
    from plans
    inner join indicators using (indicator_id)
    where
        plans.is_current_version
        and plans.period_type in ('month', 'quarter')
        and {{ is_additive('indicators.unit') }}
        and not indicators.is_stock

),

added_up as (

    select
        plan_id,
        plan,
        indicator_id,
        org_code,
        org_level,
        series_level,
        breakdown,
        kind,
        period_type,
        financial_year_start,
        period_end,
        list(plan_version) over year_so_far as versions,
        max(agreed_on) over year_so_far as agreed_on,
        sum(planned_value) over year_so_far as planned_so_far,
        list(period_start) over year_so_far as starts_planned,
        generate_series(financial_year_start, period_start, part_length) as expected_starts,
        sum(planned_value) over whole_year as planned_in_year,
        count(*) over whole_year as parts_in_year,
        string_agg(distinct plan_source, '; ') over year_so_far as plan_source
    from parts_planned
    window
        year_so_far as (
            partition by plan_id, indicator_id, org_code, org_level, breakdown, kind, period_type, financial_year_start
            order by period_start
            rows between unbounded preceding and current row
        ),
        whole_year as (
            partition by plan_id, indicator_id, org_code, org_level, breakdown, kind, period_type, financial_year_start
        )

),

plans_added_up as (

    select
        *,
        list_filter(
            expected_starts, expected -> not list_contains(starts_planned, expected::date)
        ) as starts_not_planned
    from added_up

),

-- What a year plans up to the end of a month: of its months or quarters where all are planned, else by the profile, else
-- of the months or quarters that are.
plans_to_date as (

    select
        plan_id,
        plan,
        case when len(list_distinct(versions)) = 1 then versions[1] else 'several' end as plan_version,
        indicator_id,
        org_code,
        org_level,
        series_level,
        breakdown,
        financial_year_start as period_start,
        period_end,
        kind,
        agreed_on,
        true as is_current_version,
        case when len(starts_not_planned) = 0 then planned_so_far end as planned_value,
        case
            when parts_in_year = case period_type when 'month' then 12 else 4 end then planned_in_year
        end as planned_for_year,
        period_type || 's' as profile_used,
        case period_type when 'month' then 1 else 2 end
        + case when parts_in_year < case period_type when 'month' then 12 else 4 end then 3 else 0 end as precedence,
        1::decimal(38, 6) as share_part,
        1::decimal(38, 6) as share_whole,
        plan_source,
        null as plan_note,
        nullif(concat_ws(
            '; ',
            case
                when len(starts_not_planned) > 0
                    then 'no plan to date: nothing is planned for '
                    || {{ periods_in_words('starts_not_planned', 'period_type') }}
            end,
            case
                when parts_in_year < case period_type when 'month' then 12 else 4 end
                    then 'no plan of the year: ' || parts_in_year || ' of its '
                    || case period_type when 'month' then '12 months' else '4 quarters' end
                    || case parts_in_year when 1 then ' is planned' else ' are planned' end
            end
        ), '') as plan_caveat
    from plans_added_up

    union all

    select
        plans.plan_id,
        plans.plan,
        plans.plan_version,
        plans.indicator_id,
        plans.org_code,
        plans.org_level,
        plans.series_level,
        plans.breakdown,
        plans.period_start,
        years_to_date.period_end,
        plans.kind,
        plans.agreed_on,
        plans.is_current_version,
        plans.planned_value,
        plans.planned_value as planned_for_year,
        case when years_to_date.measured_as = 'flow' then coalesce(plans.profile, 'none') else 'whole_year' end
            as profile_used,
        case when plans.is_current_version then 3 end as precedence,
        case
            when years_to_date.measured_as <> 'flow' then 1
            when plans.profile = 'even' then years_to_date.months_elapsed
            when plans.profile = 'by_days' then datediff('day', plans.period_start, years_to_date.period_end) + 1
            when plans.profile = 'last_year' then years_to_date.last_year_to_date
        end::decimal(38, 6) as share_part,
        case
            when years_to_date.measured_as <> 'flow' then 1
            when plans.profile = 'even' then 12
            when plans.profile = 'by_days' then datediff('day', plans.period_start, plans.period_end) + 1
            when plans.profile = 'last_year' then nullif(years_to_date.last_year_total, 0)
        end::decimal(38, 6) as share_whole,
        plans.plan_source,
        plans.plan_note,
        case
            when years_to_date.measured_as <> 'flow' then null
            when plans.profile is null
                then 'no plan to date: the plan of the year does not say how it runs over the year (profile)'
            when
                plans.profile = 'last_year'
                and (years_to_date.last_year_to_date is null or coalesce(years_to_date.last_year_total, 0) = 0)
                then 'no plan to date: last year is not held in full, and the plan is to be spread as it was'
        end as plan_caveat
    from plans
    inner join years_to_date
        on
            plans.indicator_id = years_to_date.indicator_id
            and plans.org_code = years_to_date.org_code
            and plans.series_level = years_to_date.series_level
            and plans.period_start = years_to_date.financial_year_start
    where plans.period_type = 'financial_year'

),

parts_of_years as (

    select
        plans_to_date.* exclude (precedence),
        'ytd' as period_type,
        datediff('month', plans_to_date.period_start, plans_to_date.period_end) + 1 as months_elapsed,
        years_to_date.numerator_to_date as numerator,
        years_to_date.denominator_to_date as denominator,
        years_to_date.actual_to_date as actual,
        case when years_to_date.actual_to_date is not null then 'summed' end as actual_source,
        years_to_date.is_provisional,
        years_to_date.caveat as actual_caveat,
        years_to_date.extract_ids
    from plans_to_date
    left join years_to_date
        on
            plans_to_date.indicator_id = years_to_date.indicator_id
            and plans_to_date.org_code = years_to_date.org_code
            and plans_to_date.series_level = years_to_date.series_level
            and plans_to_date.period_start = years_to_date.financial_year_start
            and plans_to_date.period_end = years_to_date.period_end
    -- A plan to date that is stated goes before one that is made.
    anti join plans as stated
        on
            plans_to_date.is_current_version
            and stated.is_current_version
            and stated.period_type = 'ytd'
            and plans_to_date.plan_id = stated.plan_id
            and plans_to_date.indicator_id = stated.indicator_id
            and plans_to_date.org_code = stated.org_code
            and plans_to_date.org_level = stated.org_level
            and plans_to_date.breakdown is not distinct from stated.breakdown
            and plans_to_date.period_end = stated.period_end
    qualify
        precedence is null
        or precedence = min(precedence) over (
            partition by
                plans_to_date.plan_id,
                plans_to_date.indicator_id,
                plans_to_date.org_code,
                plans_to_date.org_level,
                plans_to_date.breakdown,
                plans_to_date.period_start
        )

),

{%- set columns %}
        plan_id,
        plan,
        plan_version,
        agreed_on,
        is_current_version,
        indicator_id,
        org_code,
        org_level,
        series_level,
        breakdown,
        period_type,
        period_start,
        period_end,
        kind,
        planned_value,
        planned_for_year,
        profile_used,
        share_part,
        share_whole,
        months_elapsed,
        numerator,
        denominator,
        actual,
        actual_source,
        is_provisional,
        actual_caveat,
        plan_caveat,
        extract_ids,
        plan_source,
        plan_note
{%- endset %}

compared as (

    select {{ columns }}
    from whole_periods

    union all

    select {{ columns }}
    from parts_of_years

),

-- Both sides are multiplied out in decimals: no comparison rests on a rounded part of a plan. DuckDB multiplies decimals
-- of up to 18 digits within 18 digits, hence the wide shares.
multiplied as (

    select
        compared.*,
        indicators.unit,
        indicators.direction,
        {{ is_additive('indicators.unit') }} and not indicators.is_stock as is_flow,
        case
            when denominator is not null
                then {{ value_factor('indicators.unit') }} * numerator / nullif(denominator, 0)
            else actual::double
        end as actual_value,
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
        case when months_elapsed is not null and is_flow then planned_for_year - actual end as left_of_year,
        12 - months_elapsed as months_left
    from compared
    inner join indicators using (indicator_id)

),

judged as (

    select
        multiplied.*,
        case
            when kind = 'projection' then null
            when direction = 'lower' then achieved <= required
            when direction = 'higher' then achieved >= required
        end as is_on_plan
    from multiplied

),

foreseen as (

    select
        judged.*,
        forecasts.method as forecast_method,
        -- Of a year that is over the forecast is what happened.
        case when months_left = 0 then actual_value else forecasts.forecast end as forecast,
        case when months_left = 0 then actual_value else forecasts.lower_80 end as forecast_lower_80,
        case when months_left = 0 then actual_value else forecasts.upper_80 end as forecast_upper_80,
        case when months_left = 0 then actual_value else forecasts.lower_95 end as forecast_lower_95,
        case when months_left = 0 then actual_value else forecasts.upper_95 end as forecast_upper_95,
        case
            when months_left > 0 and planned_for_year is not null
                then coalesce(forecasts.caveat, case when actual is null then 'no forecast: the year to date is not known' end)
        end as forecast_caveat,
        (planned_for_year::double - forecasts.forecast) / forecasts.standard_error as deviations,
        round({{ normal_share_below('deviations') }}, 6) as chance_of_less
    from judged
    left join forecasts
        on
            judged.period_type = 'ytd'
            and judged.planned_for_year is not null
            and judged.indicator_id = forecasts.indicator_id
            and judged.org_code = forecasts.org_code
            and judged.series_level = forecasts.series_level
            and judged.period_end = forecasts.period_end

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
    agreed_on,
    is_current_version,
    breakdown,
    kind,
    planned_by_now as planned_value,
    actual_value,
    variance,
    case when planned_by_now <> 0 then 100 * variance / planned_by_now end as variance_pct,
    is_on_plan,
    unit,
    profile_used as profile,
    planned_for_year::double as planned_for_year,
    left_of_year::double as left_for_year,
    months_left,
    case when is_flow then actual_value / months_elapsed end as run_rate_to_date,
    case when months_left > 0 and left_of_year >= 0 then left_of_year::double / months_left end as run_rate_needed,
    forecast_method,
    forecast,
    forecast_lower_80,
    forecast_upper_80,
    forecast_lower_95,
    forecast_upper_95,
    case
        when kind = 'projection' or direction = 'neutral' or planned_for_year is null then null
        when months_left = 0 then case when is_on_plan then 1 when not is_on_plan then 0 end
        -- What is counted never becomes less.
        when left_of_year < 0 and unit in ('count', 'days') then case direction when 'lower' then 0 else 1 end
        when direction = 'lower' then chance_of_less
        when direction = 'higher' then round(1 - chance_of_less, 6)
    end::double as chance_of_meeting_plan,
    actual_source,
    is_provisional,
    nullif(concat_ws(
        '; ',
        case when kind = 'projection' then 'a projection without the plan: not judged' end,
        case when kind <> 'projection' and direction = 'neutral' then 'not judged: neither side of it is better' end,
        case when is_current_version is false then 'a later version of the plan counts' end,
        case when actual is null and actual_caveat is null then 'no figure is held' end,
        plan_caveat,
        case
            when months_left > 0 and left_of_year < 0
                then 'the plan of the year is '
                || case direction when 'lower' then 'exceeded' when 'higher' then 'reached' else 'passed' end
                || ' already'
        end,
        actual_caveat,
        forecast_caveat
    ), '') as caveat,
    plan_source,
    plan_note,
    extract_ids
from foreseen
