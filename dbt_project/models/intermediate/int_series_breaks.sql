-- From which day a dataset has the figures of an organisation under the code of its successor.
with successions as (

    select * from {{ ref('int_successions') }}
    where changed_on is not null

),

organisation_changes as (

    select * from {{ ref('organisation_changes') }}
    where dataset is not null

),

datasets as (

    select distinct dataset from {{ ref('indicators') }}

),

listed as (

    select * from {{ ref('stg_organisations__organisations') }}

),

openings as (

    select
        org_code,
        arg_max(valid_from, as_of) as opened_on
    from listed
    where valid_from is not null
    group by org_code

)

select
    successions.successor_code as org_code,
    successions.org_level,
    datasets.dataset,
    successions.predecessor_code,
    coalesce(organisation_changes.changed_on, successions.changed_on) as changed_on,
    coalesce(organisation_changes.source, successions.source) as source,
    coalesce(
        date_trunc('month', openings.opened_on)
        < date_trunc('month', coalesce(organisation_changes.changed_on, successions.changed_on)),
        true
    ) as is_within_series
from successions
cross join datasets
left join organisation_changes using (predecessor_code, successor_code, org_level, dataset)
left join openings on successions.successor_code = openings.org_code
