with delayed_days as (

    select * from {{ ref('stg_dtoc__delayed_days') }}

),

providers as (

    select
        provider_code as org_code,
        max(provider_name) as org_name,
        'provider' as org_level,
        period_start,
        known_from,
        known_to,
        coalesce(sum(nhs_days), 0) as nhs_days,
        coalesce(sum(social_care_days), 0) as social_care_days,
        coalesce(sum(both_days), 0) as both_days,
        count(*) filter (where nhs_days is null or social_care_days is null or both_days is null) as blank_rows,
        max(caveat) as extract_caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from delayed_days
    group by provider_code, period_start, known_from, known_to

),

england as (

    select
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        known_from,
        known_to,
        sum(nhs_days) as nhs_days,
        sum(social_care_days) as social_care_days,
        sum(both_days) as both_days,
        sum(blank_rows) as blank_rows,
        max(extract_caveat) as extract_caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from providers
    group by period_start, known_from, known_to

),

organisations as (

    select
        *,
        nullif(concat_ws(
            '; ',
            case when blank_rows > 0 then 'blank where days are expected in rows of the extract: ' || blank_rows end,
            extract_caveat
        ), '') as caveat
    from (
        select * from providers
        union all
        select * from england
    ) as providers_and_england

),

counts as (

    select 'delayed_days' as measure, *, nhs_days + social_care_days + both_days as numerator from organisations
    union all
    select 'delayed_days_nhs' as measure, *, nhs_days as numerator from organisations
    union all
    select 'delayed_days_social_care' as measure, *, social_care_days as numerator from organisations
    union all
    select 'delayed_days_both' as measure, *, both_days as numerator from organisations

)

select
    measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    numerator,
    null::bigint as denominator,
    caveat,
    edition,
    extract_id
from counts
