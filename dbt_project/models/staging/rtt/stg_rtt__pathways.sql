with pathways as (

    select * from {{ source('raw', 'rtt') }}

),

kinds_of_row as (

    -- Read apart from the pathways: what is named twice is set aside in memory with all its columns, and a year of
    -- national extracts has two million lists of weeks.
    select extract_id, part, is_total from {{ source('raw', 'rtt') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'rtt'

),

covering_extracts as (

    select
        extract_id,
        part,
        period_start,
        known_from,
        known_to,
        edition,
        caveat,
        bool_or(view = 'commissioner') as is_current_for_commissioners,
        bool_or(view = 'provider') as is_current_for_providers
    from coverage
    group by all

),

tables as (

    select
        extract_id,
        part,
        bool_or(is_total) as has_totals
    from kinds_of_row
    group by all

)

select
    pathways.extract_id,
    pathways.source_sheet,
    pathways.source_row,
    pathways.period_start,
    pathways.part,
    pathways.provider_code,
    pathways.provider_name,
    pathways.commissioner_code,
    pathways.commissioner_name,
    pathways.treatment_function_code,
    pathways.treatment_function_name,
    pathways.is_total as is_all_treatment_functions,
    -- A workbook of before 2011 may come without totals of treatment functions: then its parts are counted.
    pathways.is_total or not tables.has_totals as is_counted,
    pathways.week_bands,
    pathways.pathways,
    pathways.pathways_with_unknown_start,
    covering_extracts.is_current_for_commissioners,
    covering_extracts.is_current_for_providers,
    covering_extracts.known_from,
    covering_extracts.known_to,
    covering_extracts.edition,
    covering_extracts.caveat
from pathways
inner join covering_extracts using (extract_id, part, period_start)
inner join tables using (extract_id, part)
