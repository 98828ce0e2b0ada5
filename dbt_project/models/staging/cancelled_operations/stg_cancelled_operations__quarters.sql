with quarters as (

    select * from {{ source('raw', 'cancelled_operations') }}

),

current_coverage as (

    select * from {{ ref('stg_landing__current_coverage') }}
    where dataset = 'cancelled_operations'

)

select
    quarters.extract_id,
    quarters.source_sheet,
    quarters.source_row,
    quarters.period_start,
    quarters.breakdown = 'england' as is_england,
    quarters.org_code as provider_code,
    quarters.org_name as provider_name,
    quarters.cancelled_operations,
    quarters.not_treated_within_28_days,
    current_coverage.edition,
    current_coverage.caveat
from quarters
-- England with the independent sector is what the providers add to, and is not counted.
inner join current_coverage
    on
        quarters.extract_id = current_coverage.extract_id
        and quarters.period_start = current_coverage.period_start
        and quarters.breakdown = current_coverage.view
