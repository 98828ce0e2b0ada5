with indicators as (

    select * from {{ ref('indicators') }}

),

unbounded as (

    select * from {{ ref('unbounded_percentages') }}

)

select
    indicators.indicator_id,
    code_2014,
    indicator_name,
    indicator_group,
    indicator_set,
    dataset,
    unit,
    unbounded.indicator_id is not null as may_exceed_100,
    direction,
    is_stock,
    measure is not null as is_derived,
    numerator_description,
    denominator_description,
    source,
    owner,
    review_date,
    provider_code,
    local_code,
    counterpart_of,
    outcomes_domain,
    judged_at,
    judged_at_source,
    note
from indicators
left join unbounded using (indicator_id)
