with activity as (

    select * from {{ ref('stg_activity__admissions_and_attendances') }}

),

measures as (

    select
        *,
        'elective_admissions' as measure,
        acute_elective_admissions as numerator,
        list_contains(suppressed_measures, 'acute_elective_admissions') as is_suppressed
    from activity

    union all

    select
        *,
        'nonelective_admissions' as measure,
        acute_nonelective_admissions as numerator,
        list_contains(suppressed_measures, 'acute_nonelective_admissions') as is_suppressed
    from activity

    union all

    select
        *,
        'first_attendances' as measure,
        acute_first_attendances as numerator,
        list_contains(suppressed_measures, 'acute_first_attendances') as is_suppressed
    from activity

)

select
    measure,
    case breakdown when 'england' then 'ENG' else org_code end as org_code,
    case breakdown when 'england' then 'England' else org_name end as org_name,
    case breakdown
        when 'england' then 'national'
        when 'provider' then 'provider'
        else {{ commissioner_level('org_name', 'period_start') }}
    end as org_level,
    period_start,
    known_from,
    known_to,
    numerator,
    null::bigint as denominator,
    nullif(concat_ws(
        '; ',
        case
            when is_suppressed then 'suppressed by the publisher: a small number'
            when breakdown <> 'england' then 'rounded to 5 by the publisher'
        end,
        caveat
    ), '') as caveat,
    edition,
    extract_id
from measures
