with trajectories as (

    select * from {{ ref('trajectories') }}
    where kind in ('plan', 'ceiling', 'projection')

),

plan_versions as (

    select * from {{ ref('plan_versions') }}

),

returned as (

    select * from {{ ref('int_reported_values') }}
    where target is not null

),

of_catalogue as (

    select
        trajectories.plan_id,
        trajectories.plan,
        trajectories.plan_version,
        trajectories.indicator_id,
        trajectories.org_code,
        trajectories.org_level,
        trajectories.breakdown,
        trajectories.period_type,
        trajectories.period_start,
        trajectories.period_end,
        trajectories.planned_value,
        trajectories.kind,
        trajectories.profile,
        trajectories.source || ', line ' || trajectories.source_line as plan_source,
        trajectories.note as plan_note,
        plan_versions.agreed_on
    from trajectories
    left join plan_versions using (plan_id, plan_version)
    {%- if var('as_known_at', none) %}
    where coalesce(plan_versions.agreed_on <= timestamp '{{ var("as_known_at") }}', true)
    {%- endif %}

),

-- The version of a planned period that was agreed last counts. Where it is not said which that is, none does.
ordered as (

    select
        *,
        count(*) over same_period as versions_of_period,
        count(agreed_on) over same_period as dated_versions,
        max(agreed_on) over same_period as last_agreed_on,
        count(*) over (
            partition by plan_id, indicator_id, org_code, org_level, breakdown, period_type, period_start, period_end,
                agreed_on
        ) as agreed_that_day
    from of_catalogue
    window same_period as (
        partition by plan_id, indicator_id, org_code, org_level, breakdown, period_type, period_start, period_end
    )

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
        agreed_on,
        case
            when versions_of_period = 1 then true
            when dated_versions < versions_of_period then null
            when agreed_on < last_agreed_on then false
            when agreed_that_day = 1 then true
        end as is_current_version,
        plan_source,
        plan_note
    from ordered

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
        any_value(target)::decimal(18, 6) as planned_value,
        'plan' as kind,
        null as profile,
        min(known_from)::date as agreed_on,
        bool_or({{ is_current() }}) as is_current_version,
        'return ' || extract_id as plan_source,
        null as plan_note
    from returned
    group by extract_id, indicator_id, org_code, org_level, period_type, period_start, period_end

)

select
    *,
    {{ series_level() }} as series_level
from planned
