with trajectories as (

    select * from {{ ref('trajectories') }}
    where kind in ('plan', 'ceiling', 'projection')

),

reported as (

    select * from {{ ref('int_reported_values') }}
    where {{ is_current() }} and target is not null

),

planned as (

    select
        plan_id,
        plan,
        plan_version,
        indicator_id,
        org_code,
        org_level,
        breakdown,
        period_type,
        period_start,
        period_end,
        planned_value,
        kind,
        profile,
        source || ', line ' || source_line as plan_source,
        note as plan_note
    from trajectories

    union all

    select
        'RETURNED' as plan_id,
        'as returned' as plan,
        left(extract_id, 12) as plan_version,
        indicator_id,
        org_code,
        org_level,
        null as breakdown,
        period_type,
        period_start,
        period_end,
        target::decimal(18, 6) as planned_value,
        'plan' as kind,
        null as profile,
        'return ' || extract_id as plan_source,
        null as plan_note
    from reported

)

select
    *,
    {{ series_level() }} as series_level
from planned
