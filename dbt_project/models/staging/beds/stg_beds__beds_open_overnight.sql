with beds as (

    select * from {{ source('raw', 'beds') }}

),

coverage as (

    select
        *,
        -- The publication itself goes before a table derived from it, whichever came later.
        row_number() over (partition by period_start, known_from order by view = 'derived') = 1 as is_first_choice
    from {{ ref('stg_landing__coverage') }}
    where dataset = 'beds'

)

select
    beds.extract_id,
    beds.source_sheet,
    beds.source_row,
    beds.period_start,
    beds.is_england,
    beds.org_code as provider_code,
    beds.org_name as provider_name,
    beds.available_general_acute_beds,
    beds.occupied_general_acute_beds,
    beds.available_maternity_beds,
    beds.occupied_maternity_beds,
    beds.available_learning_disabilities_beds,
    beds.occupied_learning_disabilities_beds,
    beds.available_mental_illness_beds,
    beds.occupied_mental_illness_beds,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from beds
inner join coverage using (extract_id, period_start)
where coverage.is_first_choice
