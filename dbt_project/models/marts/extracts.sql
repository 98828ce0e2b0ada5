with received_files as (

    select * from {{ ref('stg_landing__received_files') }}

),

extracts as (

    select * from {{ ref('stg_landing__extracts') }}

),

current_extracts as (

    select distinct extract_id from {{ ref('stg_landing__coverage') }}
    where {{ is_current() }}

)

select
    extracts.extract_id,
    extracts.dataset,
    extracts.layout,
    received_files.file_name,
    extracts.period_start,
    extracts.period_end,
    extracts.edition,
    extracts.published_on,
    received_files.received_at,
    extracts.row_count,
    case
        when extracts.outcome <> 'loaded' then 'quarantined'
        when not received_files.is_first_of_content then 'duplicate'
        when extracts.extract_id not in (select extract_id from current_extracts) then 'superseded'
        else 'loaded'
    end as status,
    case
        when extracts.outcome <> 'loaded' then extracts.reason
        when not received_files.is_first_of_content then 'the same bytes as another file'
        when extracts.extract_id not in (select extract_id from current_extracts)
            then 'another edition counts for all of it'
    end as reason
from received_files
inner join extracts using (extract_id)
-- A name that content no longer has: it was renamed, or is one of several copies and was removed.
where
    (received_files.is_present or received_files.is_first_of_content)
    {%- if var('as_known_at', none) %}
    and extracts.known_at <= timestamp '{{ var("as_known_at") }}'
    {%- endif %}
