with criteria as (

    select * from {{ ref('int_framework_criteria') }}

),

components as (

    select * from {{ ref('framework_components') }}

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where is_preferred and org_level = 'practice' and period_type = 'financial_year'

),

organisations as (

    select * from {{ ref('dim_organisations') }}
    where org_level = 'practice'

),

-- Each component of a practice, from its criteria and its list.
practice_components as (

    select
        criteria.financial_year_start,
        criteria.practice_code,
        any_value(criteria.practice_name) as practice_name,
        any_value(criteria.locality_code) as locality_code,
        any_value(criteria.locality_name) as locality_name,
        any_value(criteria.commissioner_code) as commissioner_code,
        criteria.component_id,
        case
            when bool_or(criteria.is_met = false) then false
            when bool_and(criteria.is_met is not null) then true
        end as is_met,
        count(*) as criteria_in_component,
        count(*) filter (where criteria.is_met) as criteria_met,
        list(criteria.criterion order by criteria.sort_order) filter (where criteria.is_met = false) as criteria_not_met,
        list(criteria.criterion order by criteria.sort_order) filter (where criteria.is_met is null) as criteria_unknown,
        bool_or(criteria.is_provisional) as has_provisional_criterion,
        flatten(list(criteria.extract_ids)) as criteria_extract_ids
    from criteria
    group by criteria.financial_year_start, criteria.practice_code, criteria.component_id

),

paid as (

    select
        practice_components.*,
        components.objective,
        components.component,
        components.sort_order,
        components.payment_gbp_per_patient,
        components.source as paper,
        components.source_line,
        components.note,
        lists.value::decimal(18, 3) as list_size,
        (list_size * components.payment_gbp_per_patient)::decimal(18, 2) as full_payment_gbp,
        -- A criterion that is not met decides, whatever else is not known.
        case
            when practice_components.is_met = false then 0
            when practice_components.is_met then full_payment_gbp
        end::decimal(18, 2) as payment_gbp,
        practice_components.has_provisional_criterion or coalesce(lists.is_provisional and lists.value is not null, false)
            as is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when practice_components.is_met is null
                    then 'payment not determined: not known whether met are '
                    || array_to_string(practice_components.criteria_unknown, ', ')
            end,
            case
                when practice_components.is_met is distinct from false and lists.value is null
                    then 'payment not determined: no list of the year is returned'
            end,
            case when practice_components.is_met is distinct from false then lists.caveat end
        ), '') as caveat,
        list_sort(list_distinct(
            list_concat(practice_components.criteria_extract_ids, coalesce(lists.extract_ids, []))
        )) as extract_ids
    from practice_components
    inner join components using (financial_year_start, component_id)
    left join indicator_values as lists
        on
            components.paid_per_indicator_id = lists.indicator_id
            and practice_components.practice_code = lists.org_code
            and practice_components.financial_year_start = lists.period_start

),

-- Sums of a practice over its components, of a locality over its practices, and of a locality over both.
summed as (

    select
        financial_year_start,
        case
            when grouping(practice_code, component_id) = 1 then 'practice'
            when grouping(practice_code, component_id) = 2 then 'locality component'
            else 'locality'
        end as row_kind,
        practice_code,
        max(practice_name) as practice_name,
        locality_code,
        max(locality_name) as locality_name,
        max(commissioner_code) as commissioner_code,
        component_id,
        case when row_kind = 'locality component' then any_value(objective) end as objective,
        case when row_kind = 'locality component' then any_value(component) end as component,
        case when row_kind = 'locality component' then any_value(sort_order) end as sort_order,
        case
            when row_kind = 'practice' then sum(payment_gbp_per_patient)
            when row_kind = 'locality component' then any_value(payment_gbp_per_patient)
        end::decimal(6, 2) as payment_gbp_per_patient,
        case when row_kind = 'practice' then any_value(list_size) end as list_size,
        case when bool_and(full_payment_gbp is not null) then sum(full_payment_gbp) end::decimal(18, 2) as full_payment_gbp,
        case when bool_and(payment_gbp is not null) then sum(payment_gbp) end::decimal(18, 2) as payment_gbp,
        coalesce(sum(payment_gbp), 0)::decimal(18, 2) as payable_for_certain_gbp,
        count(distinct practice_code) as practices,
        count(distinct case when payment_gbp is null then practice_code end) as practices_undetermined,
        bool_or(is_provisional) as is_provisional,
        case
            when bool_and(payment_gbp is not null) then null
            when row_kind = 'practice'
                then 'payment not determined: not known are the components '
                || array_to_string(list(component_id order by sort_order) filter (where payment_gbp is null), ', ')
            else 'payment not determined: not known is that of '
                || array_to_string(list_sort(list(distinct practice_code) filter (where payment_gbp is null)), ', ')
        end as caveat,
        any_value(paper) || case when row_kind = 'locality component' then ', line ' || any_value(source_line) else '' end
            as source,
        list_sort(list_distinct(flatten(list(extract_ids)))) as extract_ids
    from paid
    group by
        financial_year_start,
        grouping sets ((practice_code, locality_code), (locality_code, component_id), (locality_code))
    -- A practice whose locality is not known is in the sum of none.
    having row_kind = 'practice' or locality_code is not null

),

rows_of_report as (

    select
        criteria.financial_year_start,
        'criterion' as row_kind,
        criteria.practice_code,
        criteria.practice_name,
        criteria.locality_code,
        criteria.locality_name,
        criteria.commissioner_code,
        criteria.component_id,
        components.objective,
        components.component,
        100 * components.sort_order + criteria.sort_order as sort_order,
        criteria.criterion_id,
        criteria.criterion,
        criteria.org_level as judged_at,
        criteria.indicator_id,
        criteria.comparator,
        criteria.threshold,
        criteria.unit,
        criteria.numerator,
        criteria.denominator,
        criteria.value,
        criteria.found,
        criteria.is_met,
        null as list_size,
        null as payment_gbp_per_patient,
        null as full_payment_gbp,
        null as payment_gbp,
        null as payable_for_certain_gbp,
        null as practices,
        null as practices_undetermined,
        criteria.is_provisional,
        criteria.caveat,
        components.source || ', line ' || criteria.source_line as source,
        criteria.reading as note,
        criteria.extract_ids
    from criteria
    inner join components using (financial_year_start, component_id)

    union all

    select
        financial_year_start,
        'component' as row_kind,
        practice_code,
        practice_name,
        locality_code,
        locality_name,
        commissioner_code,
        component_id,
        objective,
        component,
        100 * sort_order as sort_order,
        null as criterion_id,
        null as criterion,
        null as judged_at,
        null as indicator_id,
        null as comparator,
        null as threshold,
        null as unit,
        null as numerator,
        null as denominator,
        null as value,
        criteria_met || ' of ' || criteria_in_component || ' criteria met'
        || coalesce('; not met: ' || array_to_string(criteria_not_met, ', '), '')
        || coalesce('; not known: ' || array_to_string(criteria_unknown, ', '), '') as found,
        is_met,
        list_size,
        payment_gbp_per_patient,
        full_payment_gbp,
        payment_gbp,
        coalesce(payment_gbp, 0) as payable_for_certain_gbp,
        null as practices,
        null as practices_undetermined,
        is_provisional,
        caveat,
        paper || ', line ' || source_line as source,
        note,
        extract_ids
    from paid

    union all

    select
        financial_year_start,
        row_kind,
        practice_code,
        case when row_kind = 'practice' then practice_name end as practice_name,
        locality_code,
        locality_name,
        commissioner_code,
        component_id,
        objective,
        component,
        case row_kind when 'locality component' then 100 * sort_order else 10000 end as sort_order,
        null as criterion_id,
        null as criterion,
        null as judged_at,
        null as indicator_id,
        null as comparator,
        null as threshold,
        null as unit,
        null as numerator,
        null as denominator,
        null as value,
        null as found,
        null as is_met,
        list_size,
        payment_gbp_per_patient,
        full_payment_gbp,
        payment_gbp,
        payable_for_certain_gbp,
        case when row_kind <> 'practice' then practices end as practices,
        case when row_kind <> 'practice' then practices_undetermined end as practices_undetermined,
        is_provisional,
        caveat,
        source,
        null as note,
        extract_ids
    from summed

)

select
    report.financial_year_start,
    {{ period_label("'financial_year'", 'report.financial_year_start', 'report.financial_year_start') }} as period_label,
    report.row_kind,
    report.commissioner_code,
    report.practice_code,
    coalesce(report.practice_name, organisations.org_name) as practice_name,
    report.locality_code,
    report.locality_name,
    report.component_id,
    report.objective,
    report.component,
    report.criterion_id,
    report.criterion,
    report.sort_order::integer as sort_order,
    report.judged_at,
    report.indicator_id,
    report.comparator,
    report.threshold,
    report.unit,
    report.numerator,
    report.denominator,
    report.value,
    report.found,
    report.is_met,
    case
        when report.row_kind in ('criterion', 'component')
            then case when report.is_met then 'met' when report.is_met = false then 'not met' else 'not known' end
        when report.payment_gbp is null then 'not determined'
        else 'determined'
    end as status,
    report.list_size,
    report.payment_gbp_per_patient,
    report.full_payment_gbp,
    report.payment_gbp,
    report.payable_for_certain_gbp,
    report.practices,
    report.practices_undetermined,
    report.is_provisional,
    report.caveat,
    report.source,
    report.note,
    report.extract_ids
from rows_of_report as report
left join organisations
    on report.practice_code = organisations.org_code
