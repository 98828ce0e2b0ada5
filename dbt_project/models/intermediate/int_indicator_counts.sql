{%- set columns -%}
    indicator_id,
    dataset,
    org_code,
    org_name,
    org_level,
    period_type,
    period_start,
    known_from,
    known_to,
    numerator,
    denominator,
    caveat,
    edition,
    extract_ids
{%- endset -%}

with dataset_counts as (

    select * from {{ ref('int_dataset_counts') }}

),

corrections as (

    select * from {{ ref('corrections') }}
    {%- if var('as_known_at', none) %}
    where agreed_on <= timestamp '{{ var("as_known_at") }}'
    {%- endif %}

),

-- For a year after a merger the figures of the successor are set beside months of it alone.
breaks as (

    select
        org_code,
        org_level,
        dataset,
        period_start::date as period_start,
        'since ' || strftime(changed_on, '%B %Y') || ' with '
        || array_to_string(list_sort(list(predecessor_code)), ', ') || ': not comparable with earlier' as caveat
    from (
        select
            *,
            date_trunc('month', changed_on) as first_month,
            unnest(generate_series(first_month, first_month + interval 11 month, interval 1 month)) as period_start
        from {{ ref('int_series_breaks') }}
        where is_within_series
    )
    group by org_code, org_level, dataset, period_start, changed_on

),

break_caveats as (

    select
        org_code,
        org_level,
        dataset,
        period_start,
        {{ join_caveats('caveat') }} as caveat
    from breaks
    group by org_code, org_level, dataset, period_start

),

-- A correction holds for as long as the file says what the correction expects there.
corrected_counts as (

    select
        counts.indicator_id,
        counts.dataset,
        counts.org_code,
        counts.org_name,
        counts.org_level,
        counts.period_type,
        counts.period_start,
        counts.known_from,
        counts.known_to,
        coalesce(numerators.corrected_value, counts.numerator) as numerator,
        coalesce(denominators.corrected_value, counts.denominator) as denominator,
        nullif(concat_ws(
            '; ',
            {{ correction_in_words('numerators') }},
            {{ correction_in_words('denominators') }},
            break_caveats.caveat,
            counts.caveat
        ), '') as caveat,
        counts.edition,
        counts.extract_ids
    from dataset_counts as counts
    {%- for count in ['numerator', 'denominator'] %}
    left join corrections as {{ count }}s
        on
            {{ is_correction_of(count ~ 's', 'counts') }}
            and {{ count }}s.corrected_count = '{{ count }}'
            and {{ count }}s.expected_value = counts.{{ count }}
    {%- endfor %}
    left join break_caveats
        on
            counts.org_code = break_caveats.org_code
            and counts.org_level = break_caveats.org_level
            and counts.dataset = break_caveats.dataset
            and counts.period_start = break_caveats.period_start

),

memberships as (

    select * from {{ ref('int_memberships') }}

),

members as (

    select
        corrected_counts.*,
        memberships.system_code,
        memberships.system_level,
        memberships.system_name
    from corrected_counts
    inner join memberships
        on
            corrected_counts.org_code = memberships.member_code
            and corrected_counts.org_level in ('ccg', 'sub_icb')
            and corrected_counts.period_start between memberships.valid_from and memberships.valid_to

),

-- Figures of a CCG or sub-ICB location that no list places are missing in some system, nobody knows in which.
unplaced as (

    select
        counts.dataset,
        counts.period_type,
        counts.period_start,
        counts.known_from,
        list_sort(list(distinct counts.org_code)) as unplaced_codes
    from corrected_counts as counts
    left join memberships
        on
            counts.org_code = memberships.member_code
            and counts.period_start between memberships.valid_from and memberships.valid_to
    where
        counts.org_level in ('ccg', 'sub_icb')
        and memberships.member_code is null
        -- Extracts also have codes without an organisation.
        and regexp_matches(upper(coalesce(counts.org_name, 'CCG')), 'CCG|ICB|CLINICAL COMMISSIONING GROUP')
    group by counts.dataset, counts.period_type, counts.period_start, counts.known_from

),

months_held as (

    select distinct dataset, indicator_id, period_type, period_start, known_from
    from corrected_counts
    where org_level in ('ccg', 'sub_icb')

),

organisations_seen as (

    select distinct dataset, period_type, period_start, known_from, org_code
    from corrected_counts

),

expected_members as (

    select
        months_held.dataset,
        months_held.indicator_id,
        months_held.period_type,
        months_held.period_start,
        months_held.known_from,
        memberships.system_code,
        memberships.system_level,
        list_sort(list(memberships.member_code)) as expected_codes,
        list_sort(list(memberships.member_code) filter (where memberships.is_doubtful)) as doubtful_codes,
        list_sort(list_distinct(flatten(list(memberships.rests_on)))) as rests_on,
        bool_or(memberships.source = 'lists') as is_by_lists,
        list(organisations_seen.org_code) as seen_codes
    from months_held
    inner join memberships
        on months_held.period_start between memberships.valid_from and memberships.valid_to
    left join organisations_seen
        on
            months_held.dataset = organisations_seen.dataset
            and months_held.period_type = organisations_seen.period_type
            and months_held.period_start = organisations_seen.period_start
            and months_held.known_from = organisations_seen.known_from
            and memberships.member_code = organisations_seen.org_code
    group by
        months_held.dataset,
        months_held.indicator_id,
        months_held.period_type,
        months_held.period_start,
        months_held.known_from,
        memberships.system_code,
        memberships.system_level

),

system_sums as (

    select
        members.dataset,
        members.indicator_id,
        members.system_code,
        members.system_level,
        max(members.system_name) as system_name,
        members.period_type,
        members.period_start,
        members.known_from,
        max(members.known_to) as known_to,
        sum(members.numerator) as numerator,
        sum(members.denominator) as denominator,
        list(members.org_code) as present_codes,
        bool_or(members.numerator is null) as is_member_without_value,
        {{ join_caveats('members.caveat') }} as caveat,
        max(members.edition) as edition,
        list_sort(list_distinct(flatten(list(members.extract_ids)))) as extract_ids
    from members
    group by all

),

systems as (

    select
        system_sums.dataset,
        system_sums.indicator_id,
        system_sums.system_code as org_code,
        system_sums.system_name as org_name,
        system_sums.system_level as org_level,
        system_sums.period_type,
        system_sums.period_start,
        system_sums.known_from,
        system_sums.known_to,
        list_filter(
            expected_members.expected_codes, code -> not list_contains(system_sums.present_codes, code)
        ) as absent_codes,
        -- A CCG on other sheets of the cancer workbook and absent from one had no patients there; absent from all of
        -- them, or from any other extract, its figures are missing.
        list_filter(
            absent_codes,
            code -> system_sums.dataset <> 'cancer' or not list_contains(expected_members.seen_codes, code)
        ) as missing_codes,
        system_sums.is_member_without_value
        or len(missing_codes) > 0
        or expected_members.doubtful_codes is not null
        or unplaced.unplaced_codes is not null as is_incomplete,
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
            'no sum: no list says whether '
            || array_to_string(expected_members.doubtful_codes, ', ') || ' belonged to it then',
            'no sum: no list says to which system ' || array_to_string(unplaced.unplaced_codes, ', ') || ' belonged',
            case
                when len(expected_members.rests_on) > 0
                    then 'its members are those of ' || array_to_string(
                        list_transform(expected_members.rests_on, stated_for -> strftime(stated_for, '%B %Y')), ' and '
                    )
            end,
            system_sums.caveat
        ), '') as caveat,
        system_sums.edition,
        system_sums.extract_ids
    from system_sums
    inner join expected_members
        using (dataset, indicator_id, period_type, period_start, known_from, system_code, system_level)
    left join unplaced
        on
            system_sums.dataset = unplaced.dataset
            and system_sums.period_type = unplaced.period_type
            and system_sums.period_start = unplaced.period_start
            and system_sums.known_from = unplaced.known_from
            and expected_members.is_by_lists

),

stated_systems as (

    -- An ICB that a file states goes before the sum of its members.
    select
        stated.* exclude (caveat),
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
        ), '') as caveat
    from corrected_counts as stated
    left join systems
        on
            stated.dataset = systems.dataset
            and stated.indicator_id = systems.indicator_id
            and stated.org_code = systems.org_code
            and stated.org_level = systems.org_level
            and stated.period_type = systems.period_type
            and stated.period_start = systems.period_start
            and stated.known_from = systems.known_from
            and not systems.is_incomplete
    where stated.org_level in ('stp', 'icb')

)

select
    {{ columns }}
from corrected_counts
where org_level not in ('stp', 'icb')

union all

select
    {{ columns }}
from stated_systems

union all

select
    {{ columns }}
from systems
anti join stated_systems
    using (dataset, indicator_id, org_code, org_level, period_type, period_start, known_from)
