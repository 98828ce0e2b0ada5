with members_of_set as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'local_standards'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}
    where
        is_preferred and period_type <> 'ytd'
        and indicator_id in (select indicator_id from members_of_set)

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

-- The standard of an indicator without a figure is the one that began last.
latest_standards as (

    select
        indicator_id,
        arg_max(standard, coalesce(valid_from, date '1900-01-01')) as standard,
        arg_max(comparator, coalesce(valid_from, date '1900-01-01')) as comparator,
        arg_max(source, coalesce(valid_from, date '1900-01-01')) as standard_source
    from standards
    where scope in ('national', 'local')
    group by indicator_id

),

-- A standard that was at several heights over time is from all the papers that say so.
sources as (

    select
        standard_id,
        string_agg(distinct source, '; ' order by source) as standard_source
    from standards
    group by standard_id

)

select
    indicators.indicator_group as service,
    members_of_set.sort_order,
    members_of_set.indicator_id,
    indicators.indicator_name,
    indicators.provider_code,
    indicators.local_code,
    comparisons.org_code,
    comparisons.org_level,
    organisations.org_name,
    comparisons.period_type,
    comparisons.period_start,
    comparisons.period_end,
    {{ period_label('comparisons.period_type', 'comparisons.period_start', 'comparisons.period_end') }} as period_label,
    comparisons.numerator,
    comparisons.denominator,
    comparisons.value,
    indicators.unit,
    case when comparisons.indicator_id is null then latest_standards.comparator else comparisons.comparator end
        as comparator,
    case when comparisons.indicator_id is null then latest_standards.standard else comparisons.standard end as standard,
    case when comparisons.indicator_id is null then latest_standards.standard_source else sources.standard_source end
        as standard_source,
    case
        when indicators.judged_at is not null
            then replace(replace(indicators.judged_at, ' ', ' or '), 'ccg', 'CCG')
    end as judged_at,
    indicators.judged_at_source,
    comparisons.is_met,
    case
        when comparisons.indicator_id is null then 'awaiting a return'
        else {{ verdict('comparisons.value', 'comparisons.standard', 'comparisons.is_met') }}
    end as verdict,
    comparisons.excess_breaches,
    comparisons.periods_in_breach,
    comparisons.source,
    comparisons.is_provisional,
    case
        when comparisons.indicator_id is null then 'no figure of it has been returned yet'
        else comparisons.caveat
    end as caveat,
    indicators.note
from members_of_set
inner join indicators using (indicator_id)
left join comparisons using (indicator_id)
left join organisations using (org_code, org_level)
left join latest_standards using (indicator_id)
left join sources using (standard_id)
