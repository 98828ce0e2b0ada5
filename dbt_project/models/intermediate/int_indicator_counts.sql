{%- set datasets = ['ae', 'activity', 'cancelled_operations', 'cancer', 'diagnostics', 'dtoc', 'rtt'] -%}
{#- Counts are of months, but for the datasets whose models say otherwise. -#}
{%- set with_period_type = ['cancelled_operations'] -%}
{%- set columns -%}
        dataset,
        measure,
        org_code,
        org_name,
        org_level,
        period_type,
        period_start,
        numerator,
        denominator,
        caveat,
        edition
{%- endset -%}

with dataset_counts as (
{% for dataset in datasets %}
    select
        '{{ dataset }}' as dataset,
        measure,
        org_code,
        org_name,
        org_level,
        {{ "period_type" if dataset in with_period_type else "'month' as period_type" }},
        period_start,
        numerator,
        denominator,
        caveat,
        edition,
        extract_id
    from {{ ref('int_' ~ dataset ~ '__indicator_counts') }}
    {{ 'union all' if not loop.last }}
{% endfor %}
),

indicators as (

    select * from {{ ref('indicators') }}

),

memberships as (

    select * from {{ ref('int_memberships') }}

),

members as (

    select
        dataset_counts.*,
        memberships.system_code,
        memberships.system_level,
        memberships.system_name
    from dataset_counts
    inner join memberships
        on
            dataset_counts.org_code = memberships.member_code
            and dataset_counts.org_level in ('ccg', 'sub_icb')
            and dataset_counts.period_start between memberships.valid_from and memberships.valid_to

),

months_held as (

    select distinct dataset, measure, period_type, period_start
    from dataset_counts
    where org_level in ('ccg', 'sub_icb')

),

organisations_seen as (

    select distinct dataset, period_type, period_start, org_code
    from dataset_counts

),

expected_members as (

    select
        months_held.dataset,
        months_held.measure,
        months_held.period_type,
        months_held.period_start,
        memberships.system_code,
        memberships.system_level,
        list_sort(list(memberships.member_code)) as expected_codes,
        list(organisations_seen.org_code) as seen_codes
    from months_held
    inner join memberships
        on months_held.period_start between memberships.valid_from and memberships.valid_to
    left join organisations_seen
        on
            months_held.dataset = organisations_seen.dataset
            and months_held.period_type = organisations_seen.period_type
            and months_held.period_start = organisations_seen.period_start
            and memberships.member_code = organisations_seen.org_code
    group by
        months_held.dataset,
        months_held.measure,
        months_held.period_type,
        months_held.period_start,
        memberships.system_code,
        memberships.system_level

),

system_sums as (

    select
        members.dataset,
        members.measure,
        members.system_code,
        members.system_level,
        max(members.system_name) as system_name,
        members.period_type,
        members.period_start,
        sum(members.numerator) as numerator,
        sum(members.denominator) as denominator,
        list(members.org_code) as present_codes,
        bool_or(members.numerator is null) as is_member_without_value,
        {{ join_caveats('members.caveat') }} as caveat,
        max(members.edition) as edition,
        list_sort(list_distinct(list(members.extract_id))) as extract_ids
    from members
    group by all

),

systems as (

    select
        system_sums.dataset,
        system_sums.measure,
        system_sums.system_code as org_code,
        system_sums.system_name as org_name,
        system_sums.system_level as org_level,
        system_sums.period_type,
        system_sums.period_start,
        list_filter(
            expected_members.expected_codes, code -> not list_contains(system_sums.present_codes, code)
        ) as absent_codes,
        -- A CCG on other sheets of the cancer workbook and absent from one had no patients there; absent from all of
        -- them, or from any other extract, its figures are missing.
        list_filter(
            absent_codes,
            code -> system_sums.dataset <> 'cancer' or not list_contains(expected_members.seen_codes, code)
        ) as missing_codes,
        system_sums.is_member_without_value or len(missing_codes) > 0 as is_incomplete,
        case when not is_incomplete then system_sums.numerator end as numerator,
        case when not is_incomplete then system_sums.denominator end as denominator,
        nullif(concat_ws(
            '; ',
            case when system_sums.is_member_without_value then 'no sum: a member has no figure' end,
            case
                when len(missing_codes) > 0
                    then 'no sum: no figures for ' || array_to_string(missing_codes, ', ')
                when len(absent_codes) > 0
                    then 'no patients reported for ' || array_to_string(absent_codes, ', ')
            end,
            system_sums.caveat
        ), '') as caveat,
        system_sums.edition,
        system_sums.extract_ids
    from system_sums
    inner join expected_members using (dataset, measure, period_type, period_start, system_code, system_level)

),

stated_systems as (

    -- An ICB that a file states goes before the sum of its members.
    select
        stated.* exclude (extract_id, caveat),
        nullif(concat_ws(
            '; ',
            case
                when
                    systems.numerator <> stated.numerator
                    or systems.denominator <> stated.denominator
                    then 'as the file states it: its members add to '
                    || concat_ws(' of ', {{ plain_number('systems.numerator') }}, {{ plain_number('systems.denominator') }})
            end,
            stated.caveat
        ), '') as caveat,
        [stated.extract_id] as extract_ids
    from dataset_counts as stated
    left join systems
        on
            stated.dataset = systems.dataset
            and stated.measure = systems.measure
            and stated.org_code = systems.org_code
            and stated.org_level = systems.org_level
            and stated.period_type = systems.period_type
            and stated.period_start = systems.period_start
            and not systems.is_incomplete
    where stated.org_level in ('stp', 'icb')

),

organisations_and_systems as (

    select
        {{ columns }},
        [extract_id] as extract_ids
    from dataset_counts
    where org_level not in ('stp', 'icb')

    union all

    select
        {{ columns }},
        extract_ids
    from stated_systems

    union all

    select
        {{ columns }},
        extract_ids
    from systems
    anti join stated_systems using (dataset, measure, org_code, org_level, period_type, period_start)

)

select
    indicators.indicator_id,
    counts.dataset,
    counts.org_code,
    counts.org_name,
    counts.org_level,
    counts.period_type,
    counts.period_start,
    counts.numerator::double as numerator,
    counts.denominator::double as denominator,
    counts.caveat,
    counts.edition,
    counts.extract_ids
from organisations_and_systems as counts
inner join indicators using (dataset, measure)
