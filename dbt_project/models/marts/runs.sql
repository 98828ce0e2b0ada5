{{ config(materialized='view') }}

with runs as (

    select * from {{ source('raw', 'runs') }}

)

select
    run_id,
    kind,
    as_known_at,
    started_at,
    finished_at,
    published_at,
    outcome,
    exit_code,
    landing_folder,
    files,
    ignored_files,
    new_extracts,
    loaded_extracts,
    rejected_extracts,
    withdrawn_extracts,
    duplicate_files,
    files_in_quarantine,
    rows_loaded,
    failures,
    start_seconds,
    receive_seconds,
    load_seconds,
    check_seconds,
    build_seconds,
    judge_seconds,
    publish_seconds,
    all_seconds,
    versions,
    project_fingerprint,
    catalogue_fingerprint,
    landing_fingerprint,
    marts_fingerprint,
    published_bytes,
    has_made_this_publication
from runs
