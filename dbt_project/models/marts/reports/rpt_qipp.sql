with plan_rows as (

    select * from {{ ref('qipp') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where is_preferred

),

years_to_date as (

    select * from {{ ref('int_years_to_date') }}

),

-- What returns state as the plan of the period of their figure.
returned_plans as (

    select * from {{ ref('int_planned_values') }}
    where plan_id = 'RETURNED' and is_current_version

),

comparisons as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where profile = 'stated' and kind = 'plan' and is_current_version

),

reported as (

    select * from {{ ref('int_reported_values') }}
    where {{ is_current() }}

),

commissioners as (

    select
        org_code,
        arg_min(org_name, org_level) as org_name
    from {{ ref('dim_organisations') }}
    where org_level in ('ccg', 'icb', 'stp', 'sub_icb')
    group by org_code

),

planned_cells as (

    select
        *,
        {{ period_end("'financial_year'", 'financial_year_start') }} as year_end
    from plan_rows
    where not is_stated_total

),

-- The year of the plan, and each month to which anything is returned.
periods as (

    select distinct
        plan_id,
        'financial_year' as period_type,
        financial_year_start as period_start,
        year_end as period_end
    from planned_cells

    union

    select distinct
        planned_cells.plan_id,
        'ytd' as period_type,
        planned_cells.financial_year_start as period_start,
        years_to_date.period_end
    from planned_cells
    inner join years_to_date using (indicator_id, org_code, financial_year_start)
    where years_to_date.period_end < planned_cells.year_end

),

cells as (

    select
        planned_cells.plan_id,
        planned_cells.commissioner_code,
        planned_cells.financial_year_start,
        planned_cells.point_of_delivery,
        planned_cells.scheme,
        planned_cells.provider,
        planned_cells.org_code,
        planned_cells.indicator_id,
        planned_cells.source,
        planned_cells.source_line,
        planned_cells.note,
        periods.period_type,
        periods.period_start,
        periods.period_end,
        planned_cells.planned_gbp_thousands as planned_for_year,
        case
            when periods.period_type = 'financial_year' then planned_cells.planned_gbp_thousands
            else returned_plans.planned_value
        end::decimal(18, 3) as planned,
        coalesce(stated.value::decimal(18, 3), years_to_date.actual_to_date)::decimal(18, 3) as actual,
        -- Where nothing is planned, nothing is expected.
        coalesce(planned_cells.planned_gbp_thousands, 0) > 0 as is_expected,
        is_expected and actual is null as is_missing,
        is_expected and planned is null as is_plan_missing,
        case when stated.value is not null then stated.is_provisional else years_to_date.is_provisional end
            as is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when periods.period_type = 'financial_year'
                    and returned_plans.planned_value <> planned_cells.planned_gbp_thousands
                    then 'the return states a plan of ' || {{ figure_in_words('returned_plans.planned_value') }}
            end,
            case
                when stated.value::decimal(18, 3) <> years_to_date.actual_to_date
                    then 'what is returned within the year comes to '
                    || {{ figure_in_words('years_to_date.actual_to_date') }}
            end,
            case when stated.indicator_id is not null then stated.caveat else years_to_date.caveat end
        ), '') as actual_caveat,
        case when stated.indicator_id is not null then stated.extract_ids else years_to_date.extract_ids end as extract_ids
    from planned_cells
    inner join periods using (plan_id)
    left join years_to_date
        on
            planned_cells.indicator_id = years_to_date.indicator_id
            and planned_cells.org_code = years_to_date.org_code
            and planned_cells.financial_year_start = years_to_date.financial_year_start
            and periods.period_end = years_to_date.period_end
    left join indicator_values as stated
        on
            periods.period_type = 'financial_year'
            and stated.period_type = 'financial_year'
            and planned_cells.indicator_id = stated.indicator_id
            and planned_cells.org_code = stated.org_code
            and periods.period_start = stated.period_start
    left join returned_plans
        on
            planned_cells.indicator_id = returned_plans.indicator_id
            and planned_cells.org_code = returned_plans.org_code
            and periods.period_type = returned_plans.period_type
            and periods.period_end = returned_plans.period_end

),

-- Every cell, and its sums by line, point of delivery, scheme and provider and over all.
summed as (

    select
        plan_id,
        any_value(commissioner_code) as commissioner_code,
        period_type,
        period_start,
        period_end,
        case
            when grouping(point_of_delivery, scheme, provider) = 0 then 'cell'
            when grouping(point_of_delivery, scheme, provider) = 1 then 'point of delivery and scheme'
            when grouping(point_of_delivery, scheme, provider) = 3 then 'point of delivery'
            when grouping(point_of_delivery, scheme, provider) = 5 then 'scheme'
            when grouping(point_of_delivery, scheme, provider) = 6 then 'provider'
            else 'total'
        end as row_kind,
        coalesce(point_of_delivery, 'TOTAL') as point_of_delivery,
        coalesce(scheme, 'All') as scheme,
        coalesce(provider, 'TOTAL') as provider,
        case when row_kind in ('cell', 'provider') then any_value(org_code) end as org_code,
        case when row_kind in ('cell', 'point of delivery and scheme') then any_value(indicator_id) end as indicator_id,
        sum(planned_for_year)::decimal(18, 3) as planned_for_year,
        case when not bool_or(is_plan_missing) then sum(planned) end::decimal(18, 3) as planned,
        sum(actual)::decimal(18, 3) as actual_so_far,
        case when not bool_or(is_missing) then actual_so_far end as actual,
        count(*) filter (where is_expected) as cells_expected,
        count(*) filter (where is_missing) as cells_missing,
        count(*) filter (where is_plan_missing) as plans_missing,
        list(
            point_of_delivery || ' / ' || scheme || ' / ' || provider
            order by source_line, provider
        ) filter (where is_missing) as missing_cells,
        count(*) filter (where actual is not null and is_provisional) as cells_provisional,
        count(actual) as cells_returned,
        case
            when row_kind = 'cell' then any_value(actual_caveat)
            else {{ join_caveats("point_of_delivery || ' / ' || scheme || ' / ' || provider || ': ' || actual_caveat") }}
        end as actual_caveat,
        min(source) || ', line' || case when count(distinct source_line) > 1 then 's ' else ' ' end
            || array_to_string(list_sort(list(distinct source_line)), ', ') as plan_source,
        case when row_kind = 'cell' then any_value(note) end as plan_note,
        list_sort(list_distinct(flatten(list(extract_ids) filter (where extract_ids is not null)))) as extract_ids
    from cells
    group by
        plan_id, period_type, period_start, period_end,
        grouping sets (
            (point_of_delivery, scheme, provider), (point_of_delivery, scheme), (point_of_delivery), (scheme), (provider), ()
        )

),

scheme_rows as (

    select
        summed.*,
        case when summed.period_type = 'financial_year' then plan_rows.planned_gbp_thousands end as stated_total,
        null::double as reported_pct,
        null::bigint as reported_pct_decimals
    from summed
    left join plan_rows
        on
            plan_rows.is_stated_total
            and summed.plan_id = plan_rows.plan_id
            and summed.point_of_delivery = plan_rows.point_of_delivery
            and summed.scheme = plan_rows.scheme
            and summed.provider = plan_rows.provider

),

-- Savings that are returned in one figure, with their plan and the percentage that is printed beside them.
overall_figures as (

    select
        indicator_values.*,
        comparisons.plan_id,
        comparisons.plan_source,
        comparisons.plan_note,
        (comparisons.planned_value::decimal(18, 6) * case indicators.unit when 'gbp_millions' then 1000 else 1 end)
            ::decimal(18, 3) as planned,
        (indicator_values.value::decimal(18, 6) * case indicators.unit when 'gbp_millions' then 1000 else 1 end)
            ::decimal(18, 3) as actual,
        percentages.value as reported_pct,
        percentages.value_decimals as reported_pct_decimals
    from indicator_values
    inner join indicators using (indicator_id)
    left join comparisons
        using (indicator_id, org_code, org_level, period_type, period_start, period_end)
    left join (
        select reported.*
        from reported
        inner join indicators using (indicator_id)
        where indicators.indicator_group = 'QIPP' and indicators.unit = 'percent'
    ) as percentages
        on
            indicator_values.org_code = percentages.org_code
            and indicator_values.org_level = percentages.org_level
            and indicator_values.period_type = percentages.period_type
            and indicator_values.period_start = percentages.period_start
            and indicator_values.period_end = percentages.period_end
    where indicators.indicator_group = 'QIPP' and indicators.unit in ('gbp_thousands', 'gbp_millions')

),

rows_of_report as (

    select
        plan_id,
        commissioner_code,
        period_type,
        period_start,
        period_end,
        row_kind,
        point_of_delivery,
        scheme,
        provider,
        org_code,
        indicator_id,
        planned_for_year,
        planned,
        stated_total,
        actual,
        actual_so_far,
        cells_expected,
        cells_returned,
        cells_provisional,
        cells_missing,
        plans_missing,
        missing_cells,
        reported_pct,
        reported_pct_decimals,
        actual_caveat,
        plan_source,
        plan_note,
        extract_ids
    from scheme_rows

    union all

    select
        plan_id,
        org_code as commissioner_code,
        period_type,
        period_start,
        period_end,
        'overall, as returned' as row_kind,
        'TOTAL' as point_of_delivery,
        'All' as scheme,
        'TOTAL' as provider,
        null as org_code,
        indicator_id,
        case when period_type = 'financial_year' then planned end as planned_for_year,
        planned,
        null as stated_total,
        actual,
        actual as actual_so_far,
        1 as cells_expected,
        (actual is not null)::integer as cells_returned,
        (actual is not null and is_provisional)::integer as cells_provisional,
        (actual is null)::integer as cells_missing,
        (planned is null)::integer as plans_missing,
        null as missing_cells,
        reported_pct,
        reported_pct_decimals,
        caveat as actual_caveat,
        plan_source,
        plan_note,
        extract_ids
    from overall_figures

),

achieved as (

    select
        *,
        case when planned > 0 then 100 * actual::double / planned::double end as achieved_pct,
        actual >= planned as is_on_plan
    from rows_of_report

)

select
    achieved.commissioner_code,
    commissioners.org_name as commissioner_name,
    achieved.plan_id,
    achieved.period_type,
    achieved.period_start,
    achieved.period_end,
    {{ period_label('achieved.period_type', 'achieved.period_start', 'achieved.period_end') }} as period_label,
    achieved.row_kind,
    achieved.point_of_delivery,
    achieved.scheme,
    achieved.provider,
    achieved.org_code,
    achieved.indicator_id,
    achieved.planned_for_year as planned_for_year_gbp_thousands,
    achieved.planned as planned_gbp_thousands,
    achieved.stated_total as stated_total_gbp_thousands,
    achieved.actual as actual_gbp_thousands,
    achieved.actual_so_far as returned_gbp_thousands,
    (achieved.actual - achieved.planned)::decimal(18, 3) as variance_gbp_thousands,
    achieved.achieved_pct,
    achieved.reported_pct as reported_achieved_pct,
    achieved.is_on_plan,
    case
        when achieved.is_on_plan is null then 'not judged'
        when achieved.is_on_plan then 'favourable'
        else 'adverse'
    end as verdict,
    case
        when achieved.cells_returned = 0 then null
        when achieved.cells_provisional = 0 then 'actual'
        when achieved.cells_provisional = achieved.cells_returned then 'forecast or provisional'
        else 'in part forecast or provisional'
    end as actual_kind,
    achieved.cells_expected,
    achieved.cells_missing,
    coalesce(achieved.missing_cells, []) as missing_cells,
    nullif(concat_ws(
        '; ',
        case
            when achieved.row_kind in ('cell', 'overall, as returned') and achieved.cells_missing = 1
                then 'no figure is held'
            when achieved.cells_missing > 0 and achieved.cells_returned = 0 and achieved.cells_missing = achieved.cells_expected
                then 'nothing is returned for the ' || achieved.cells_expected || ' cells with a plan'
            when achieved.cells_missing > 0
                then 'no total: no figure of ' || achieved.cells_missing || ' of the ' || achieved.cells_expected
                || ' cells with a plan: ' || array_to_string(achieved.missing_cells[1:3], ', ')
                || case when achieved.cells_missing > 3 then ', and ' || (achieved.cells_missing - 3) || ' more' else '' end
        end,
        case
            when achieved.plans_missing > 0 and achieved.period_type = 'ytd' and achieved.row_kind <> 'overall, as returned'
                then 'no plan to date is returned: the plan is one for the year'
            when achieved.plans_missing > 0 then 'no plan is held'
        end,
        case when achieved.planned = 0 and achieved.cells_expected = 0 then 'nothing is planned' end,
        case when achieved.row_kind = 'cell' and achieved.planned_for_year is null then 'blank in the plan' end,
        case
            when abs(achieved.achieved_pct - achieved.reported_pct) > 0.5 * pow(10, -achieved.reported_pct_decimals) + 1e-9
                then 'the return states ' || achieved.reported_pct || ' % achieved'
        end,
        achieved.actual_caveat
    ), '') as caveat,
    achieved.plan_source,
    achieved.plan_note,
    coalesce(achieved.extract_ids, []) as extract_ids
from achieved
left join commissioners
    on achieved.commissioner_code = commissioners.org_code
