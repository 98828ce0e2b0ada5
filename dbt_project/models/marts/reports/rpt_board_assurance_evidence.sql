with evidence as (

    select * from {{ ref('int_risk_evidence') }}
    where is_adverse

),

risks as (

    select * from {{ ref('risk_scores') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

)

select
    evidence.org_code,
    evidence.risk_ref,
    risks.risk,
    evidence.quarter_start,
    evidence.judged_against,
    evidence.indicator_id,
    indicators.indicator_name,
    evidence.evidence_code as evidence_org_code,
    organisations.org_name as evidence_org_name,
    evidence.evidence_org_level,
    evidence.period_type,
    evidence.period_start,
    evidence.period_end,
    evidence.source,
    evidence.value,
    evidence.unit,
    evidence.comparator,
    evidence.required_value,
    evidence.plan_id,
    evidence.plan_version,
    evidence.breakdown,
    evidence.plan,
    evidence.severity,
    evidence.excess_breaches,
    evidence.periods_in_breach,
    evidence.reason as link_reason,
    evidence.is_our_judgement as is_link_our_judgement,
    evidence.is_provisional,
    evidence.caveat,
    evidence.extract_ids
from evidence
inner join risks using (org_code, risk_ref, quarter_start)
inner join indicators using (indicator_id)
left join organisations
    on
        evidence.evidence_code = organisations.org_code
        and evidence.evidence_org_level = organisations.org_level
