with comparisons as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where
        period_type in ('quarter', 'financial_year')
        and profile = 'stated' and kind in ('plan', 'ceiling') and is_current_version

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where is_preferred and period_type in ('quarter', 'financial_year')

),

differences as (

    select * from {{ ref('fct_reported_differences') }}
    where indicator_id = derived_indicator_id

),

payment_rules as (

    select * from {{ ref('bcf_payment_rules') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

members as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'bcf'

),

-- What the payment rests on is in the view of the payment.
metrics as (

    select indicators.*
    from indicators
    inner join members using (indicator_id)
    where
        indicator_id not in (
            select baseline_indicator_id from payment_rules
            union all
            select pot_indicator_id from payment_rules
        )

),

-- Targets that come by return are one plan, whichever files they came in.
planned as (

    select
        comparisons.indicator_id,
        comparisons.org_code,
        comparisons.org_level,
        comparisons.period_type,
        comparisons.period_start,
        comparisons.period_end,
        comparisons.plan_id,
        comparisons.plan,
        comparisons.plan_version,
        case when comparisons.plan_id <> 'RETURNED' then comparisons.plan_version end as version_of_plan,
        comparisons.breakdown,
        comparisons.planned_value,
        comparisons.actual_value,
        comparisons.variance,
        comparisons.variance_pct,
        comparisons.is_on_plan,
        comparisons.actual_source,
        comparisons.is_provisional,
        comparisons.caveat,
        comparisons.plan_source,
        comparisons.plan_note,
        comparisons.extract_ids,
        metrics.unit,
        metrics.direction,
        make_date(
            year(comparisons.period_start) - case when month(comparisons.period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start
    from comparisons
    inner join metrics using (indicator_id)

),

sums_of_quarters as (

    select
        indicator_id,
        org_code,
        org_level,
        plan_id,
        any_value(plan) as plan,
        case when count(distinct plan_version) = 1 then any_value(plan_version) else 'several returns' end as plan_version,
        version_of_plan,
        breakdown,
        financial_year_start,
        any_value(unit) as unit,
        any_value(direction) as direction,
        case when count(planned_value) = 4 then sum(planned_value::decimal(18, 6)) end as planned,
        case when count(actual_value) = 4 then sum(actual_value::decimal(18, 6)) end as actual,
        list_filter(
            generate_series(financial_year_start, financial_year_start + interval 9 month, interval 3 month),
            expected -> not list_contains(
                coalesce(list(period_start) filter (where planned_value is not null and actual_value is not null), []),
                expected::date
            )
        ) as missing_quarters,
        bool_or(is_provisional) as is_provisional,
        {{ join_caveats('caveat') }} as caveat,
        string_agg(distinct plan_source, '; ' order by plan_source) as plan_source,
        list_sort(list_distinct(flatten(list(extract_ids)))) as extract_ids
    from planned
    where period_type = 'quarter' and {{ is_additive('unit') }}
    group by indicator_id, org_code, org_level, plan_id, version_of_plan, breakdown, financial_year_start

),

rows_of_report as (

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        'as stated' as basis,
        plan_id,
        plan,
        plan_version,
        breakdown,
        planned_value,
        actual_value,
        variance,
        variance_pct,
        is_on_plan,
        actual_source,
        is_provisional,
        caveat,
        plan_source,
        plan_note,
        extract_ids
    from planned

    union all

    select
        indicator_id,
        org_code,
        org_level,
        'financial_year' as period_type,
        financial_year_start as period_start,
        {{ period_end("'financial_year'", 'financial_year_start') }} as period_end,
        'sum of its quarters' as basis,
        plan_id,
        plan,
        plan_version,
        breakdown,
        planned::double as planned_value,
        actual::double as actual_value,
        (actual - planned)::double as variance,
        case when planned <> 0 then 100 * (actual - planned)::double / planned::double end as variance_pct,
        case direction when 'lower' then actual <= planned when 'higher' then actual >= planned end as is_on_plan,
        case when actual is not null then 'summed' end as actual_source,
        is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when len(missing_quarters) > 0
                    then 'no sum of the year: plan or actual is missing of the quarter from ' || array_to_string(
                        list_transform(missing_quarters, quarter -> strftime(quarter, '%B %Y')), ', '
                    )
            end,
            caveat
        ), '') as caveat,
        plan_source,
        null as plan_note,
        extract_ids
    from sums_of_quarters

    union all

    select
        indicator_values.indicator_id,
        indicator_values.org_code,
        indicator_values.org_level,
        indicator_values.period_type,
        indicator_values.period_start,
        indicator_values.period_end,
        'as stated' as basis,
        null as plan_id,
        null as plan,
        null as plan_version,
        null as breakdown,
        null as planned_value,
        indicator_values.value as actual_value,
        null as variance,
        null as variance_pct,
        null as is_on_plan,
        case when indicator_values.value is not null then indicator_values.source end as actual_source,
        indicator_values.is_provisional,
        concat_ws('; ', 'no plan is held', indicator_values.caveat) as caveat,
        null as plan_source,
        null as plan_note,
        indicator_values.extract_ids
    from indicator_values
    inner join metrics using (indicator_id)
    anti join planned
        on
            indicator_values.indicator_id = planned.indicator_id
            and indicator_values.org_code = planned.org_code
            and indicator_values.org_level = planned.org_level
            and indicator_values.period_type = planned.period_type
            and indicator_values.period_start = planned.period_start

),

-- A yearly figure may be another than what its quarters come to, such as an average. Its plan is then not one for the
-- sum of the quarters either.
stated_beside_sum as (

    select
        rows_of_report.*,
        max(case when basis = 'sum of its quarters' then actual_value end) over year_of_plan as sum_of_quarters,
        max(case when basis = 'sum of its quarters' then planned_value end) over year_of_plan as planned_of_quarters,
        coalesce(
            basis = 'as stated' and actual_source = 'summed' and planned_value <> planned_of_quarters, false
        ) as is_plan_of_another_figure
    from rows_of_report
    window year_of_plan as (partition by indicator_id, org_code, org_level, plan_id, breakdown, period_type, period_start)

)

select
    report.org_code,
    organisations.org_name,
    report.org_level,
    report.indicator_id,
    metrics.indicator_name,
    report.period_type,
    report.period_start,
    report.period_end,
    {{ period_label('report.period_type', 'report.period_start', 'report.period_end') }} as period_label,
    report.basis,
    report.plan_id,
    report.plan,
    report.plan_version,
    report.breakdown,
    report.planned_value,
    indicator_values.numerator,
    indicator_values.denominator,
    report.actual_value,
    metrics.unit,
    case when not report.is_plan_of_another_figure then report.variance end as variance,
    case when not report.is_plan_of_another_figure then report.variance_pct end as variance_pct,
    case when not report.is_plan_of_another_figure then report.is_on_plan end as is_on_plan,
    case
        when report.is_plan_of_another_figure or report.is_on_plan is null then 'not judged'
        when report.is_on_plan then 'on plan'
        else 'not on plan'
    end as verdict,
    case metrics.direction
        when 'lower' then 'at or below plan' when 'higher' then 'at or above plan' else 'neither side is better'
    end as favourable,
    report.actual_source,
    differences.reported_value,
    differences.difference as reported_difference,
    report.is_provisional,
    nullif(concat_ws(
        '; ',
        case
            when report.basis = 'as stated' and report.actual_value <> report.sum_of_quarters
                then 'as returned for the year; its quarters come to '
                || {{ figure_in_words('report.sum_of_quarters') }}
        end,
        case
            when report.is_plan_of_another_figure
                then 'the sum of the quarters is not compared with the plan of the year, as their plans come to '
                || {{ figure_in_words('report.planned_of_quarters') }}
        end,
        report.caveat
    ), '') as caveat,
    report.plan_source,
    report.plan_note,
    report.extract_ids
from stated_beside_sum as report
inner join metrics using (indicator_id)
left join organisations using (org_code, org_level)
left join indicator_values
    on
        report.basis = 'as stated'
        and report.actual_source in ('derived', 'reported')
        and report.indicator_id = indicator_values.indicator_id
        and report.org_code = indicator_values.org_code
        and report.org_level = indicator_values.org_level
        and report.period_type = indicator_values.period_type
        and report.period_start = indicator_values.period_start
        and report.period_end = indicator_values.period_end
left join differences
    on
        report.basis = 'as stated'
        and report.actual_source = 'derived'
        and report.indicator_id = differences.indicator_id
        and report.org_code = differences.org_code
        and report.org_level = differences.org_level
        and report.period_type = differences.period_type
        and report.period_start = differences.period_start
        and report.period_end = differences.period_end
