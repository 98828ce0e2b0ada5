{{ config(materialized='view') }}

with returned as (

    select * from {{ ref('stg_local_returns__values') }}

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    known_from,
    known_to,
    'local_returns' as dataset,
    extract_id,
    source_sheet,
    source_row,
    numerator,
    denominator,
    value
from returned
