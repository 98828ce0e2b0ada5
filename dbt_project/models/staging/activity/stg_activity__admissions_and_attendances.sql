with activity as (

    select * from {{ source('raw', 'activity') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'activity'

)

select
    activity.extract_id,
    activity.source_sheet,
    activity.source_row,
    activity.period_start,
    activity.breakdown,
    activity.org_code,
    activity.org_name,
    activity.acute_elective_admissions,
    activity.acute_nonelective_admissions,
    activity.acute_first_attendances,
    activity.suppressed_measures,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from activity
inner join coverage
    on
        activity.extract_id = coverage.extract_id
        and activity.period_start = coverage.period_start
        and activity.breakdown = coverage.view
