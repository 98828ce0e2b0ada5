with rules as (

    select * from {{ ref('bcf_payment_rules') }}

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where is_preferred

),

comparisons as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where period_type = 'quarter' and profile = 'stated' and kind = 'plan' and is_current_version

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

quarters as (

    select
        rules.*,
        unnest(generate_series(first_quarter_start, last_quarter_start, interval 3 month))::date as period_start,
        datediff('quarter', first_quarter_start, period_start) + 1 as quarter_number,
        datediff('quarter', first_quarter_start, last_quarter_start) + 1 as quarters_in_rule
    from rules

),

areas as (

    select distinct
        quarters.rule_id,
        indicator_values.org_code,
        indicator_values.org_level
    from quarters
    inner join indicator_values
        on
            (
                quarters.baseline_indicator_id = indicator_values.indicator_id
                and indicator_values.period_type = 'quarter'
                and quarters.period_start = indicator_values.period_start
            )
            or (
                quarters.pot_indicator_id = indicator_values.indicator_id
                and indicator_values.period_type = 'financial_year'
                and quarters.pot_year_start = indicator_values.period_start
            )

),

-- Targets that come by return are one plan, whichever files they came in.
planned as (

    select
        quarters.rule_id,
        comparisons.org_code,
        comparisons.org_level,
        quarters.period_start,
        concat_ws(
            ', ',
            comparisons.plan,
            case when comparisons.plan_id <> 'RETURNED' then comparisons.plan_version end,
            comparisons.breakdown
        ) as plan,
        comparisons.planned_value::decimal(18, 3) as planned_admissions
    from quarters
    inner join comparisons
        on
            quarters.admissions_indicator_id = comparisons.indicator_id
            and quarters.period_start = comparisons.period_start

),

plans as (

    select
        areas.*,
        coalesce(plans_of_area.plan, 'none') as plan
    from areas
    left join (select distinct rule_id, org_code, org_level, plan from planned) as plans_of_area
        using (rule_id, org_code, org_level)

),

grid as (

    select
        quarters.*,
        plans.org_code,
        plans.org_level,
        plans.plan,
        baselines.value::decimal(18, 3) as baseline_admissions,
        planned.planned_admissions,
        actuals.value::decimal(18, 3) as actual_admissions,
        case when actuals.value is not null then actuals.source end as actual_source,
        (pots.value::decimal(18, 5) * 1000)::decimal(18, 2) as pot_gbp,
        baseline_admissions - planned_admissions as planned_reduction,
        baseline_admissions - actual_admissions as achieved_reduction,
        list_filter(
            [baselines.is_provisional, actuals.is_provisional, pots.is_provisional], is_so -> is_so
        ) <> [] as is_provisional,
        nullif(array_to_string(
            list_filter([
                case when baseline_admissions is null then 'baseline' end,
                case when planned_admissions is null then 'plan' end
            ], part -> part is not null), ' and '
        ), '') as missing_of_plan,
        actuals.caveat as actual_caveat,
        list_sort(list_distinct(flatten(list_filter(
            [baselines.extract_ids, actuals.extract_ids, pots.extract_ids], ids -> ids is not null
        )))) as extract_ids
    from plans
    inner join quarters using (rule_id)
    left join planned using (rule_id, org_code, org_level, period_start, plan)
    left join indicator_values as baselines
        on
            quarters.baseline_indicator_id = baselines.indicator_id
            and plans.org_code = baselines.org_code
            and plans.org_level = baselines.org_level
            and baselines.period_type = 'quarter'
            and quarters.period_start = baselines.period_start
    left join indicator_values as actuals
        on
            quarters.admissions_indicator_id = actuals.indicator_id
            and plans.org_code = actuals.org_code
            and plans.org_level = actuals.org_level
            and actuals.period_type = 'quarter'
            and quarters.period_start = actuals.period_start
    left join indicator_values as pots
        on
            quarters.pot_indicator_id = pots.indicator_id
            and plans.org_code = pots.org_code
            and plans.org_level = pots.org_level
            and pots.period_type = 'financial_year'
            and quarters.pot_year_start = pots.period_start

),

-- A sum to date needs every quarter to date.
to_date as (

    select
        *,
        case when count(planned_reduction) over so_far = quarter_number
            then sum(planned_reduction) over so_far
        end::decimal(18, 3) as planned_reduction_to_date,
        case when count(achieved_reduction) over so_far = quarter_number
            then sum(achieved_reduction) over so_far
        end::decimal(18, 3) as achieved_reduction_to_date,
        case when count(planned_reduction) over whole = quarters_in_rule
            then sum(planned_reduction) over whole
        end::decimal(18, 3) as planned_reduction_total,
        string_agg({{ period_label("'quarter'", 'period_start', 'period_start') }} || ' ' || missing_of_plan, ', ') over whole
            as missing_of_plans,
        string_agg(
            case when actual_admissions is null then {{ period_label("'quarter'", 'period_start', 'period_start') }} end, ', '
        ) over so_far as missing_actuals
    from grid
    window
        so_far as (
            partition by rule_id, org_code, org_level, plan order by period_start
            rows between unbounded preceding and current row
        ),
        whole as (
            partition by rule_id, org_code, org_level, plan order by period_start
            rows between unbounded preceding and unbounded following
        )

),

-- In admissions: what may be paid for by then, and what the fall to date has earned of it.
most_payable as (

    select
        *,
        case when planned_reduction_total > 0 then least(
            greatest(max(planned_reduction_to_date) over so_far, 0), planned_reduction_total
        ) end::decimal(18, 3) as payable_reduction
    from to_date
    window so_far as (
        partition by rule_id, org_code, org_level, plan order by period_start
        rows between unbounded preceding and current row
    )

),

earned as (

    select
        *,
        case when achieved_reduction_to_date is not null and payable_reduction is not null
            then greatest(least(achieved_reduction_to_date, payable_reduction), 0)
        end::decimal(18, 3) as earned_reduction
    from most_payable

),

-- What is paid is not taken back.
paid as (

    select
        *,
        case when earned_reduction is not null then max(earned_reduction) over so_far end as paid_reduction,
        {{ share_to_the_penny('pot_gbp', 'payable_reduction', 'planned_reduction_total') }} as payable_to_date_gbp,
        {{ share_to_the_penny('pot_gbp', 'earned_reduction', 'planned_reduction_total') }} as earned_to_date_gbp
    from earned
    window so_far as (
        partition by rule_id, org_code, org_level, plan order by period_start
        rows between unbounded preceding and current row
    )

),

amounts as (

    select
        *,
        {{ share_to_the_penny('pot_gbp', 'paid_reduction', 'planned_reduction_total') }} as paid_to_date_gbp
    from paid

)

select
    amounts.rule_id,
    amounts.rule_name,
    amounts.org_code,
    organisations.org_name,
    amounts.org_level,
    amounts.plan,
    amounts.quarter_number,
    amounts.period_start,
    {{ period_end("'quarter'", 'amounts.period_start') }} as period_end,
    {{ period_label("'quarter'", 'amounts.period_start', 'amounts.period_start') }} as period_label,
    amounts.baseline_admissions,
    amounts.planned_admissions,
    amounts.actual_admissions,
    amounts.actual_source,
    amounts.planned_reduction::decimal(18, 3) as planned_reduction,
    amounts.achieved_reduction::decimal(18, 3) as achieved_reduction,
    amounts.planned_reduction_to_date,
    amounts.achieved_reduction_to_date,
    amounts.planned_reduction_total,
    100 * amounts.payable_reduction::double / amounts.planned_reduction_total::double as most_payable_to_date_pct,
    100 * amounts.earned_reduction::double / amounts.planned_reduction_total::double as share_earned_to_date_pct,
    100 * amounts.paid_reduction::double / amounts.planned_reduction_total::double as share_paid_to_date_pct,
    amounts.pot_gbp,
    amounts.payable_to_date_gbp,
    amounts.earned_to_date_gbp,
    (amounts.paid_to_date_gbp - coalesce(lag(amounts.paid_to_date_gbp) over (
        partition by amounts.rule_id, amounts.org_code, amounts.org_level, amounts.plan order by amounts.period_start
    ), 0))::decimal(18, 2) as payment_gbp,
    amounts.paid_to_date_gbp,
    coalesce(amounts.is_provisional, false) as is_provisional,
    case when amounts.earned_reduction is not null
        then 'fall to date ' || {{ figure_in_words('amounts.achieved_reduction_to_date') }} || ', counted at least 0 and at most '
            || {{ figure_in_words('amounts.payable_reduction') }} || ' = '
            || {{ figure_in_words('amounts.earned_reduction') }} || ' of the '
            || {{ figure_in_words('amounts.planned_reduction_total') }} || ' planned in all'
    end as arithmetic,
    nullif(concat_ws(
        '; ',
        'no share: missing are ' || amounts.missing_of_plans,
        case when amounts.planned_reduction_total <= 0 then 'no share: no fall of admissions is planned' end,
        'no share to date: no admissions of ' || amounts.missing_actuals,
        case when amounts.pot_gbp is null then 'no amount: the pot is not returned' end,
        case
            when amounts.paid_reduction > amounts.earned_reduction
                then 'more is paid by now than the fall to date has earned, and is not taken back'
        end,
        amounts.actual_caveat
    ), '') as caveat,
    amounts.source as rule_source,
    amounts.note as rule_note,
    amounts.extract_ids
from amounts
left join organisations using (org_code, org_level)
