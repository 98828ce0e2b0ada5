{{ config(materialized='view') }}

with run_files as (

    select * from {{ source('raw', 'run_files') }}

)

select
    run_id,
    file_name,
    extract_id,
    dataset,
    size_bytes,
    outcome,
    reason,
    row_count
from run_files
