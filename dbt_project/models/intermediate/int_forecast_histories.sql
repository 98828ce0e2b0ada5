with plans as (

    select * from {{ ref('int_planned_values') }}
    where is_current_version

),

years_to_date as (

    select * from {{ ref('int_years_to_date') }}

),

indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where is_preferred and period_type = 'month'

),

indicators as (

    select * from {{ ref('indicators') }}

),

-- From that day on an organisation has the figures of another too: what was before is another series.
breaks as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('int_series_breaks') }}
    where is_within_series

),

-- Years that are planned as a whole: in one figure, or in all their months or quarters.
years_planned as (

    select
        indicator_id,
        org_code,
        series_level,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start
    from plans
    where period_type in ('financial_year', 'quarter', 'month') or (period_type = 'ytd' and month(period_end) = 3)
    group by plan_id, breakdown, period_type, indicator_id, org_code, series_level, financial_year_start
    having count(*) >= case period_type when 'month' then 12 when 'quarter' then 4 else 1 end

),

years_under_way as (

    select
        years_to_date.*,
        indicators.unit,
        indicators.dataset
    from years_to_date
    inner join indicators using (indicator_id)
    inner join (
        select distinct indicator_id, org_code, series_level, financial_year_start from years_planned
    ) as planned using (indicator_id, org_code, series_level, financial_year_start)
    where years_to_date.months_elapsed < 12 and years_to_date.actual_to_date is not null

),

months as (

    select
        years_under_way.indicator_id,
        years_under_way.org_code,
        years_under_way.series_level,
        years_under_way.period_end,
        indicator_values.period_start,
        indicator_values.value,
        indicator_values.denominator,
        datediff('month', indicator_values.period_start, years_under_way.period_end) as months_before,
        row_number() over (
            partition by
                years_under_way.indicator_id,
                years_under_way.org_code,
                years_under_way.series_level,
                years_under_way.period_end
            order by indicator_values.period_start desc
        ) as months_held
    from years_under_way
    inner join indicator_values
        on
            years_under_way.indicator_id = indicator_values.indicator_id
            and years_under_way.org_code = indicator_values.org_code
            and years_under_way.series_level = indicator_values.series_level
            and indicator_values.period_end <= years_under_way.period_end
    anti join breaks
        on
            years_under_way.org_code = breaks.org_code
            and years_under_way.series_level = breaks.series_level
            and years_under_way.dataset = breaks.dataset
            and breaks.changed_on > indicator_values.period_start
            and breaks.changed_on <= years_under_way.period_end
    where
        indicator_values.value is not null
        and (years_under_way.measured_as <> 'share' or indicator_values.denominator is not null)

),

-- Back from the last month to the first gap or break.
histories as (

    select
        indicator_id,
        org_code,
        series_level,
        period_end,
        max(period_start) as last_month,
        list(value order by period_start) as month_values,
        list(denominator order by period_start) as month_denominators
    from months
    where months_before = months_held - 1
    group by all

)

select
    years_under_way.indicator_id,
    years_under_way.org_code,
    years_under_way.series_level,
    years_under_way.financial_year_start,
    years_under_way.period_end,
    years_under_way.measured_as,
    years_under_way.unit,
    years_under_way.months_elapsed,
    years_under_way.actual_to_date::double as actual_to_date,
    years_under_way.part_type,
    histories.last_month,
    histories.month_values,
    histories.month_denominators
from years_under_way
left join histories using (indicator_id, org_code, series_level, period_end)
