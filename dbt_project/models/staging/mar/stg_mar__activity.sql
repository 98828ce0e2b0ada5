with activity as (

    select * from {{ source('raw', 'mar') }}

),

coverage as (

    select
        *,
        -- A whole table goes before an excerpt, whichever came later.
        row_number() over (partition by view, period_start, known_from order by part = 'excerpt') = 1 as is_first_choice
    from {{ ref('stg_landing__coverage') }}
    where dataset = 'mar'

)

select
    activity.extract_id,
    activity.source_sheet,
    activity.source_row,
    activity.period_start,
    activity.view,
    activity.is_england,
    activity.is_excerpt,
    activity.org_code,
    activity.org_name,
    activity.gp_referrals_made,
    activity.gp_referrals_made_all_specialties,
    activity.gp_referrals_seen,
    activity.other_referrals_made,
    activity.elective_admissions as elective_ffces,
    activity.nonelective_admissions as nonelective_ffces,
    activity.first_attendances,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.caveat
from activity
inner join coverage using (extract_id, period_start, view)
where coverage.is_first_choice
