with indicators as (

    select * from {{ ref('indicators') }}

)

select
    indicator_id,
    code_2014,
    indicator_name,
    indicator_group,
    indicator_set,
    dataset,
    unit,
    direction,
    is_stock,
    measure is not null as is_derived,
    numerator_description,
    denominator_description,
    source,
    note
from indicators
