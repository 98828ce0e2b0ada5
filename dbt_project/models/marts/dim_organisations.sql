with catalogue as (

    select * from {{ ref('organisations') }}

),

counts as (

    select
        org_code,
        org_level,
        org_name,
        period_start
    from {{ ref('int_indicator_counts') }}

    union all

    select
        org_code,
        org_level,
        null::varchar as org_name,
        period_start
    from {{ ref('int_reported_values') }}

),

-- Organisations that only the extracts name, by the name they last had there; by code where they give no name.
seen as (

    select
        org_code,
        org_level,
        coalesce(org_name, org_code) as org_name
    from counts
    qualify row_number() over (
        partition by org_code, org_level
        order by org_name is null, period_start desc, org_name
    ) = 1

)

select
    org_code,
    org_level,
    org_type,
    org_name,
    short_name,
    parent_code,
    valid_from,
    valid_to,
    successor_code,
    true as is_in_catalogue,
    note
from catalogue

union all

select
    org_code,
    org_level,
    org_level as org_type,
    org_name,
    null::varchar as short_name,
    null::varchar as parent_code,
    null::date as valid_from,
    null::date as valid_to,
    null::varchar as successor_code,
    false as is_in_catalogue,
    null::varchar as note
from seen
anti join catalogue using (org_code, org_level)
