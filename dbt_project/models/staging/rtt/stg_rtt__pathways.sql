with pathways as (

    select * from {{ source('raw', 'rtt') }}

)

select
    extract_id,
    source_sheet,
    source_row,
    period_start,
    part,
    provider_code,
    provider_name,
    commissioner_code,
    commissioner_name,
    treatment_function_code,
    treatment_function_name,
    is_total as is_all_treatment_functions,
    week_bands,
    -- Band 1 is up to one week, band 18 over 17 to 18 weeks, band 53 over 52 weeks.
    list_sum(week_bands[1:18]) as within_18_weeks,
    list_sum(week_bands[53:]) as over_52_weeks,
    list_sum(week_bands) as with_known_start,
    pathways,
    pathways_with_unknown_start
from pathways
