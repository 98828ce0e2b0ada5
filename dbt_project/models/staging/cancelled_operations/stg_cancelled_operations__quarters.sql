with quarters as (

    select * from {{ source('raw', 'cancelled_operations') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
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
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from quarters
-- England with the independent sector is what the providers add to, and is not counted.
inner join coverage
    on
        quarters.extract_id = coverage.extract_id
        and quarters.period_start = coverage.period_start
        and quarters.breakdown = coverage.view
