with waits as (

    select * from {{ source('raw', 'diagnostics') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'diagnostics'

),

covering_extracts as (

    select
        extract_id,
        period_start,
        known_from,
        known_to,
        edition,
        caveat,
        bool_or(view = 'commissioner') as is_current_for_commissioners,
        bool_or(view = 'provider') as is_current_for_providers
    from coverage
    group by all

)

select
    waits.extract_id,
    waits.source_sheet,
    waits.source_row,
    waits.period_start,
    waits.provider_code,
    waits.provider_name,
    waits.commissioner_code,
    waits.commissioner_name,
    waits.test_number,
    waits.test_name,
    waits.is_total as is_all_tests,
    waits.is_england,
    waits.week_bands,
    waits.waiting_list,
    waits.waiting_list_activity,
    waits.planned_activity,
    waits.unscheduled_activity,
    covering_extracts.is_current_for_commissioners,
    covering_extracts.is_current_for_providers,
    covering_extracts.known_from,
    covering_extracts.known_to,
    covering_extracts.edition,
    covering_extracts.caveat
from waits
inner join covering_extracts using (extract_id, period_start)
