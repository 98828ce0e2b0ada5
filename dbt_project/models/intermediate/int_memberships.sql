{#-
    The analyst's word (the catalogue) goes before the lists. A list speaks of its own month. Between two lists that name
    the same system, and before the first or after the last, it is carried, and `rests_on` names the months; where two
    lists differ nobody knows when the member moved, and both systems are in doubt until the later list.
-#}
{%- set stps_from = "date '" ~ var('stps_from') ~ "'" -%}
{%- set icbs_from = "date '" ~ var('icbs_from') ~ "'" -%}
{%- set never = "date '9999-12-31'" -%}

with organisations as (

    select * from {{ ref('organisations') }}

),

listed as (

    select * from {{ ref('stg_organisations__organisations') }}

),

stated as (

    select * from {{ ref('stg_organisations__memberships') }}
    where member_role in ('ccg', 'sub_icb')

),

successions as (

    select * from {{ ref('stg_organisations__successions') }}

),

catalogued as (

    select
        members.org_code as member_code,
        systems.org_code as system_code,
        systems.org_level as system_level,
        systems.org_name as system_name,
        greatest(members.valid_from, systems.valid_from) as valid_from,
        least(coalesce(members.valid_to, {{ never }}), coalesce(systems.valid_to, {{ never }})) as valid_to
    from organisations as members
    inner join organisations as systems
        on
            members.parent_code = systems.org_code
            and members.valid_from <= coalesce(systems.valid_to, {{ never }})
            and systems.valid_from <= coalesce(members.valid_to, {{ never }})
    where members.org_level in ('ccg', 'sub_icb') and systems.org_level in ('stp', 'icb')

),

-- Commissioners as the latest ODS list has them; hubs and reporting entities are members of nothing.
commissioners as (

    select
        org_code as member_code,
        org_role,
        parent_code,
        valid_from as opened_on,
        valid_to as closed_on
    from listed
    where list_kind = 'ods_commissioners' and org_role in ('ccg', 'sub_icb')
    qualify row_number() over (partition by org_code order by as_of desc) = 1

),

systems as (

    select
        org_code as system_code,
        org_role as system_level,
        arg_max(org_name, as_of) as system_name,
        max(valid_from) as opened_on,
        max(valid_to) as closed_on
    from listed
    where org_role in ('stp', 'icb')
    group by org_code, org_role

),

statements as (

    select
        member_code,
        system_code,
        stated_for,
        is_end,
        bool_or(is_dated) as is_dated
    from (
        select
            member_code,
            system_code,
            coalesce(valid_to, date_trunc('month', as_of)::date) as stated_for,
            valid_to is not null as is_end,
            true as is_dated
        from stated

        union all

        -- What an ODS list says of a closed organisation may be said of its successor; and it is of its day or later.
        select
            org_code as member_code,
            parent_code as system_code,
            date_trunc('month', as_of)::date as stated_for,
            false as is_end,
            false as is_dated
        from listed
        where
            list_kind = 'ods_commissioners'
            and org_role in ('ccg', 'sub_icb')
            and parent_code is not null
            and coalesce(valid_to, {{ never }}) >= as_of
    )
    group by member_code, system_code, stated_for, is_end

),

last_list_of_stps as (

    select coalesce(max(stated_for), {{ never }}) as stated_for
    from statements
    where not is_end and stated_for < {{ icbs_from }}

),

dated as (

    select
        *,
        count(*) over (partition by member_code, stated_for) > 1 as is_contradicted
    from statements

),

ordered as (

    select
        *,
        lag(system_code) over chronologically as earlier_system,
        lag(stated_for) over chronologically as earlier_for,
        lag(is_end) over chronologically as is_earlier_end,
        coalesce(lag(is_contradicted) over chronologically, false) as is_earlier_contradicted,
        lead(stated_for) over chronologically is null as is_last
    from dated
    window chronologically as (partition by member_code order by stated_for, system_code)

),

-- The month of a statement, and the time before and after it, each with the systems named at either end.
stretches as (

    select
        member_code,
        system_code as earlier_system,
        system_code as later_system,
        stated_for as earlier_for,
        stated_for as later_for,
        stated_for as valid_from,
        (stated_for + interval 1 month - interval 1 day)::date as valid_to,
        is_contradicted,
        is_dated as is_stated
    from ordered
    where not is_end

    union all

    select
        member_code,
        case when not is_earlier_end then earlier_system end as earlier_system,
        system_code as later_system,
        case when not is_earlier_end then earlier_for end as earlier_for,
        stated_for as later_for,
        case
            when earlier_for is null then {{ stps_from }}
            when is_earlier_end then earlier_for + 1
            else (earlier_for + interval 1 month)::date
        end as valid_from,
        case when is_end then stated_for else stated_for - 1 end as valid_to,
        is_contradicted or is_earlier_contradicted as is_contradicted,
        false as is_stated
    from ordered

    union all

    select
        member_code,
        system_code as earlier_system,
        null as later_system,
        stated_for as earlier_for,
        null as later_for,
        (stated_for + interval 1 month)::date as valid_from,
        {{ never }} as valid_to,
        is_contradicted,
        false as is_stated
    from ordered
    where is_last and not is_end

),

-- What is said of an STP is not said of the ICB of the same code; an ICB's members are carried back to its STP only
-- where no list of STPs could name them, and to prove or question what such a list says.
of_stps as (

    select
        stretches.member_code,
        'stp' as system_level,
        stretches.valid_from,
        least(stretches.valid_to, {{ icbs_from }} - 1) as valid_to,
        stretches.earlier_system,
        stretches.later_system,
        stretches.earlier_for,
        stretches.later_for,
        stretches.is_stated,
        stretches.is_contradicted
        or coalesce(stretches.earlier_system <> stretches.later_system, false)
        or (
            stretches.earlier_system is null
            and stretches.later_for >= {{ icbs_from }}
            and coalesce(commissioners.opened_on <= last_list_of_stps.stated_for, true)
        ) as is_doubtful
    from stretches
    cross join last_list_of_stps
    left join commissioners using (member_code)
    where stretches.valid_from < {{ icbs_from }}

),

of_icbs as (

    select
        member_code,
        'icb' as system_level,
        greatest(valid_from, {{ icbs_from }}) as valid_from,
        valid_to,
        case when earlier_for >= {{ icbs_from }} then earlier_system end as earlier_system,
        later_system,
        case when earlier_for >= {{ icbs_from }} then earlier_for end as earlier_for,
        later_for,
        is_stated,
        is_contradicted
        or (earlier_for >= {{ icbs_from }} and coalesce(earlier_system <> later_system, false)) as is_doubtful
    from stretches
    where valid_to >= {{ icbs_from }}

),

-- A CCG that had closed before every list: only the system recorded last is known, maybe its successor's. It may have
-- belonged to that one, or to one that was merged into it.
unstated as (

    select
        commissioners.member_code,
        'stp' as system_level,
        {{ stps_from }} as valid_from,
        {{ icbs_from }} - 1 as valid_to,
        unnest(list_append(
            list(successions.org_code) filter (where successions.org_code is not null), commissioners.parent_code
        )) as earlier_system,
        null as later_system,
        null::date as earlier_for,
        null::date as later_for,
        false as is_stated,
        true as is_doubtful
    from commissioners
    left join successions
        on commissioners.parent_code = successions.successor_code and successions.org_role = 'stp'
    where
        commissioners.parent_code is not null
        and commissioners.member_code not in (select member_code from statements)
    group by commissioners.member_code, commissioners.parent_code

),

carried as (

    select
        member_code,
        system_level,
        valid_from,
        valid_to,
        unnest(list_distinct([earlier_system, later_system])) as system_code,
        is_doubtful,
        case
            when is_stated then []::date[]
            else list_sort(list_distinct([earlier_for, later_for]))
        end as rests_on
    from (
        select * from of_stps
        union all
        select * from of_icbs
        union all
        select * from unstated
    )

),

-- For as long as both are there.
lists as (

    select
        carried.member_code,
        carried.system_code,
        carried.system_level,
        coalesce(systems.system_name, carried.system_code) as system_name,
        greatest(
            carried.valid_from,
            coalesce(commissioners.opened_on, carried.valid_from),
            coalesce(systems.opened_on, carried.valid_from)
        ) as valid_from,
        least(
            carried.valid_to,
            coalesce(commissioners.closed_on, carried.valid_to),
            coalesce(systems.closed_on, carried.valid_to)
        ) as valid_to,
        carried.is_doubtful,
        carried.rests_on
    from carried
    left join commissioners using (member_code)
    left join systems using (system_code, system_level)

)

select
    member_code,
    system_code,
    system_level,
    system_name,
    valid_from,
    valid_to,
    'catalogue' as source,
    false as is_doubtful,
    []::date[] as rests_on
from catalogued

union all

select
    member_code,
    system_code,
    system_level,
    system_name,
    valid_from,
    valid_to,
    'lists' as source,
    bool_or(is_doubtful) as is_doubtful,
    list_sort(list_distinct(flatten(list(rests_on)))) as rests_on
from lists
where
    valid_from <= valid_to
    and not exists (
        from catalogued
        where
            catalogued.system_level = lists.system_level
            and (catalogued.system_code = lists.system_code or catalogued.member_code = lists.member_code)
    )
group by member_code, system_code, system_level, system_name, valid_from, valid_to
