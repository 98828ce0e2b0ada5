with standards as (

    select * from {{ ref('standards') }}

),

indicators as (

    select * from {{ ref('indicators') }}

)

select
    standard_id,
    indicator_id,
    scope,
    standard,
    comparator,
    valid_from,
    valid_to,
    source,
    note
from standards

union all

-- A local indicator has its standard in its own row of the catalogue.
select
    indicator_id as standard_id,
    indicator_id,
    'local' as scope,
    standard,
    comparator,
    standard_from as valid_from,
    null::date as valid_to,
    source,
    null::varchar as note
from indicators
where standard is not null
