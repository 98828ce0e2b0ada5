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

    select * from {{ ref('sanctions') }}

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
        sanctions.basis as sanction_basis,
        sanctions.amount_gbp as sanction_each_gbp,
        sanctions.amount_gbp * case
            when sanctions.floor_pct is null then breaches.excess_breaches
            -- Below the floor further breaches cost nothing more.
            else least(
                breaches.excess_breaches,
                floor(breaches.denominator::decimal(18, 3) * (100 - sanctions.floor_pct) / 100)
                - breaches.allowed_breaches
            )
        end as sanction_gbp
    from breaches
    left join sanctions
        on
            breaches.indicator_id = sanctions.indicator_id
            and breaches.period_end >= sanctions.valid_from
            and breaches.period_end <= coalesce(sanctions.valid_to, date '9999-12-31')

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
    sanctioned.sanction_gbp,
    sanctioned.is_provisional,
    sanctioned.caveat,
    sanctioned.extract_ids
from sanctioned
inner join indicators using (indicator_id)
left join organisations using (org_code, org_level)
