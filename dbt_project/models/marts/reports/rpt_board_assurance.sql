with risks as (

    select * from {{ ref('risk_scores') }}

),

evidence as (

    select * from {{ ref('int_risk_evidence') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

with_quarter_before as (

    select
        *,
        lag(current_score) over quarters as score_before,
        lag(quarter_start) over quarters as quarter_before
    from risks
    window quarters as (partition by org_code, risk_ref order by quarter_start)

),

scored as (

    select
        *,
        case when quarter_before = quarter_start - interval 3 month then score_before end as previous_score,
        case
            when current_score < previous_score then 'improving'
            when current_score > previous_score then 'worsening'
            when current_score = previous_score then 'no movement'
        end as movement_by_scores
    from with_quarter_before

),

-- Each indicator of an organisation once, by standard and by plan.
evidenced as (

    select
        org_code,
        risk_ref,
        quarter_start,
        count(distinct indicator_id) as indicators_linked,
        count(distinct indicator_id) filter (where judged_against is not null) as indicators_judged,
        count(distinct (indicator_id, evidence_code)) filter (where judged_against = 'standard') as standards_judged,
        count(distinct (indicator_id, evidence_code)) filter (where judged_against = 'standard' and is_adverse)
            as standards_in_breach,
        count(distinct (indicator_id, evidence_code)) filter (where judged_against = 'plan') as plans_judged,
        count(distinct (indicator_id, evidence_code)) filter (where judged_against = 'plan' and is_adverse)
            as plans_missed,
        max(case severity when 'critical' then 3 when 'major' then 2 when 'minor' then 1 end) as worst,
        min(period_end) filter (where judged_against is not null) as evidence_from,
        max(period_end) filter (where judged_against is not null) as evidence_to,
        string_agg(
            distinct indicator_id || ' ' || evidence_code || ' ' || strftime(period_end, '%Y-%m'),
            ', ' order by indicator_id || ' ' || evidence_code || ' ' || strftime(period_end, '%Y-%m')
        ) filter (where judged_against = 'standard' and is_adverse) as breaches_behind,
        string_agg(
            distinct indicator_id || ' ' || evidence_code || ' ' || strftime(period_end, '%Y-%m'),
            ', ' order by indicator_id || ' ' || evidence_code || ' ' || strftime(period_end, '%Y-%m')
        ) filter (where judged_against = 'plan' and is_adverse) as missed_plans_behind,
        bool_or(is_our_judgement) as has_links_of_ours
    from evidence
    group by org_code, risk_ref, quarter_start

)

select
    scored.org_code,
    organisations.org_name,
    scored.risk_ref,
    scored.risk,
    scored.quarter_start,
    scored.assurance_date,
    scored.inherent_score,
    scored.previous_score,
    scored.current_score,
    scored.movement,
    scored.movement_by_scores,
    scored.movement = scored.movement_by_scores as is_movement_borne_out,
    scored.target_score,
    scored.current_score <= scored.target_score as is_target_met,
    greatest(scored.current_score - scored.target_score, 0) as distance_to_target,
    scored.target_date,
    scored.assurance_date > scored.target_date as is_target_date_passed,
    scored.forecast_score,
    scored.forecast_date,
    scored.forecast_score <= scored.target_score as is_forecast_on_target,
    scored.assurance_level,
    coalesce(evidenced.indicators_linked, 0) as indicators_linked,
    coalesce(evidenced.indicators_judged, 0) as indicators_judged,
    coalesce(evidenced.standards_judged, 0) as standards_judged,
    coalesce(evidenced.standards_in_breach, 0) as standards_in_breach,
    coalesce(evidenced.plans_judged, 0) as plans_judged,
    coalesce(evidenced.plans_missed, 0) as plans_missed,
    case evidenced.worst when 3 then 'critical' when 2 then 'major' when 1 then 'minor' end as worst_severity,
    evidenced.breaches_behind,
    evidenced.missed_plans_behind,
    evidenced.evidence_from,
    evidenced.evidence_to,
    evidenced.has_links_of_ours,
    nullif(concat_ws(
        '; ',
        case when scored.assurance_level is null then 'level of assurance not given' end,
        case when scored.forecast_score is null then 'no forecast is given' end,
        case
            when scored.movement <> scored.movement_by_scores
                then 'printed as ' || scored.movement || ', but the score went from ' || scored.previous_score || ' to '
                || scored.current_score
        end,
        case
            when scored.current_likelihood * scored.current_impact <> scored.current_score
                then 'likelihood ' || scored.current_likelihood || ' x impact ' || scored.current_impact || ' is '
                || scored.current_likelihood * scored.current_impact || ', not ' || scored.current_score
        end,
        case
            when evidenced.indicators_linked is null then 'no indicator is linked to it'
            when evidenced.indicators_judged = 0
                then 'no figure of a linked indicator was judged in the {{ var("risk_evidence_months") }} months before'
        end,
        scored.note
    ), '') as caveat,
    scored.source,
    scored.source_lines
from scored
left join organisations using (org_code, org_level)
left join evidenced using (org_code, risk_ref, quarter_start)
