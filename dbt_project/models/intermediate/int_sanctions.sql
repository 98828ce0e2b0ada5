{#-
    What the contract of the time charges for a month in breach. Patients and money are decimals throughout: breaches
    are whole (or half) patients, and what is allowed, and what the floor leaves, are rounded down to whole ones.
-#}
with comparisons as (

    select *
    from {{ ref('fct_standard_comparisons') }}
    where is_met = false and is_preferred and period_type <> 'ytd'

),

sanctions as (

    select * from {{ ref('sanctions') }}

),

contract_values as (

    select * from {{ ref('contract_values') }}

),

in_force as (

    select
        comparisons.*,
        sanctions.basis as sanction_basis,
        sanctions.amount_gbp as sanction_each_gbp,
        sanctions.floor_pct,
        sanctions.cap_pct,
        sanctions.source as sanction_source,
        sanctions.note as sanction_note,
        case
            when sanctions.floor_pct is not null
                then floor(
                    comparisons.denominator::decimal(18, 3)
                    * case
                        when comparisons.comparator in ('>=', '>') then 100 - sanctions.floor_pct
                        else sanctions.floor_pct
                    end / 100
                )
        end as breaches_at_floor,
        round(contract_values.annual_value_gbp * sanctions.cap_pct / 1200, 2)::decimal(14, 2) as cap_of_contract_gbp,
        -- The lower of the two where both are stated, the one that is stated where not.
        least(sanctions.cap_gbp, cap_of_contract_gbp) as cap_gbp
    from comparisons
    inner join sanctions
        on
            comparisons.indicator_id = sanctions.indicator_id
            and comparisons.period_start >= sanctions.valid_from
            and comparisons.period_end <= coalesce(sanctions.valid_to, date '9999-12-31')
    left join contract_values
        on
            comparisons.org_code = contract_values.org_code
            and comparisons.org_level = 'provider'
            and comparisons.period_start >= contract_values.valid_from
            and comparisons.period_end <= coalesce(contract_values.valid_to, date '9999-12-31')

),

counted as (

    select
        *,
        -- Down to the floor at most; a floor that allows no more than the standard leaves nothing to charge for.
        case
            when excess_breaches is null or floor_pct is null then excess_breaches
            else greatest(least(excess_breaches, breaches_at_floor - allowed_breaches), 0)
        end as sanctioned_breaches
    from in_force

),

priced as (

    select
        *,
        case
            when period_type = 'month'
                then (sanctioned_breaches::decimal(18, 1) * sanction_each_gbp)::decimal(18, 2)
        end as uncapped_gbp,
        cap_pct is not null and cap_of_contract_gbp is null as is_cap_unknown
    from counted

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    sanction_basis,
    sanction_each_gbp,
    floor_pct,
    breaches_at_floor,
    sanctioned_breaches,
    uncapped_gbp,
    cap_gbp,
    case when uncapped_gbp is not null and not is_cap_unknown then least(uncapped_gbp, cap_gbp) end as sanction_gbp,
    case
        when excess_breaches is not null then concat_ws(
            '; ',
            {{ figure_in_words('breaches') }} || ' breaches - ' || {{ figure_in_words('allowed_breaches') }}
            || ' allowed = ' || {{ figure_in_words('excess_breaches') }} || ' in excess',
            case
                when floor_pct is not null
                    then 'counted down to the floor of ' || {{ figure_in_words('floor_pct') }} || ' % ('
                    || {{ figure_in_words('breaches_at_floor') }} || ' breaches of '
                    || {{ figure_in_words('denominator') }} || '): ' || {{ figure_in_words('sanctioned_breaches') }}
            end,
            case
                when period_type = 'month' and sanction_each_gbp is not null
                    then {{ figure_in_words('sanctioned_breaches') }} || ' x GBP '
                    || {{ figure_in_words('sanction_each_gbp') }} || ' = GBP ' || {{ figure_in_words('uncapped_gbp') }}
            end,
            case
                when uncapped_gbp > cap_gbp and not is_cap_unknown
                    then 'capped at GBP ' || {{ figure_in_words('cap_gbp') }}
                    || case
                        when cap_gbp = cap_of_contract_gbp
                            then ', ' || {{ figure_in_words('cap_pct') }} || ' % of a month of the contract'
                        else ''
                    end
            end
        )
    end as arithmetic,
    nullif(concat_ws(
        '; ',
        case when sanction_each_gbp is null then 'no amount: rate not stated: configuration' end,
        case
            when excess_breaches is null then 'no amount: no patients are counted, only a value is reported'
        end,
        case when period_type <> 'month' then 'no amount: charged by month, this is a ' || period_type end,
        case
            when is_cap_unknown
                then 'no amount: capped at ' || {{ figure_in_words('cap_pct') }}
                || ' % of the contract, whose value is not held'
        end
    ), '') as sanction_caveat,
    sanction_source,
    sanction_note
from priced
