with comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

sanctions as (

    select * from {{ ref('int_sanctions') }}

),

breaches as (

    select
        *,
        case when unit = 'percent' then abs(value - standard) end as shortfall_points
    from comparisons
    where is_met = false and period_type <> 'ytd' and is_preferred

),

sanctioned as (

    select
        breaches.*,
        sanctions.sanction_basis,
        sanctions.sanction_each_gbp,
        sanctions.sanction_gbp
    from breaches
    left join sanctions
        using (indicator_id, org_code, org_level, period_type, period_start, period_end, source)

)

select
    sanctioned.indicator_id,
    indicators.indicator_name,
    sanctioned.org_code,
    organisations.org_name,
    sanctioned.org_level,
    sanctioned.period_type,
    sanctioned.period_start,
    sanctioned.period_end,
    sanctioned.source,
    sanctioned.standard_id,
    sanctioned.numerator,
    sanctioned.denominator,
    sanctioned.value,
    sanctioned.unit,
    sanctioned.standard,
    sanctioned.comparator,
    sanctioned.breaches,
    sanctioned.allowed_breaches,
    sanctioned.excess_breaches,
    sanctioned.periods_in_breach,
    case
        when sanctioned.comparator = '=' or sanctioned.shortfall_points >= {{ var('critical_shortfall_points') }}
            then 'critical'
        when
            sanctioned.shortfall_points >= {{ var('major_shortfall_points') }}
            or sanctioned.periods_in_breach >= {{ var('major_from_months_in_breach') }}
            then 'major'
        else 'minor'
    end as severity,
    sanctioned.sanction_basis,
    sanctioned.sanction_each_gbp,
    sanctioned.sanction_gbp::double as sanction_gbp,
    sanctioned.is_provisional,
    sanctioned.caveat,
    sanctioned.extract_ids
from sanctioned
inner join indicators using (indicator_id)
left join organisations using (org_code, org_level)
