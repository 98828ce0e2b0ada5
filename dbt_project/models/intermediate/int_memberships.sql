-- Which commissioners make up which system (STP, ICB), and from when until when.
with organisations as (

    select * from {{ ref('organisations') }}

)

select
    members.org_code as member_code,
    systems.org_code as system_code,
    systems.org_level as system_level,
    systems.org_name as system_name,
    greatest(members.valid_from, systems.valid_from) as valid_from,
    least(
        coalesce(members.valid_to, date '9999-12-31'), coalesce(systems.valid_to, date '9999-12-31')
    ) as valid_to
from organisations as members
inner join organisations as systems
    on
        members.parent_code = systems.org_code
        and members.valid_from <= coalesce(systems.valid_to, date '9999-12-31')
        and systems.valid_from <= coalesce(members.valid_to, date '9999-12-31')
where members.org_level in ('ccg', 'sub_icb') and systems.org_level in ('stp', 'icb')
