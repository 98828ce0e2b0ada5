with received_files as (

    select * from {{ source('raw', 'received_files') }}

)

select
    file_name,
    extract_id,
    size_bytes,
    modified_at,
    received_at,
    is_present,
    -- Content counts once: the name that is in the folder now speaks for it, and of several the one received first.
    row_number() over (
        partition by extract_id
        order by is_present desc, received_at, file_name
    ) = 1 as is_first_of_content
from received_files
