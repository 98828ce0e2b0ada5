with domains as (

    select * from {{ ref('outcomes_domains') }}

),

members_of_set as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'outcomes'

),

indicators as (

    select
        dim_indicators.*,
        domains.domain_name,
        members_of_set.sort_order as order_in_set
    from {{ ref('dim_indicators') }} as dim_indicators
    inner join domains using (outcomes_domain)
    left join members_of_set using (indicator_id)
    where domains.is_outcome

),

comparisons as (

    select
        *,
        {{ series_level() }} as series_level,
        value::decimal(18, 6) as exact_value
    from {{ ref('fct_standard_comparisons') }}
    where
        is_preferred and period_type <> 'ytd'
        and indicator_id in (select indicator_id from indicators)

),

-- A plan for the whole of a period; where a paper and a return both have one, the paper's.
plans as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_trajectory_comparisons') }}
    where
        profile = 'stated' and kind in ('plan', 'ceiling') and is_current_version
        and indicator_id in (select indicator_id from indicators)
    qualify row_number() over (
        partition by indicator_id, org_code, series_level, period_type, period_start, period_end
        order by plan_id = 'RETURNED', plan_version desc, plan_id, breakdown nulls first
    ) = 1

),

trajectories as (

    select * from {{ ref('trajectories') }}

),

-- Baselines and past figures that a paper states beside its plan.
stated as (

    select
        *,
        {{ series_level() }} as series_level
    from trajectories
    where kind in ('baseline', 'actual') and indicator_id in (select indicator_id from indicators)
    qualify row_number() over (
        partition by indicator_id, org_code, series_level, period_type, period_start, period_end
        order by plan_version desc, plan_id, breakdown nulls first
    ) = 1

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

england as (

    select
        indicator_id,
        period_type,
        period_start,
        period_end,
        value as england_value,
        exact_value as exact_england
    from comparisons
    where org_level = 'national' and org_code = 'ENG' and value is not null

),

-- Peers are the other organisations of the level that have a value of the same period.
benchmarked as (

    select
        comparisons.*,
        england.england_value,
        england.exact_england,
        count(comparisons.value) over others as peer_count,
        median(comparisons.value) over others as peer_median,
        case
            when comparisons.value is not null and indicators.direction <> 'neutral'
                then rank() over (
                    partition by
                        comparisons.indicator_id, comparisons.series_level, comparisons.period_type,
                        comparisons.period_start, comparisons.period_end, comparisons.value is null
                    order by
                        case indicators.direction when 'lower' then comparisons.exact_value else - comparisons.exact_value end
                )
        end as rank_among_peers
    from comparisons
    inner join indicators using (indicator_id)
    left join england
        on
            comparisons.indicator_id = england.indicator_id
            and comparisons.period_type = england.period_type
            and comparisons.period_start = england.period_start
            and comparisons.period_end = england.period_end
            and comparisons.org_level <> 'national'
    window others as (
        partition by
            comparisons.indicator_id, comparisons.series_level, comparisons.period_type,
            comparisons.period_start, comparisons.period_end
        rows between unbounded preceding and unbounded following exclude current row
    )

),

facts as (

    select
        coalesce(benchmarked.indicator_id, plans.indicator_id, stated.indicator_id) as indicator_id,
        coalesce(benchmarked.org_code, plans.org_code, stated.org_code) as org_code,
        coalesce(benchmarked.org_level, plans.org_level, stated.org_level) as org_level,
        coalesce(benchmarked.period_type, plans.period_type, stated.period_type) as period_type,
        coalesce(benchmarked.period_start, plans.period_start, stated.period_start) as period_start,
        coalesce(benchmarked.period_end, plans.period_end, stated.period_end) as period_end,
        benchmarked.* exclude (indicator_id, org_code, org_level, period_type, period_start, period_end, caveat),
        plans.plan,
        plans.kind as plan_kind,
        plans.planned_value,
        -- A year without a figure of its own is the sum of its months.
        case when benchmarked.value is null then plans.actual_value end as summed_value,
        plans.variance,
        plans.is_on_plan,
        plans.plan_source,
        stated.planned_value::double as stated_value,
        stated.kind as stated_kind,
        stated.source || ', line ' || stated.source_line as stated_source,
        case
            when benchmarked.value is not null then benchmarked.caveat
            when plans.indicator_id is not null then plans.caveat
            when benchmarked.indicator_id is not null then benchmarked.caveat
            else 'no figure is held; the plan states one'
        end as caveat
    from benchmarked
    full join plans
        using (indicator_id, org_code, series_level, period_type, period_start, period_end)
    full join stated
        using (indicator_id, org_code, series_level, period_type, period_start, period_end)

)

select
    indicators.outcomes_domain,
    indicators.domain_name,
    indicators.order_in_set is not null as is_in_outcomes_set,
    row_number() over (
        order by
            indicators.outcomes_domain, indicators.order_in_set nulls last, indicators.indicator_group,
            indicators.indicator_id, facts.org_level, facts.org_code, facts.period_start, facts.period_end, facts.period_type
    ) as sort_order,
    indicators.indicator_id,
    indicators.indicator_name,
    facts.org_code,
    facts.org_level,
    organisations.org_name,
    facts.period_type,
    facts.period_start,
    facts.period_end,
    {{ period_label('facts.period_type', 'facts.period_start', 'facts.period_end') }} as period_label,
    facts.numerator,
    facts.denominator,
    coalesce(facts.value, facts.summed_value) as value,
    indicators.unit,
    indicators.direction,
    facts.comparator,
    facts.standard,
    facts.is_met,
    facts.plan,
    facts.plan_kind,
    facts.planned_value,
    facts.variance,
    facts.is_on_plan,
    facts.plan_source,
    facts.stated_value,
    facts.stated_kind,
    facts.stated_source,
    case
        when facts.indicator_id is null then 'awaiting a return'
        when coalesce(facts.value, facts.summed_value) is null then 'no value'
        when facts.is_met then 'standard met'
        when facts.is_met = false then 'standard not met'
        when facts.is_on_plan then case facts.plan_kind when 'ceiling' then 'within the ceiling' else 'on plan' end
        when facts.is_on_plan = false then case facts.plan_kind when 'ceiling' then 'above the ceiling' else 'off plan' end
        else 'not judged'
    end as verdict,
    facts.england_value,
    case when facts.value is not null then (facts.exact_value - facts.exact_england)::double end as difference_from_england,
    case
        when facts.value is null or indicators.direction = 'neutral' then null
        when indicators.direction = 'lower' then facts.exact_value < facts.exact_england
        else facts.exact_value > facts.exact_england
    end as is_better_than_england,
    coalesce(facts.peer_count, 0) as peer_count,
    facts.peer_median,
    case when facts.peer_count > 0 then facts.rank_among_peers end as rank_among_peers,
    facts.source,
    facts.is_provisional,
    case when facts.indicator_id is null then 'no figure of it has been returned yet' else facts.caveat end as caveat,
    indicators.source as indicator_source,
    indicators.note
from indicators
left join facts using (indicator_id)
left join organisations using (org_code, org_level)
