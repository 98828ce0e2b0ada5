-- Who continues whom: the catalogue, else the changes that an analyst noted, else the lists.
with organisations as (

    select * from {{ ref('organisations') }}

),

organisation_changes as (

    select * from {{ ref('organisation_changes') }}

),

successions as (

    select * from {{ ref('stg_organisations__successions') }}

),

listed as (

    select * from {{ ref('stg_organisations__organisations') }}

),

closings as (

    select
        org_code,
        arg_max(valid_to, as_of) as closed_on
    from listed
    where valid_to is not null
    group by org_code

),

stated as (

    select
        org_code as predecessor_code,
        successor_code,
        org_level,
        valid_to + 1 as changed_on,
        'catalogue' as source
    from organisations
    where successor_code is not null and successor_code <> org_code

    union all

    select
        predecessor_code,
        successor_code,
        org_level,
        changed_on,
        'organisation_changes' as source
    from organisation_changes
    where dataset is null

    union all

    select
        successions.org_code as predecessor_code,
        successions.successor_code,
        case successions.org_role when 'trust' then 'provider' else successions.org_role end as org_level,
        closings.closed_on + 1 as changed_on,
        successions.list_kind as source
    from successions
    left join closings using (org_code)

)

select *
from stated
qualify row_number() over (
    partition by predecessor_code, org_level
    order by source <> 'catalogue', source <> 'organisation_changes', changed_on is null, changed_on desc, successor_code
) = 1
