with attendances as (

    select * from {{ source('raw', 'ae') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'ae'

)

select
    attendances.extract_id,
    attendances.source_sheet,
    attendances.source_row,
    attendances.period_start,
    attendances.org_code as provider_code,
    attendances.org_name as provider_name,
    -- Attendances by booked appointment are published from August 2020 and count in the published percentage.
    attendances.attendances_type1 + coalesce(attendances.attendances_booked_type1, 0) as attendances_type1,
    attendances.attendances_type2 + coalesce(attendances.attendances_booked_type2, 0) as attendances_type2,
    attendances.attendances_other + coalesce(attendances.attendances_booked_other, 0) as attendances_other,
    attendances.over_4hrs_type1 + coalesce(attendances.over_4hrs_booked_type1, 0)
    + attendances.over_4hrs_type2 + coalesce(attendances.over_4hrs_booked_type2, 0)
    + attendances.over_4hrs_other + coalesce(attendances.over_4hrs_booked_other, 0) as attendances_over_4hrs,
    attendances.waits_over_12hrs_from_dta,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from attendances
inner join coverage using (extract_id, period_start)
where not attendances.is_total
