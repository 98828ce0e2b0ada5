with comparisons as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where is_current_version

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

labelled as (

    select
        comparisons.*,
        indicators.indicator_name,
        indicators.indicator_group,
        indicators.indicator_set,
        indicators.direction,
        coalesce(organisations.org_name, comparisons.org_code) as org_name,
        {{ period_label('comparisons.period_type', 'comparisons.period_start', 'comparisons.period_end') }} as period_label,
        comparisons.actual_value is not null and comparisons.period_end = max(
            case when comparisons.actual_value is not null then comparisons.period_end end
        ) over (
            partition by
                comparisons.plan_id,
                comparisons.indicator_id,
                comparisons.org_code,
                comparisons.org_level,
                comparisons.breakdown,
                comparisons.period_type
        ) as is_latest
    from comparisons
    inner join indicators using (indicator_id)
    left join organisations using (org_code, org_level)

)

select
    indicator_id,
    indicator_name,
    indicator_group,
    indicator_set,
    org_code,
    org_name,
    org_level,
    period_type,
    period_label,
    period_start,
    period_end,
    is_latest,
    plan_id,
    plan,
    plan_version,
    agreed_on,
    breakdown,
    kind,
    unit,
    case direction when 'lower' then 'lower is better' when 'higher' then 'higher is better' else 'neither side is better' end
        as direction_label,
    planned_value,
    {{ shown('planned_value', 'unit') }} as planned_label,
    actual_value,
    {{ shown('actual_value', 'unit') }} as actual_label,
    variance,
    case when variance > 0 then '+' else '' end
    || case
        when unit = 'percent' then format('{:,.1f} points', round(variance::decimal(18, 6), 1)::double)
        else {{ shown('variance', 'unit') }}
    end as variance_label,
    variance_pct,
    case when variance_pct > 0 then '+' else '' end || {{ shown('variance_pct', "'percent'") }} as variance_pct_label,
    is_on_plan,
    case
        when is_on_plan then 'on plan'
        when not is_on_plan then 'not on plan'
        when actual_value is null then 'no figure'
        when planned_value is null then 'no plan to date'
        else 'not judged'
    end as verdict,
    case profile
        when 'stated' then 'stated for the period'
        when 'months' then 'the months planned, added up'
        when 'quarters' then 'the quarters planned, added up'
        when 'even' then 'a twelfth of the year for each month'
        when 'by_days' then 'the plan of the year by days'
        when 'last_year' then 'the plan of the year as last year ran'
        when 'whole_year' then 'the plan of the year as it stands'
        when 'none' then 'the plan does not say how it runs over the year'
    end as profile_label,
    planned_for_year,
    {{ shown('planned_for_year', 'unit') }} as planned_for_year_label,
    left_for_year,
    months_left,
    run_rate_to_date,
    {{ shown('run_rate_to_date', 'unit') }} as run_rate_to_date_label,
    run_rate_needed,
    {{ shown('run_rate_needed', 'unit') }} as run_rate_needed_label,
    forecast,
    {{ shown('forecast', 'unit') }} as forecast_label,
    forecast_lower_80,
    forecast_upper_80,
    {{ shown('forecast_lower_80', 'unit') }} || ' to ' || {{ shown('forecast_upper_80', 'unit') }} as forecast_80_label,
    forecast_lower_95,
    forecast_upper_95,
    {{ shown('forecast_lower_95', 'unit') }} || ' to ' || {{ shown('forecast_upper_95', 'unit') }} as forecast_95_label,
    forecast_method,
    chance_of_meeting_plan,
    case
        when months_left = 0 then case chance_of_meeting_plan when 1 then 'met' when 0 then 'not met' end
        when chance_of_meeting_plan < 0.01 then 'below 1 %'
        when chance_of_meeting_plan > 0.99 then 'above 99 %'
        else format('{:.0f} %', round((100 * chance_of_meeting_plan)::decimal(18, 6))::double)
    end as chance_label,
    is_provisional,
    caveat,
    plan_source,
    plan_note,
    extract_ids
from labelled
