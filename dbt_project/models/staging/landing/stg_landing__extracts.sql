with extracts as (

    select * from {{ source('raw', 'extracts') }}

)

select
    extract_id,
    dataset,
    layout,
    period_start,
    period_end,
    edition,
    edition = 'provisional' as is_provisional,
    published_on,
    received_at,
    row_count,
    outcome,
    reason,
    caveat
from extracts
