with activity as (

    select * from {{ source('raw', 'activity') }}

),

current_coverage as (

    select * from {{ ref('stg_landing__current_coverage') }}
    where dataset = 'activity'

)

select
    activity.extract_id,
    activity.source_row,
    activity.period_start,
    activity.breakdown,
    activity.org_code,
    activity.org_name,
    activity.acute_elective_admissions,
    activity.acute_nonelective_admissions,
    activity.acute_first_attendances,
    activity.suppressed_measures,
    current_coverage.edition,
    current_coverage.caveat
from activity
inner join current_coverage
    on
        activity.extract_id = current_coverage.extract_id
        and activity.period_start = current_coverage.period_start
        and activity.breakdown = current_coverage.view
