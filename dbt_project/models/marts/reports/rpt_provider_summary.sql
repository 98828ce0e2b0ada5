with comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}
    where
        period_type in ('month', 'quarter') and is_preferred
        and org_level in ('provider', 'service')

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

spc_points as (

    select * from {{ ref('int_spc_points') }}

)

select
    comparisons.org_code,
    comparisons.org_level,
    organisations.org_name,
    organisations.parent_code,
    comparisons.indicator_id,
    indicators.indicator_name,
    indicators.indicator_group,
    indicators.indicator_set,
    comparisons.period_type,
    comparisons.period_start,
    comparisons.period_end,
    {{ period_in_words('comparisons.period_type', 'comparisons.period_start', 'comparisons.period_end') }} as period,
    comparisons.source,
    comparisons.numerator,
    comparisons.denominator,
    comparisons.value,
    coalesce(
        {{ shown('comparisons.value', 'comparisons.unit', 'comparisons.numerator', 'comparisons.denominator') }},
        'no value'
    ) as value_shown,
    comparisons.unit,
    indicators.direction,
    comparisons.standard,
    {{ standard_in_words('comparisons.standard', 'comparisons.comparator', 'comparisons.unit') }} as standard_shown,
    comparisons.is_met,
    {{ verdict('comparisons.value', 'comparisons.standard', 'comparisons.is_met') }} as verdict,
    comparisons.excess_breaches,
    comparisons.periods_in_breach,
    spc_points.variation_icon,
    spc_points.assurance_icon,
    spc_points.is_short as is_chart_short,
    comparisons.is_provisional,
    comparisons.caveat
from comparisons
inner join indicators using (indicator_id)
left join organisations using (org_code, org_level)
left join spc_points
    on
        comparisons.indicator_id = spc_points.indicator_id
        and comparisons.org_code = spc_points.org_code
        and comparisons.org_level = spc_points.series_level
        and comparisons.source = spc_points.source
        and comparisons.period_type = spc_points.period_type
        and comparisons.period_start = spc_points.period_start
