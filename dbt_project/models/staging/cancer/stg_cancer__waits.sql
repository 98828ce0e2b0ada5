with waits as (

    -- Rows loaded before there were providers and breakdowns have neither of the two.
    select * replace (coalesce(view, 'commissioner') as view, coalesce(is_counted, true) as is_counted)
    from {{ source('raw', 'cancer') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'cancer'

)

select
    waits.extract_id,
    waits.source_sheet,
    waits.source_row,
    waits.period_start,
    waits.view,
    waits.standard as measure,
    waits.is_total as is_england,
    waits.is_counted,
    waits.org_code,
    waits.org_name,
    waits.stage,
    waits.modality,
    waits.category,
    waits.patients,
    waits.patients_within,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from waits
inner join coverage
    on
        waits.extract_id = coverage.extract_id
        and waits.view = coverage.view
        and waits.period_start = coverage.period_start
        and waits.standard = coverage.part
