with members_of_set as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'stp_overview'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}
    where
        is_preferred and period_type = 'month'
        and org_level in ('stp', 'icb', 'ccg', 'sub_icb')
        and indicator_id in (select indicator_id from members_of_set)

),

memberships as (

    select * from {{ ref('int_memberships') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

systems as (

    select
        indicator_id,
        org_code as system_code,
        org_level as system_level,
        period_start,
        period_end,
        -- STP and ICB of a code are one series: the ICB goes on where the STP ended.
        datediff('month', period_start, max(period_start) over (partition by org_code)) as months_before_latest
    from comparisons
    where org_level in ('stp', 'icb')

),

places as (

    select
        *,
        true as is_system,
        system_code as org_code,
        system_level as org_level,
        null as membership_caveat
    from systems

    union all

    select
        systems.*,
        false as is_system,
        memberships.member_code as org_code,
        case systems.system_level when 'icb' then 'sub_icb' else 'ccg' end as org_level,
        nullif(concat_ws(
            '; ',
            case when memberships.is_doubtful then 'whether it was a member in this month is not certain' end,
            case
                when len(memberships.rests_on) > 0
                    then 'a member by the lists of ' || array_to_string(
                        list_transform(memberships.rests_on, listed -> strftime(listed, '%B %Y')), ' and '
                    )
            end
        ), '') as membership_caveat
    from systems
    inner join memberships
        on
            systems.system_code = memberships.system_code
            and systems.system_level = memberships.system_level
            and systems.period_end between memberships.valid_from and memberships.valid_to

)

select
    members_of_set.sort_order,
    places.indicator_id,
    indicators.indicator_name,
    places.system_code,
    places.system_level,
    system_names.org_name as system_name,
    places.is_system,
    places.org_code,
    places.org_level,
    organisations.org_name,
    places.period_start,
    places.period_end,
    strftime(places.period_start, '%B %Y') as period_label,
    places.months_before_latest,
    places.months_before_latest < 15 as is_in_last_15_months,
    comparisons.numerator,
    comparisons.denominator,
    comparisons.value,
    indicators.unit,
    comparisons.comparator,
    comparisons.standard,
    comparisons.is_met,
    {{ verdict('comparisons.value', 'comparisons.standard', 'comparisons.is_met') }} as verdict,
    comparisons.excess_breaches,
    comparisons.periods_in_breach,
    comparisons.source,
    comparisons.is_provisional,
    nullif(concat_ws(
        '; ',
        case when comparisons.indicator_id is null then 'no figure of it is held for the month' end,
        comparisons.caveat,
        places.membership_caveat
    ), '') as caveat,
    indicators.note
from places
inner join members_of_set using (indicator_id)
inner join indicators using (indicator_id)
left join comparisons using (indicator_id, org_code, org_level, period_start, period_end)
left join organisations using (org_code, org_level)
left join organisations as system_names
    on places.system_code = system_names.org_code and places.system_level = system_names.org_level
