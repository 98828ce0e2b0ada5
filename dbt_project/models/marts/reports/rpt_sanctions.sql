with breaches as (

    select *
    from {{ ref('fct_breaches') }}
    -- A sanction is of a provider's contract; the same patients are in the figures of commissioners and systems.
    where org_level = 'provider'

),

sanctions as (

    select * from {{ ref('int_sanctions') }}

)

select
    breaches.indicator_id,
    breaches.indicator_name,
    breaches.org_code,
    breaches.org_name,
    breaches.org_level,
    breaches.period_type,
    breaches.period_start,
    breaches.period_end,
    breaches.source,
    breaches.value,
    breaches.unit,
    breaches.standard,
    breaches.comparator,
    breaches.denominator,
    breaches.breaches,
    breaches.allowed_breaches,
    breaches.excess_breaches,
    sanctions.floor_pct,
    sanctions.breaches_at_floor,
    sanctions.sanctioned_breaches,
    sanctions.sanction_each_gbp,
    sanctions.uncapped_gbp,
    sanctions.cap_gbp,
    sanctions.sanction_gbp,
    sanctions.sanction_basis,
    sanctions.arithmetic,
    breaches.is_provisional,
    nullif(concat_ws(
        '; ',
        sanctions.sanction_caveat,
        case when breaches.is_provisional then 'provisional: the final figures are what is charged for' end,
        breaches.caveat
    ), '') as caveat,
    sanctions.sanction_source,
    sanctions.sanction_note,
    breaches.extract_ids
from breaches
inner join sanctions
    using (indicator_id, org_code, org_level, period_type, period_start, period_end, source)
