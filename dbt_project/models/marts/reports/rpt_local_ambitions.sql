with members_of_set as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'local_ambitions'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

trajectories as (

    select
        *,
        {{ series_level() }} as series_level,
        -- The two sides of an ambition are no breakdown of it.
        case when breakdown not in ('ambition', 'no ambition') then breakdown end as part
    from {{ ref('trajectories') }}

),

rules as (

    select * from {{ ref('worked_out_ambitions') }}

),

comparisons as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where profile = 'stated' and kind in ('plan', 'ceiling') and plan_id <> 'RETURNED'

),

indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where is_preferred and period_type <> 'ytd'

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

practice_localities as (

    select * from {{ ref('practice_localities') }}

),

worked_out as (

    select * from {{ ref('int_worked_out_values') }}
    where base_rate is not null

),

-- Every line of a plan that has local ambitions: what is planned beside what is expected without it.
planned as (

    select
        plan_id,
        plan_version,
        indicator_id,
        org_code,
        org_level,
        series_level,
        part,
        period_type,
        period_start,
        period_end,
        string_agg(distinct plan, '; ' order by plan) as plan,
        max(planned_value) filter (where kind = 'projection') as no_ambition_value,
        max(planned_value) filter (where kind in ('plan', 'ceiling')) as ambition_value,
        max(breakdown) filter (where kind in ('plan', 'ceiling')) as breakdown_of_plan,
        max(kind) filter (where kind in ('plan', 'ceiling')) as ambition_kind,
        max(planned_value) filter (where kind in ('actual', 'baseline', 'forecast_outturn')) as stated_value,
        max(kind) filter (where kind in ('actual', 'baseline', 'forecast_outturn')) as stated_kind,
        string_agg(distinct source, '; ' order by source) as plan_source,
        list_sort(list(source_line)) as source_lines,
        string_agg(distinct note, '; ' order by note) as plan_note
    from trajectories
    where plan_id in (
        select plan_id from trajectories where indicator_id in (select indicator_id from members_of_set)
    )
    group by
        plan_id, plan_version, indicator_id, org_code, org_level, series_level, part, period_type, period_start, period_end

),

-- What the plan works out from its own lines, worked out again.
recomputed as (

    select
        planned.plan_id,
        planned.plan_version,
        planned.indicator_id,
        planned.org_code,
        planned.period_type,
        planned.period_start,
        -- Halves up, in exact decimals.
        floor(
            (coalesce(totals.ambition_value, totals.stated_value)::decimal(38, 6)
            * coalesce(shares.ambition_value, shares.stated_value) + 50) / 100
        )::decimal(18, 6) as recomputed_value
    from planned
    inner join rules on planned.indicator_id = rules.indicator_id and rules.rule = 'share_of_total'
    inner join planned as totals
        on
            rules.from_indicator_id = totals.indicator_id
            and planned.plan_id = totals.plan_id
            and planned.plan_version = totals.plan_version
            and planned.org_code = totals.org_code
            and planned.org_level = totals.org_level
            and planned.period_type = totals.period_type
            and planned.period_start = totals.period_start
    inner join planned as shares
        on
            rules.by_indicator_id = shares.indicator_id
            and planned.plan_id = shares.plan_id
            and planned.plan_version = shares.plan_version
            and planned.org_code = shares.org_code
            and planned.org_level = shares.org_level
            and planned.period_type = shares.period_type
            and planned.period_start = shares.period_start

),

ambition_values as (

    select * from indicator_values
    where indicator_id in (select indicator_id from members_of_set)

),

facts as (

    select
        coalesce(planned.indicator_id, ambition_values.indicator_id) as indicator_id,
        coalesce(planned.org_code, ambition_values.org_code) as org_code,
        coalesce(planned.org_level, ambition_values.org_level) as org_level,
        coalesce(planned.period_type, ambition_values.period_type) as period_type,
        coalesce(planned.period_start, ambition_values.period_start) as period_start,
        coalesce(planned.period_end, ambition_values.period_end) as period_end,
        planned.plan_id,
        planned.plan_version,
        planned.part,
        planned.plan,
        planned.no_ambition_value,
        planned.ambition_value,
        planned.ambition_kind,
        planned.breakdown_of_plan,
        planned.stated_value,
        planned.stated_kind,
        planned.plan_source,
        planned.source_lines,
        planned.plan_note,
        ambition_values.indicator_id is not null as has_value,
        ambition_values.value as own_value,
        ambition_values.source,
        ambition_values.is_provisional,
        ambition_values.caveat
    from planned
    full join ambition_values
        using (indicator_id, org_code, series_level, period_type, period_start, period_end)

),

beside as (

    select
        facts.* exclude (caveat, is_provisional),
        comparisons.actual_value as compared_value,
        -- An older version is shown with its figures, and the one that counts is judged.
        case when comparisons.is_current_version then comparisons.is_on_plan end as is_on_stated_plan,
        coalesce(comparisons.is_provisional, facts.is_provisional) as is_provisional,
        coalesce(comparisons.caveat, facts.caveat) as caveat,
        case when comparisons.is_current_version then facts.ambition_value end as current_value
    from facts
    left join comparisons
        on
            facts.plan_id = comparisons.plan_id
            and facts.plan_version = comparisons.plan_version
            and facts.indicator_id = comparisons.indicator_id
            and facts.org_code = comparisons.org_code
            and facts.org_level = comparisons.org_level
            and facts.period_type = comparisons.period_type
            and facts.period_start = comparisons.period_start
            and coalesce(facts.breakdown_of_plan, '') = coalesce(comparisons.breakdown, '')

),

-- A threshold that goes down by steps holds in the years between those for which the plan, as it stands, states it.
stepped as (

    select
        beside.*,
        coalesce(rules.stands_until_next, false)
        and beside.ambition_value is null
        and first_value(beside.current_value ignore nulls) over later is not null as may_stand,
        last_value(beside.current_value ignore nulls) over earlier as standing_value,
        last_value(case when beside.current_value is not null then beside.period_start end ignore nulls) over earlier
            as standing_from
    from beside
    left join rules using (indicator_id)
    window
        earlier as (
            partition by beside.indicator_id, beside.org_code, beside.org_level, beside.period_type
            order by beside.period_start, beside.plan_version
            rows between unbounded preceding and current row
        ),
        later as (
            partition by beside.indicator_id, beside.org_code, beside.org_level, beside.period_type
            order by beside.period_start, beside.plan_version
            rows between current row and unbounded following
        )

),

compared as (

    select
        stepped.* exclude (ambition_value),
        may_stand and standing_value is not null as is_standing,
        coalesce(stepped.ambition_value, case when is_standing then stepped.standing_value end)::decimal(18, 6)
            as ambition_value,
        recomputed.recomputed_value,
        coalesce(stepped.compared_value, stepped.own_value)::decimal(18, 6) as actual
    from stepped
    left join recomputed
        on
            stepped.plan_id = recomputed.plan_id
            and stepped.plan_version = recomputed.plan_version
            and stepped.indicator_id = recomputed.indicator_id
            and stepped.org_code = recomputed.org_code
            and stepped.period_type = recomputed.period_type
            and stepped.period_start = recomputed.period_start

),

memberships as (

    select distinct
        ccg_code,
        'locality' as member_level,
        locality_code as member_code,
        locality_name as member_name,
        coalesce(valid_from, date '1900-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from practice_localities

    union

    select
        ccg_code,
        'practice' as member_level,
        practice_code as member_code,
        practice_name as member_name,
        coalesce(valid_from, date '1900-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from practice_localities

),

member_names as (

    select
        member_level,
        member_code,
        arg_max(member_name, valid_from) as member_name
    from memberships
    group by member_level, member_code

),

-- The rates of localities and practices, each with the CCG that it belongs to, or without where nothing says so.
member_rates as (

    select distinct
        rules.indicator_id,
        rules.member_level,
        memberships.ccg_code,
        rates.org_code as member_code,
        rates.period_type,
        rates.period_start,
        rates.value::decimal(18, 6) as rate
    from rules
    inner join indicator_values as rates
        on rules.from_indicator_id = rates.indicator_id and rules.member_level = rates.org_level
    left join memberships
        on
            rates.org_level = memberships.member_level
            and rates.org_code = memberships.member_code
            and rates.period_end between memberships.valid_from and memberships.valid_to

),

unassigned as (

    select
        indicator_id,
        member_level,
        period_type,
        period_start,
        string_agg(member_code, ', ' order by member_code) as member_codes
    from member_rates
    where ccg_code is null
    group by indicator_id, member_level, period_type, period_start

),

-- Those that are further above the best, or the mean, than the ambition allows.
outside as (

    select
        compared.indicator_id,
        compared.org_code,
        compared.period_type,
        compared.period_start,
        compared.plan_version,
        count(*) as outside_count,
        string_agg(
            coalesce(member_names.member_name || ' (' || member_rates.member_code || ')', member_rates.member_code)
            || ' ' || {{ figure_in_words('member_rates.rate') }},
            ', ' order by member_rates.rate desc, member_rates.member_code
        ) as outside
    from compared
    inner join worked_out using (indicator_id, org_code, period_type, period_start)
    inner join member_rates
        on
            compared.indicator_id = member_rates.indicator_id
            and compared.org_code = member_rates.ccg_code
            and compared.period_type = member_rates.period_type
            and compared.period_start = member_rates.period_start
    left join member_names
        on member_rates.member_level = member_names.member_level and member_rates.member_code = member_names.member_code
    where member_rates.rate::decimal(38, 6) * 100 > worked_out.base_rate::decimal(38, 6) * (100 + compared.ambition_value)
    group by
        compared.indicator_id, compared.org_code, compared.period_type, compared.period_start, compared.plan_version

),

rows_of_report as (

    select
        coalesce(compared.indicator_id, members_of_set.indicator_id) as indicator_id,
        members_of_set.sort_order as order_in_set,
        compared.* exclude (indicator_id, caveat),
        worked_out.base_rate,
        -- Nothing is outside where all are known and none is.
        case
            when worked_out.base_rate is not null and compared.ambition_value is not null
                then coalesce(outside.outside_count, 0)
        end as outside_count,
        outside.outside,
        nullif(concat_ws(
            '; ',
            case
                when compared.is_standing
                    then 'the plan states none for this year: that of the year from '
                    || strftime(compared.standing_from, '%B %Y') || ' stands until the next'
            end,
            case when compared.indicator_id is null then 'no figure of it has been returned yet' end,
            case
                when unassigned.member_codes is not null
                    then 'practice_localities does not say of which CCG are ' || unassigned.member_codes
            end,
            compared.caveat
        ), '') as caveat
    from members_of_set
    full join compared using (indicator_id)
    left join outside
        on
            compared.indicator_id = outside.indicator_id
            and compared.org_code = outside.org_code
            and compared.period_type = outside.period_type
            and compared.period_start = outside.period_start
            and compared.plan_version is not distinct from outside.plan_version
    left join worked_out
        on
            compared.indicator_id = worked_out.indicator_id
            and compared.org_code = worked_out.org_code
            and compared.period_type = worked_out.period_type
            and compared.period_start = worked_out.period_start
    left join unassigned
        on
            compared.indicator_id = unassigned.indicator_id
            and compared.period_type = unassigned.period_type
            and compared.period_start = unassigned.period_start

),

judged as (

    select
        rows_of_report.*,
        indicators.* exclude (indicator_id, source),
        try_cast(regexp_extract(indicators.indicator_group, 'ambition (\d+)$', 1) as integer) as ambition_number,
        case
            when is_on_stated_plan is not null then is_on_stated_plan
            when not is_standing or actual is null then null
            when indicators.direction = 'lower' then actual <= ambition_value
            when indicators.direction = 'higher' then actual >= ambition_value
        end as is_on_plan
    from rows_of_report
    inner join indicators using (indicator_id)

)

select
    row_number() over (
        order by
            judged.ambition_number nulls last, judged.order_in_set nulls last, judged.indicator_id, judged.org_level,
            judged.org_code, judged.part nulls first, judged.period_start, judged.period_end, judged.plan_id,
            judged.plan_version
    ) as sort_order,
    judged.ambition_number,
    judged.indicator_group as ambition,
    judged.indicator_id,
    judged.indicator_name,
    judged.unit,
    judged.direction,
    judged.org_code,
    judged.org_level,
    coalesce(organisations.org_name, member_names.member_name) as org_name,
    judged.part,
    judged.period_type,
    judged.period_start,
    judged.period_end,
    {{ period_label('judged.period_type', 'judged.period_start', 'judged.period_end') }} as period_label,
    judged.plan_id,
    judged.plan_version,
    judged.plan,
    judged.stated_value::double as stated_value,
    judged.stated_kind,
    judged.no_ambition_value::double as no_ambition_value,
    judged.ambition_value::double as ambition_value,
    judged.is_standing,
    (judged.ambition_value - judged.no_ambition_value)::double as ambition_less_no_ambition,
    judged.recomputed_value::double as recomputed_value,
    (coalesce(judged.ambition_value, judged.stated_value) - judged.recomputed_value)::double as recomputed_difference,
    judged.actual::double as actual_value,
    (judged.actual - judged.ambition_value)::double as variance,
    (judged.actual - judged.no_ambition_value)::double as variance_from_no_ambition,
    judged.is_on_plan,
    case
        when judged.is_on_plan then 'on plan'
        when judged.is_on_plan = false then 'off plan'
        when judged.actual is not null then 'not judged'
        when judged.has_value then 'no value'
        when judged.ambition_value is null and judged.no_ambition_value is null and judged.stated_value is not null
            then 'stated in the plan'
        else 'awaiting a return'
    end as verdict,
    judged.base_rate,
    judged.outside_count,
    judged.outside,
    judged.source as actual_source,
    judged.is_provisional,
    judged.caveat,
    judged.plan_source,
    array_to_string(judged.source_lines, ', ') as source_lines,
    judged.plan_note,
    judged.note
from judged
left join organisations using (org_code, org_level)
left join member_names
    on judged.org_level = member_names.member_level and judged.org_code = member_names.member_code
