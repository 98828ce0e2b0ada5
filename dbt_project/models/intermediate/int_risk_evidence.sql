with risks as (

    select * from {{ ref('risk_scores') }}

),

links as (

    select * from {{ ref('risk_indicators') }}

),

indicator_sets as (

    select * from {{ ref('dim_indicator_sets') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}
    where is_preferred and is_met is not null and period_type <> 'ytd'

),

breaches as (

    select * from {{ ref('fct_breaches') }}

),

trajectories as (

    select * from {{ ref('fct_trajectory_comparisons') }}
    where is_on_plan is not null and is_current_version

),

linked_indicators as (

    select
        links.org_code,
        links.risk_ref,
        coalesce(links.indicator_id, indicator_sets.indicator_id) as indicator_id,
        links.evidence_org_code,
        links.reason,
        links.is_our_judgement,
        links.indicator_id is not null as is_named
    from links
    left join indicator_sets
        on
            links.indicator_set = indicator_sets.set_id
            and links.indicator_id is null

),

-- The services that an organisation commissions evidence its risks beside its own figures.
services as (

    select distinct
        parent_code as org_code,
        org_code as service_code
    from organisations
    where org_level in ('service', 'locality', 'practice') and parent_code is not null

),

linked_organisations as (

    select
        *,
        coalesce(evidence_org_code, org_code) as evidence_code
    from linked_indicators

    union all

    select
        linked_indicators.*,
        services.service_code as evidence_code
    from linked_indicators
    inner join services using (org_code)
    where linked_indicators.evidence_org_code is null

),

-- An indicator that is linked twice, by its set and by itself, evidences the risk once.
linked as (

    select
        risks.org_code,
        risks.risk_ref,
        risks.quarter_start,
        risks.assurance_date,
        (risks.assurance_date - interval '{{ var("risk_evidence_months") }} months')::date as evidence_from,
        linked_organisations.indicator_id,
        linked_organisations.evidence_code,
        linked_organisations.reason,
        linked_organisations.is_our_judgement
    from risks
    inner join linked_organisations using (org_code, risk_ref)
    where linked_organisations.indicator_id is not null
    qualify row_number() over (
        partition by
            risks.org_code, risks.risk_ref, risks.quarter_start, linked_organisations.indicator_id,
            linked_organisations.evidence_code
        order by linked_organisations.is_named desc, linked_organisations.evidence_org_code, linked_organisations.reason
    ) = 1

),

-- The latest verdict by the day of assurance, of the shortest period that ends then.
against_standards as (

    select
        linked.*,
        comparisons.org_level,
        comparisons.period_type,
        comparisons.period_start,
        comparisons.period_end,
        comparisons.source,
        comparisons.value,
        comparisons.unit,
        comparisons.comparator,
        comparisons.standard,
        not comparisons.is_met as is_adverse,
        comparisons.is_provisional,
        comparisons.caveat,
        comparisons.extract_ids
    from linked
    inner join comparisons
        on
            linked.indicator_id = comparisons.indicator_id
            and linked.evidence_code = comparisons.org_code
            and comparisons.period_end <= linked.assurance_date
            and comparisons.period_end >= linked.evidence_from
    qualify rank() over (
        partition by
            linked.org_code, linked.risk_ref, linked.quarter_start, linked.indicator_id, linked.evidence_code
        order by comparisons.period_end desc, comparisons.period_start desc
    ) = 1

),

against_plans as (

    select
        linked.*,
        trajectories.org_level,
        trajectories.period_type,
        trajectories.period_start,
        trajectories.period_end,
        trajectories.actual_source as source,
        trajectories.plan_id,
        trajectories.plan_version,
        trajectories.breakdown,
        trajectories.plan,
        trajectories.actual_value as value,
        trajectories.unit,
        trajectories.planned_value,
        not trajectories.is_on_plan as is_adverse,
        trajectories.is_provisional,
        trajectories.caveat,
        trajectories.extract_ids
    from linked
    inner join trajectories
        on
            linked.indicator_id = trajectories.indicator_id
            and linked.evidence_code = trajectories.org_code
            and trajectories.period_end <= linked.assurance_date
            and trajectories.period_end >= linked.evidence_from
    qualify rank() over (
        partition by
            linked.org_code, linked.risk_ref, linked.quarter_start, linked.indicator_id, linked.evidence_code
        order by trajectories.period_end desc, trajectories.period_start desc
    ) = 1

),

-- A target that a return states is often the standard itself: that is one verdict, not two.
against_other_plans as (

    select against_plans.*
    from against_plans
    left join against_standards
        on
            against_plans.org_code = against_standards.org_code
            and against_plans.risk_ref = against_standards.risk_ref
            and against_plans.quarter_start = against_standards.quarter_start
            and against_plans.indicator_id = against_standards.indicator_id
            and against_plans.evidence_code = against_standards.evidence_code
            and against_plans.planned_value = against_standards.standard::double
    where against_standards.indicator_id is null

),

judged as (

    select
        against_standards.org_code,
        against_standards.risk_ref,
        against_standards.quarter_start,
        'standard' as judged_against,
        against_standards.indicator_id,
        against_standards.evidence_code,
        against_standards.org_level,
        against_standards.reason,
        against_standards.is_our_judgement,
        against_standards.period_type,
        against_standards.period_start,
        against_standards.period_end,
        against_standards.source,
        null::varchar as plan_id,
        null::varchar as plan_version,
        null::varchar as breakdown,
        null::varchar as plan,
        against_standards.value,
        against_standards.unit,
        against_standards.comparator,
        against_standards.standard::double as required_value,
        against_standards.is_adverse,
        breaches.severity,
        breaches.excess_breaches,
        breaches.periods_in_breach,
        against_standards.is_provisional,
        against_standards.caveat,
        against_standards.extract_ids
    from against_standards
    left join breaches
        on
            against_standards.indicator_id = breaches.indicator_id
            and against_standards.evidence_code = breaches.org_code
            and against_standards.org_level = breaches.org_level
            and against_standards.period_type = breaches.period_type
            and against_standards.period_start = breaches.period_start
            and against_standards.period_end = breaches.period_end
            and against_standards.source = breaches.source

    union all

    select
        org_code,
        risk_ref,
        quarter_start,
        'plan' as judged_against,
        indicator_id,
        evidence_code,
        org_level,
        reason,
        is_our_judgement,
        period_type,
        period_start,
        period_end,
        source,
        plan_id,
        plan_version,
        breakdown,
        plan,
        value,
        unit,
        null as comparator,
        planned_value as required_value,
        is_adverse,
        null as severity,
        null as excess_breaches,
        null as periods_in_breach,
        is_provisional,
        caveat,
        extract_ids
    from against_other_plans

)

-- A link of which there is no figure stays, without a verdict: it is counted as linked.
select
    linked.org_code,
    linked.risk_ref,
    linked.quarter_start,
    linked.indicator_id,
    linked.evidence_code,
    judged.judged_against,
    judged.org_level as evidence_org_level,
    linked.reason,
    linked.is_our_judgement,
    judged.period_type,
    judged.period_start,
    judged.period_end,
    judged.source,
    judged.plan_id,
    judged.plan_version,
    judged.breakdown,
    judged.plan,
    judged.value,
    judged.unit,
    judged.comparator,
    judged.required_value,
    judged.is_adverse,
    judged.severity,
    judged.excess_breaches,
    judged.periods_in_breach,
    judged.is_provisional,
    judged.caveat,
    judged.extract_ids
from linked
left join judged
    using (org_code, risk_ref, quarter_start, indicator_id, evidence_code)
