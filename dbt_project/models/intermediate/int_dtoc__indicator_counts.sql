with delayed_days as (

    select * from {{ ref('stg_dtoc__delayed_days') }}

),

by_organisation as (

    select
        -- Grouping by provider and over all of them in one pass; the second is England.
        grouping(provider_code) = 1 as is_england,
        provider_code,
        any_value(provider_name) as provider_name,
        period_start,
        sum(nhs_days) as delayed_days_nhs,
        sum(social_care_days) as delayed_days_social_care,
        sum(both_days) as delayed_days_both,
        count(*) filter (where nhs_days is null or social_care_days is null or both_days is null) as blank_rows,
        any_value(caveat) as extract_caveat,
        any_value(edition) as edition,
        any_value(extract_id) as extract_id
    from delayed_days
    group by grouping sets ((period_start, provider_code), (period_start))

),

counts as (

    unpivot (
        select
            *,
            coalesce(delayed_days_nhs, 0) + coalesce(delayed_days_social_care, 0) + coalesce(delayed_days_both, 0)
                as delayed_days
        from by_organisation
    )
    on delayed_days, delayed_days_nhs, delayed_days_social_care, delayed_days_both
    into name measure value numerator

)

select
    measure,
    case when is_england then 'ENG' else provider_code end as org_code,
    case when is_england then 'England' else provider_name end as org_name,
    case when is_england then 'national' else 'provider' end as org_level,
    period_start,
    numerator,
    null::bigint as denominator,
    nullif(concat_ws(
        '; ',
        case when blank_rows > 0 then blank_rows || ' rows of the extract have a blank where days are expected' end,
        extract_caveat
    ), '') as caveat,
    edition,
    extract_id
from counts
