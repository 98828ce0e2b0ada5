{%- set icbs_from = "date '" ~ var('icbs_from') ~ "'" -%}

with catalogue as (

    select * from {{ ref('organisations') }}

),

counts as (

    select
        org_code,
        org_level,
        org_name,
        period_start,
        known_from
    from {{ ref('int_indicator_counts') }}

    union all

    select
        org_code,
        org_level,
        null::varchar as org_name,
        period_start,
        known_from
    from {{ ref('int_reported_values') }}

    union all

    select
        org_code,
        org_level,
        org_name,
        period_start,
        known_from
    from {{ ref('int_worked_out_values') }}

),

listed as (

    select * from {{ ref('stg_organisations__organisations') }}

),

list_members as (

    select * from {{ ref('stg_organisations__memberships') }}

),

memberships as (

    select * from {{ ref('int_memberships') }}

),

successions as (

    select * from {{ ref('int_successions') }}

),

-- What lists say of an organisation at each of its levels: a code of a sub-ICB location was a CCG before.
statements as (

    select
        org_code,
        case org_role when 'trust' then 'provider' else org_role end as org_level,
        org_name,
        case when org_role = 'trust' then parent_code end as parent_code,
        ons_code,
        case when org_role = 'sub_icb' then greatest(valid_from, {{ icbs_from }}) else valid_from end as valid_from,
        valid_to,
        null as successor_code,
        list_kind,
        as_of
    from listed
    where org_role in ('trust', 'ccg', 'sub_icb', 'commissioning_hub', 'stp', 'icb')

    union all

    select
        org_code,
        'ccg' as org_level,
        null as org_name,
        null as parent_code,
        null as ons_code,
        valid_from,
        {{ icbs_from }} - 1 as valid_to,
        org_code as successor_code,
        list_kind,
        as_of
    from listed
    where org_role = 'sub_icb' and valid_from < {{ icbs_from }}

    union all

    select
        member_code as org_code,
        member_role as org_level,
        member_name as org_name,
        null as parent_code,
        member_ons_code as ons_code,
        null as valid_from,
        null as valid_to,
        null as successor_code,
        list_kind,
        as_of
    from list_members
    where member_role in ('ccg', 'sub_icb')

),

-- The latest list that states a thing speaks for it.
lists as (

    select
        org_code,
        org_level,
        arg_max(org_name, (as_of, list_kind, org_name)) filter (where org_name is not null) as org_name,
        arg_max(list_kind, (as_of, list_kind, org_name)) filter (where org_name is not null) as name_source,
        arg_max(parent_code, as_of) filter (where parent_code is not null) as parent_code,
        arg_max(list_kind, as_of) filter (where parent_code is not null) as parent_source,
        arg_max(ons_code, as_of) filter (where ons_code is not null) as ons_code,
        arg_max(valid_from, as_of) filter (where valid_from is not null) as valid_from,
        arg_max(valid_to, as_of) filter (where valid_to is not null) as valid_to,
        arg_max(list_kind, as_of) filter (where valid_from is not null or valid_to is not null) as dates_source,
        max(successor_code) as successor_code,
        max(list_kind) filter (where successor_code is not null) as successor_source
    from statements
    group by org_code, org_level

),

systems_of_members as (

    select
        member_code as org_code,
        case system_level when 'stp' then 'ccg' else 'sub_icb' end as org_level,
        arg_max(system_code, valid_from) as system_code
    from memberships
    where source = 'lists' and not is_doubtful
    group by org_code, org_level

),

-- Organisations that extracts name, by the name they last had there; by code where they give no name.
seen as (

    select
        org_code,
        org_level,
        coalesce(org_name, org_code) as org_name
    from counts
    qualify row_number() over (
        partition by org_code, org_level
        order by org_name is null, period_start desc, known_from desc, org_name
    ) = 1

),

names as (

    select
        org_code,
        org_level,
        list_sort(list(distinct upper(trim(org_name)))) as names
    from (
        select org_code, org_level, org_name from statements
        union all
        select org_code, org_level, org_name from counts
    )
    where org_name is not null
    group by org_code, org_level

),

predecessors as (

    select
        successor_code as org_code,
        org_level,
        list_sort(list(predecessor_code)) as predecessor_codes
    from successions
    group by successor_code, org_level

),

organisations as (

    select org_code, org_level from catalogue
    union
    select org_code, org_level from lists
    union
    select org_code, org_level from seen

)

select
    org_code,
    org_level,
    coalesce(catalogue.org_type, org_level) as org_type,
    coalesce(catalogue.org_name, lists.org_name, seen.org_name, org_code) as org_name,
    catalogue.short_name,
    coalesce(
        list_filter(
            names.names,
            other -> other <> upper(coalesce(catalogue.org_name, lists.org_name, seen.org_name))
        ),
        []
    ) as other_names,
    coalesce(catalogue.parent_code, systems_of_members.system_code, lists.parent_code) as parent_code,
    coalesce(catalogue.valid_from, lists.valid_from) as valid_from,
    coalesce(catalogue.valid_to, lists.valid_to) as valid_to,
    coalesce(catalogue.successor_code, successions.successor_code, lists.successor_code) as successor_code,
    coalesce(predecessors.predecessor_codes, []) as predecessor_codes,
    lists.ons_code,
    catalogue.org_code is not null as is_in_catalogue,
    case
        when catalogue.org_name is not null then 'catalogue'
        when lists.org_name is not null then lists.name_source
        when seen.org_name is not null then 'extracts'
    end as name_source,
    case
        when catalogue.parent_code is not null then 'catalogue'
        when systems_of_members.system_code is not null then 'memberships'
        when lists.parent_code is not null then lists.parent_source
    end as parent_source,
    case
        when
            catalogue.valid_from is null and catalogue.valid_to is null
            then case when lists.valid_from is not null or lists.valid_to is not null then lists.dates_source end
        when
            (catalogue.valid_from is null and lists.valid_from is not null)
            or (catalogue.valid_to is null and lists.valid_to is not null)
            then 'catalogue, else ' || lists.dates_source
        else 'catalogue'
    end as dates_source,
    case
        when catalogue.successor_code is not null then 'catalogue'
        when successions.successor_code is not null then successions.source
        when lists.successor_code is not null then lists.successor_source
    end as successor_source,
    catalogue.note
from organisations
left join catalogue using (org_code, org_level)
left join lists using (org_code, org_level)
left join seen using (org_code, org_level)
left join systems_of_members using (org_code, org_level)
left join names using (org_code, org_level)
left join predecessors using (org_code, org_level)
left join successions
    on organisations.org_code = successions.predecessor_code and organisations.org_level = successions.org_level
