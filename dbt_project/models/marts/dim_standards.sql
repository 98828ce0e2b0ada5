with standards as (

    select * from {{ ref('standards') }}

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
