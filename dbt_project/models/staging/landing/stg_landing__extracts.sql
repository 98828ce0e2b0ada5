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
    -- From when the figures could be known: publication where the file states it, else receipt.
    coalesce(cast(published_on as timestamp), received_at) as known_at,
    row_count,
    outcome,
    reason,
    caveat
from extracts
