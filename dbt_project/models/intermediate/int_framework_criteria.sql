with components as (

    select * from {{ ref('framework_components') }}

),

criteria as (

    select * from {{ ref('framework_criteria') }}

),

practice_localities as (

    select * from {{ ref('practice_localities') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

framework_values as (

    select
        *,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start
    from {{ ref('fct_indicator_values') }}
    where
        is_preferred and org_level in ('practice', 'locality') and period_type in ('financial_year', 'quarter', 'ytd')
        and indicator_id in (
            select indicator_id from criteria
            union
            select paid_per_indicator_id from components
        )

),

years as (

    select distinct
        financial_year_start,
        {{ period_end("'financial_year'", 'financial_year_start') }} as year_end
    from components

),

-- The locality that a practice was in last within the year.
memberships as (

    select
        years.financial_year_start,
        practice_localities.*
    from years
    inner join practice_localities
        on
            coalesce(practice_localities.valid_from, date '1900-01-01') <= years.year_end
            and coalesce(practice_localities.valid_to, date '9999-12-31') >= years.financial_year_start
    qualify row_number() over (
        partition by years.financial_year_start, practice_localities.practice_code
        order by practice_localities.valid_from desc nulls last
    ) = 1

),

-- Practices that return anything for a year, and in a year for which anything is returned all those of the localities.
practices as (

    select
        financial_year_start,
        org_code as practice_code
    from framework_values
    where org_level = 'practice' and financial_year_start in (select years.financial_year_start from years)

    union

    select
        financial_year_start,
        practice_code
    from memberships
    where financial_year_start in (select framework_values.financial_year_start from framework_values)

),

practice_criteria as (

    select
        practices.financial_year_start,
        years.year_end,
        practices.practice_code,
        memberships.practice_name,
        memberships.locality_code,
        memberships.locality_name,
        memberships.ccg_code as commissioner_code,
        criteria.component_id,
        criteria.criterion_id,
        criteria.criterion,
        criteria.sort_order,
        criteria.indicator_id,
        criteria.org_level,
        case criteria.org_level when 'practice' then practices.practice_code else memberships.locality_code end as org_code,
        criteria.comparator,
        criteria.threshold,
        criteria.is_yes_no,
        criteria.measured,
        criteria.deadline_quarter,
        criteria.source_line,
        criteria.reading,
        indicators.unit
    from practices
    inner join years using (financial_year_start)
    inner join criteria using (financial_year_start)
    inner join indicators using (indicator_id)
    left join memberships using (financial_year_start, practice_code)

),

-- Whatever is returned that speaks to a criterion, each judged alone.
judged as (

    select
        practice_criteria.*,
        framework_values.period_type,
        framework_values.period_end,
        (month(framework_values.period_end) + 8) % 12 // 3 + 1 as quarter_number,
        framework_values.numerator,
        framework_values.denominator,
        framework_values.value,
        framework_values.is_provisional,
        framework_values.caveat,
        framework_values.extract_ids,
        practice_criteria.is_yes_no and framework_values.value not in (0, 1) as is_neither_yes_nor_no,
        case when not is_neither_yes_nor_no then {{ is_met(
            'framework_values.numerator', 'framework_values.denominator', 'framework_values.value',
            'practice_criteria.unit', 'practice_criteria.threshold', 'practice_criteria.comparator'
        ) }} end as is_met_then
    from practice_criteria
    left join framework_values
        on
            practice_criteria.indicator_id = framework_values.indicator_id
            and practice_criteria.org_level = framework_values.org_level
            and practice_criteria.org_code = framework_values.org_code
            and practice_criteria.financial_year_start = framework_values.financial_year_start
            and case practice_criteria.measured
                when 'year'
                    then framework_values.period_type in ('financial_year', 'ytd')
                    and practice_criteria.year_end = framework_values.period_end
                when 'by_quarter'
                    then framework_values.period_type = 'quarter'
                    and (month(framework_values.period_end) + 8) % 12 // 3 + 1 <= practice_criteria.deadline_quarter
                else framework_values.period_type = 'quarter'
            end
    -- Of the year one figure: that of the whole year before that to its last month.
    qualify
        practice_criteria.measured <> 'year'
        or row_number() over (
            partition by
                practice_criteria.financial_year_start, practice_criteria.practice_code,
                practice_criteria.component_id, practice_criteria.criterion_id
            order by framework_values.value is null, framework_values.period_type
        ) = 1

),

summed_up as (

    select
        financial_year_start,
        practice_code,
        any_value(practice_name) as practice_name,
        any_value(locality_code) as locality_code,
        any_value(locality_name) as locality_name,
        any_value(commissioner_code) as commissioner_code,
        component_id,
        criterion_id,
        any_value(criterion) as criterion,
        any_value(sort_order) as sort_order,
        any_value(indicator_id) as indicator_id,
        any_value(org_level) as org_level,
        any_value(org_code) as org_code,
        any_value(comparator) as comparator,
        any_value(threshold) as threshold,
        any_value(is_yes_no) as is_yes_no,
        any_value(measured) as measured,
        any_value(deadline_quarter) as deadline_quarter,
        any_value(source_line) as source_line,
        any_value(reading) as reading,
        any_value(unit) as unit,
        case when measured = 'year' then any_value(numerator) end as numerator,
        case when measured = 'year' then any_value(denominator) end as denominator,
        case when measured = 'year' then any_value(value) end as value,
        coalesce(list(quarter_number order by quarter_number) filter (where is_met_then), []) as quarters_met,
        coalesce(list(quarter_number order by quarter_number) filter (where not is_met_then), []) as quarters_not_met,
        list_filter(
            [1, 2, 3, 4],
            quarter -> not list_contains(quarters_met, quarter) and not list_contains(quarters_not_met, quarter)
        ) as quarters_unknown,
        bool_or(is_met_then) as is_met_once,
        bool_or(is_neither_yes_nor_no) as has_neither_yes_nor_no,
        coalesce(bool_or(is_provisional and value is not null), false) as is_provisional,
        {{ join_caveats('caveat') }} as caveat,
        list_sort(list_distinct(flatten(list(extract_ids) filter (where extract_ids is not null)))) as extract_ids
    from judged
    group by financial_year_start, practice_code, component_id, criterion_id, measured

),

decided as (

    select
        *,
        case measured
            when 'year' then is_met_once
            -- Done in any quarter by then is done; the state at the deadline decides that it was not.
            when 'by_quarter'
                then case
                    when len(quarters_met) > 0 then true
                    when list_contains(quarters_not_met, deadline_quarter) then false
                end
            when 'each_quarter'
                then case
                    when len(quarters_not_met) > 0 then false
                    when len(quarters_met) = 4 then true
                end
        end as is_met
    from summed_up

)

select
    financial_year_start,
    practice_code,
    practice_name,
    locality_code,
    locality_name,
    commissioner_code,
    component_id,
    criterion_id,
    criterion,
    sort_order,
    indicator_id,
    org_level,
    org_code,
    comparator,
    threshold,
    is_yes_no,
    measured,
    deadline_quarter,
    unit,
    numerator,
    denominator,
    value,
    is_met,
    case
        when measured = 'year' and is_yes_no then case value when 1 then 'yes' when 0 then 'no' end
        when measured <> 'year' then nullif(concat_ws(
            '; ',
            case when len(quarters_met) > 0 then 'yes in Q' || array_to_string(quarters_met, ', Q') end,
            case when len(quarters_not_met) > 0 then 'no in Q' || array_to_string(quarters_not_met, ', Q') end
        ), '')
        when value is not null
            then {{ figure_in_words('round(value::decimal(18, 6), 2)') }} || case when unit = 'percent' then ' %' else '' end
            || coalesce(
                ' (' || {{ figure_in_words('numerator') }} || ' of ' || {{ figure_in_words('denominator') }} || ')', ''
            )
    end as found,
    is_provisional,
    nullif(concat_ws(
        '; ',
        case
            when is_met is not null then null
            when org_level = 'locality' and org_code is null
                then 'not known: practice_localities does not say in which locality the practice is'
            when has_neither_yes_nor_no then 'not known: the return gives neither 1 (yes) nor 0 (no)'
            when measured = 'year' then 'not known: no figure of the year is returned'
            when measured = 'by_quarter' then 'not known: nothing is returned for Q' || deadline_quarter
            else 'not known: nothing is returned for Q' || array_to_string(quarters_unknown, ', Q')
        end,
        caveat
    ), '') as caveat,
    source_line,
    reading,
    coalesce(extract_ids, []) as extract_ids
from decided
