with indicators as (

    select * from {{ ref('dim_indicators') }}
    where indicator_set = 'activity'

),

organisations as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('dim_organisations') }}

),

-- The latest month of each year.
years_to_date as (

    select * from {{ ref('int_years_to_date') }}
    where indicator_id in (select indicator_id from indicators)
    qualify period_end = max(period_end) over (
        partition by indicator_id, org_code, series_level, financial_year_start
    )

),

comparisons as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_trajectory_comparisons') }}
    where is_current_version and indicator_id in (select indicator_id from indicators)

),

-- What the plan says of a year, the years that were over when it was made among them.
years_of_plans as (

    select
        plan_id,
        indicator_id,
        org_code,
        coalesce(breakdown, '') as breakdown_or_none,
        period_start,
        planned_value,
        'forecast outturn or actual of the plan' as growth_base
    from {{ ref('trajectories') }}
    where kind in ('baseline', 'actual', 'forecast_outturn') and period_type = 'financial_year'

    union all

    select
        plan_id,
        indicator_id,
        org_code,
        coalesce(breakdown, '') as breakdown_or_none,
        period_start,
        planned_value::decimal(18, 6) as planned_value,
        'plan' as growth_base
    from comparisons
    where period_type = 'financial_year'

),

bases as (

    select
        plan_id,
        indicator_id,
        org_code,
        breakdown_or_none,
        (period_start + interval 1 year)::date as period_start,
        arg_max(planned_value, growth_base) as planned_year_before,
        max(growth_base) as growth_base
    from years_of_plans
    group by all

),

planned_years as (

    select
        comparisons.plan_id,
        comparisons.plan,
        comparisons.plan_version,
        comparisons.breakdown,
        comparisons.kind,
        comparisons.indicator_id,
        comparisons.org_code,
        comparisons.series_level,
        comparisons.period_start as financial_year_start,
        comparisons.planned_value as planned_for_year,
        bases.planned_year_before::double as planned_year_before,
        bases.growth_base,
        comparisons.plan_source
    from comparisons
    left join bases
        on
            comparisons.plan_id = bases.plan_id
            and comparisons.indicator_id = bases.indicator_id
            and comparisons.org_code = bases.org_code
            and coalesce(comparisons.breakdown, '') = bases.breakdown_or_none
            and comparisons.period_start = bases.period_start
    where comparisons.period_type = 'financial_year'

),

years as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        coalesce(
            years_to_date.period_end, {{ period_end("'financial_year'", 'financial_year_start') }}
        ) as period_end,
        coalesce(years_to_date.months_elapsed, 0) as months_held,
        years_to_date.actual_to_date::double as actual_value,
        years_to_date.last_year_to_date::double as actual_year_before,
        100 * (years_to_date.actual_to_date - years_to_date.last_year_to_date)
        / nullif(years_to_date.last_year_to_date, 0)::double as actual_growth_pct,
        years_to_date.is_provisional,
        years_to_date.caveat as actual_caveat,
        years_to_date.extract_ids,
        planned_years.* exclude (indicator_id, org_code, series_level, financial_year_start),
        100 * (planned_years.planned_for_year - planned_years.planned_year_before)
        / nullif(planned_years.planned_year_before, 0) as planned_growth_pct
    from years_to_date
    full join planned_years using (indicator_id, org_code, series_level, financial_year_start)

),

-- The plan up to the month held; of a year that is over, the plan of the year.
compared as (

    select
        years.*,
        comparisons.planned_value as planned_to_date,
        comparisons.variance,
        comparisons.variance_pct,
        comparisons.is_on_plan,
        comparisons.profile,
        comparisons.run_rate_needed,
        comparisons.forecast,
        comparisons.forecast_lower_80,
        comparisons.forecast_upper_80,
        comparisons.chance_of_meeting_plan,
        comparisons.caveat as comparison_caveat
    from years
    left join comparisons
        on
            comparisons.period_type = 'ytd'
            and years.plan_id = comparisons.plan_id
            and years.indicator_id = comparisons.indicator_id
            and years.org_code = comparisons.org_code
            and years.breakdown is not distinct from comparisons.breakdown
            and years.financial_year_start = comparisons.period_start
            and years.period_end = comparisons.period_end

),

named as (

    select
        compared.*,
        indicators.indicator_name,
        indicators.unit,
        coalesce(organisations.org_name, compared.org_code) as org_name,
        coalesce(organisations.org_level, compared.series_level) as org_level
    from compared
    inner join indicators using (indicator_id)
    left join organisations using (org_code, series_level)
    qualify row_number() over (
        partition by
            compared.indicator_id, compared.org_code, compared.series_level, compared.financial_year_start,
            compared.plan_id, compared.breakdown
        order by organisations.org_level
    ) = 1

)

select
    indicator_id,
    indicator_name,
    org_code,
    org_name,
    org_level,
    financial_year_start,
    {{ period_label("'financial_year'", 'financial_year_start', 'period_end') }} as year_label,
    period_end,
    months_held,
    case months_held
        when 12 then 'whole year'
        when 0 then 'no figures yet'
        when 1 then strftime(period_end, '%B %Y')
        else {{ period_label("'ytd'", 'financial_year_start', 'period_end') }}
    end as period_label,
    unit,
    plan_id,
    plan,
    plan_version,
    breakdown,
    kind,
    planned_for_year,
    {{ shown('planned_for_year', 'unit') }} as planned_for_year_label,
    planned_year_before,
    growth_base,
    planned_growth_pct,
    case when planned_growth_pct > 0 then '+' else '' end || {{ shown('planned_growth_pct', "'percent'") }}
        as planned_growth_label,
    planned_to_date,
    {{ shown('planned_to_date', 'unit') }} as planned_to_date_label,
    actual_value,
    {{ shown('actual_value', 'unit') }} as actual_label,
    actual_year_before,
    {{ shown('actual_year_before', 'unit') }} as actual_year_before_label,
    actual_growth_pct,
    case when actual_growth_pct > 0 then '+' else '' end || {{ shown('actual_growth_pct', "'percent'") }}
        as actual_growth_label,
    variance,
    variance_pct,
    is_on_plan,
    case
        when plan_id is null then 'no plan'
        when is_on_plan then 'on plan'
        when not is_on_plan then 'not on plan'
        when actual_value is null then 'no figure'
        when planned_to_date is null then 'no plan to date'
        else 'not judged'
    end as verdict,
    profile,
    run_rate_needed,
    forecast,
    forecast_lower_80,
    forecast_upper_80,
    chance_of_meeting_plan,
    is_provisional,
    nullif(concat_ws(
        '; ',
        coalesce(comparison_caveat, actual_caveat, case when actual_value is null then 'no figure is held' end),
        case
            when actual_value is not null and actual_year_before is null
                then 'no growth: the same months of the year before are not held in full'
        end
    ), '') as caveat,
    plan_source,
    extract_ids
from named
